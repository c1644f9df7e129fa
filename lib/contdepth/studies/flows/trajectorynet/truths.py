"""Populations whose law is known at every time: one that splits along straight lines, one that rides on an arc.

Letters: ``z`` standard normal points ``(n, 2)``, which are the population at time 0; ``t`` time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth.seeds import generator

__all__ = ["Bend", "Split", "Truth", "mirrored"]


def mirrored(n: int, seed: int, purpose: str) -> Tensor:
    """Draw ``n`` normal points ``(n, 2)``, n even: half of them, and these with their first coordinate reversed.

    So as many points lie on the left as on the right, and no distance measures the chance of a coin.
    """
    half = torch.randn(n // 2, 2, generator=generator(seed, purpose))
    return torch.cat([half, half * torch.tensor([-1.0, 1.0])])


@dataclass(frozen=True)
class Truth:
    """A law at every time as the image of normal points; what lies midway between the ``times`` is hidden."""

    times: tuple[float, ...] = (0.0, 1.0)

    @property
    def hidden(self) -> tuple[float, ...]:
        """The times midway between neighbours."""
        return tuple((a + b) / 2 for a, b in zip(self.times, self.times[1:], strict=False))

    def at(self, z: Tensor, t: float) -> Tensor:
        """Return where the points that were ``z`` at time 0 are at time ``t``."""
        raise NotImplementedError

    def draw(self, n: int, t: float, seed: int, purpose: str) -> Tensor:
        """Draw ``n`` mirrored points of the law at time ``t``."""
        return self.at(mirrored(n, seed, f"{purpose}/{t}"), t)


@dataclass(frozen=True)
class Split(Truth):
    """N(0, I) becomes ½N(-a, s²) + ½N(a, s²) along the first coordinate, and stays as it is along the second.

    On the line the optimal map is the monotone one, F⁻¹(Φ(z)); points move on it at constant speed, so that the
    law between the times is that of displacement interpolation, and its cost is a known integral.
    """

    a: float = 2.5
    s: float = 0.6

    def monotone(self, z: Tensor) -> Tensor:
        """Return F⁻¹(Φ(z)) in float64 by bisection: for z < 0 with the tail left of it, and by symmetry else."""
        left = -z.double().abs()
        share, low = _normal(left), torch.full_like(left, -self.a - 12 * self.s)
        high = torch.zeros_like(left)
        for _ in range(60):
            middle = (low + high) / 2
            mass = (_normal((middle + self.a) / self.s) + _normal((middle - self.a) / self.s)) / 2
            low, high = torch.where(mass < share, middle, low), torch.where(mass < share, high, middle)
        found = (low + high) / 2
        return torch.where(z < 0, found, -found)

    def at(self, z: Tensor, t: float) -> Tensor:
        """Return ((1 - t) z_1 + t F⁻¹(Φ(z_1)), z_2)."""
        first = (1 - t) * z[..., 0] + t * self.monotone(z[..., 0]).to(z)
        return torch.stack([first, z[..., 1]], dim=-1)

    def cost(self) -> float:
        """Return W₂² = E(F⁻¹(Φ(z)) - z)² by the trapezoidal rule, finest where the map is steep, float64."""
        z = 8 * torch.linspace(0, 1, 8001, dtype=torch.float64).square()
        density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
        return 2 * float(torch.trapezoid((self.monotone(z) - z).square() * density, z))


@dataclass(frozen=True)
class Bend(Truth):
    """N(0, I) rides on half a circle, and gets narrower on the way.

    Its centre is R(1 - cos θ, sin θ) with θ = πt/2: (0, 0) at time 0, (R, R) at time 1 and (2R, 0) at time 2.
    """

    times: tuple[float, ...] = (0.0, 1.0, 2.0)
    radius: float = 1.5

    def at(self, z: Tensor, t: float) -> Tensor:
        """Return c(t) + (1 - t/4) z."""
        angle = math.pi * t / 2
        centre = z.new_tensor([1 - math.cos(angle), math.sin(angle)])
        return self.radius * centre + (1 - t / 4) * z


def _normal(x: Tensor) -> Tensor:
    return torch.special.ndtr(x)
