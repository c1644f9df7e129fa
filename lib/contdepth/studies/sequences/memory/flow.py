"""How long a linear net trains until it finds what comes late: gradient flow and Adam on one exact loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contdepth.schemes import RODAS5P, solve
from contdepth.seeds import generator

__all__ = ["Late", "Training", "adam", "bending", "flow", "start"]


@dataclass(frozen=True)
class Late:
    """A kernel exp(-t) + c exp(-(t - delay)² / 2σ²): short memory, and a bump that comes late.

    White noise as input makes the loss of ρ̂(t) = Σ a_i exp(-w_i t) the square of ρ̂ - ρ in L²; delays are so long
    that the bump's integrals run over the whole line.
    """

    delay: float
    size: float = 0.3
    width: float = 0.5

    @property
    def bump(self) -> float:
        """∫ of the bump's square: the loss of a net that has learned all but the bump, its plateau."""
        return self.size**2 * self.width * math.sqrt(math.pi)

    def seen(self, w: Tensor) -> Tensor:
        """∫ exp(-w t) bump(t) dt."""
        area = self.size * self.width * math.sqrt(2 * math.pi)
        return area * torch.exp(-w * self.delay + (w * self.width).square() / 2)

    def loss(self, u: Tensor) -> Tensor:
        """``(...)`` of parameters ``(..., 2m)``: a, then w."""
        a, w = u.chunk(2, dim=-1)
        own = (a[..., :, None] * a[..., None, :] / (w[..., :, None] + w[..., None, :])).sum((-2, -1))
        target = 0.5 + self.bump + 2 * self.seen(w.new_ones(()))
        return own - 2 * (a * (1 / (w + 1) + self.seen(w))).sum(-1) + target

    def slope(self, u: Tensor) -> Tensor:
        """The gradient of ``loss``, ``(..., 2m)``."""
        a, w = u.chunk(2, dim=-1)
        inverse, seen = 1 / (w[..., :, None] + w[..., None, :]), self.seen(w)
        by_a = (inverse * a[..., None, :]).sum(-1) - 1 / (w + 1) - seen
        later = 1 / (w + 1).square() + seen * (self.delay - w * self.width**2)
        by_w = a * (later - (inverse.square() * a[..., None, :]).sum(-1))
        return 2 * torch.cat([by_a, by_w], dim=-1)


@dataclass(frozen=True)
class Training:
    """``times`` ``(N,)``, counted in steps for Adam, and ``losses`` ``(N, seeds)``."""

    times: np.ndarray
    losses: np.ndarray

    def escapes(self, plateau: float, least: np.ndarray) -> np.ndarray:
        """When each seed's loss is half way from the plateau to ``least``; NaN where it never is."""
        level = (plateau + least) / 2
        found = []
        for one, half in zip(self.losses.T, level, strict=True):
            below = np.flatnonzero(one <= half)
            if len(below) == 0 or below[0] == 0:
                found.append(np.nan)
                continue
            k = int(below[0])
            part = (one[k - 1] - half) / (one[k - 1] - one[k])
            logs = np.log(np.maximum(self.times[[k - 1, k]], 1e-300))
            found.append(float(np.exp(logs[0] + part * (logs[1] - logs[0]))))
        return np.array(found)


def start(seeds: list[int], modes: int) -> Tensor:
    """Parameters ``(seeds, 2 modes)``, each mode with 0.2 < a < 0.5 and a rate between 0.7 and 1.3."""
    drawn = torch.stack(
        [torch.rand(2, modes, generator=generator(s, "memory/start"), dtype=torch.float64) for s in seeds]
    )
    return torch.cat([0.2 + 0.3 * drawn[:, 0], 0.7 + 0.6 * drawn[:, 1]], dim=-1)


def flow(late: Late, u: Tensor, end: float = 1e8, points: int = 160, *, logs: bool = False) -> Training:
    """Follow u' = -∇ loss from ``u`` ``(seeds, 2m)`` to ``end``, a stiff equation, losses at times evenly in ln t.

    With ``logs`` it is the gradient flow in a and ln w, which keeps rates positive.
    """
    t = torch.cat([torch.zeros(1), torch.logspace(-2, math.log10(end), points)]).double()

    def field(_: Tensor, v: Tensor) -> Tensor:
        a, w = v.chunk(2, dim=-1)
        by_a, by_w = late.slope(torch.cat([a, w.exp()], dim=-1) if logs else v).chunk(2, dim=-1)
        return -torch.cat([by_a, by_w * w.exp() if logs else by_w], dim=-1)

    a, w = u.chunk(2, dim=-1)
    begun = torch.cat([a, w.log()], dim=-1) if logs else u
    a, w = solve(field, begun, t, RODAS5P, rtol=1e-6, atol=1e-9, steps="own").u.chunk(2, dim=-1)
    losses = late.loss(torch.cat([a, w.exp() if logs else w], dim=-1))
    return Training(t.numpy()[1:], losses.numpy()[1:])


def adam(late: Late, u: Tensor, steps: int, rate: float) -> Training:
    """Take steps of Adam, all seeds side by side; a sum of their losses leaves each its own gradient."""
    v = u.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([v], lr=rate)
    losses = []
    for _ in range(steps):
        v.grad = late.slope(v.detach())
        losses.append(late.loss(v.detach()))
        optimiser.step()
    return Training(np.arange(1.0, steps + 1), torch.stack(losses).numpy())


def bending(memory: list[float], cost: list[np.ndarray]) -> np.ndarray:
    """Return the slope of ln cost over the last of two stretches of ``memory``, over that of the first.

    It is 1 for exponential growth; for a power it is ln(z/y) (y - x) / (ln(y/x) (z - y)) at memories x, y, z.
    """
    (x, y, z), (p, q, r) = memory, (np.log(np.asarray(one, dtype=float)) for one in cost)
    return ((r - q) / (z - y)) / ((q - p) / (y - x))
