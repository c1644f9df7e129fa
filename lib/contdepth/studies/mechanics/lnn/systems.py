"""Two systems of one degree of freedom with known accelerations: states to learn from, starts to judge by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth.mechanics import PlanePendulum, RelativisticOscillator, simulate
from contdepth.seeds import generator

__all__ = ["PENDULUM", "SPRING", "Case"]

Sample = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Case:
    """A ``system``; states are learned in the box |q| < ``reach``, |v| < ``speed``.

    Starts are at rest with |q| up to ``start``; the box holds every path from such a start.
    """

    name: str
    system: PlanePendulum | RelativisticOscillator
    reach: float
    speed: float
    start: float

    @property
    def scale(self) -> float:
        """The largest energy of a start, in which errors of energy are measured."""
        return float(self.system.energy(torch.tensor([self.start, 0.0], dtype=torch.float64)))

    def sample(self, n: int, seed: int, what: str) -> Sample:
        """Return q, v and q'' ``(n, 1)``, uniform in the box; ``what`` names the set."""
        drawn = 2 * torch.rand(n, 2, generator=generator(seed, f"{self.name}/{what}")) - 1
        q, v = self.reach * drawn[:, :1], self.speed * drawn[:, 1:]
        return q, v, self.system.acceleration(q, v)

    def starts(self, n: int) -> Tensor:
        """Return ``n`` states ``(n, 2)`` float64 at rest, evenly from a tenth of the largest to the largest."""
        q = torch.linspace(0.1, 1.0, n, dtype=torch.float64) * self.start
        q[1::2] *= -1
        return torch.stack((q, torch.zeros_like(q)), -1)

    def truth(self, starts: Tensor, times: Tensor) -> Tensor:
        """Return the true states ``(N + 1, n, 2)`` float64 at ``times``."""
        return simulate(self.system.field, starts, times, tolerance=1e-9)


PENDULUM = Case("pendulum", PlanePendulum(), reach=math.pi, speed=2.0, start=2.2)
SPRING = Case("relativistic spring", RelativisticOscillator(), reach=2.0, speed=0.95, start=1.2)
