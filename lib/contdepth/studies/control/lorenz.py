"""Lorenz's equations, the part of them that a model has, and data: the setting of Ouala et al. 2023.

u' = σ(y - x), x(ρ - z) - y, xy - βz with σ = 10, ρ = 28, β = 8/3. The core that is to be corrected has no βz.
Departure: their data are one trajectory over 60 units of time, ours several shorter ones with starts drawn on
the attractor, since many short ones are solved at once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth.schemes import RK4, RungeKutta, integrate
from contdepth.seeds import generator

__all__ = ["BETA", "core", "lorenz", "trajectories", "windows"]

SIGMA, RHO, BETA = 10.0, 28.0, 8.0 / 3
SPIN_UP, FINE = 10.0, 0.0025


def core(t: Tensor, u: Tensor) -> Tensor:
    """Return the right-hand side of the model, u ``(..., 3)``, without the term -βz."""
    x, y, z = u.unbind(-1)
    return torch.stack([SIGMA * (y - x), x * (RHO - z) - y, x * y], -1)


def lorenz(t: Tensor, u: Tensor) -> Tensor:
    """Return the right-hand side of Lorenz's equations."""
    x, y, z = u.unbind(-1)
    return torch.stack([SIGMA * (y - x), x * (RHO - z) - y, x * y - BETA * z], -1)


def trajectories(count: int, length: int, interval: float, *, seed: int, noise: float = 0.0) -> Tensor:
    """Return states ``(count, length, 3)`` at times in distances of ``interval``, on the attractor from the start.

    They are found by RK4 in steps of at most 0.0025; ``noise`` is the standard deviation of what is added.
    """
    draw = generator(seed, "lorenz")
    scheme, inner = RungeKutta(RK4), max(1, round(interval / FINE))
    start = torch.randn(count, 3, generator=draw, dtype=torch.float64) * 8 + torch.tensor([0.0, 0.0, 25.0])
    spin = torch.linspace(0, SPIN_UP, round(SPIN_UP / 0.01) + 1, dtype=torch.float64)
    start = integrate(lorenz, start, spin, scheme, keep="last")
    steps = torch.arange((length - 1) * inner + 1, dtype=torch.float64) * (interval / inner)
    found = integrate(lorenz, start, steps, scheme)[::inner].transpose(0, 1)
    return found + noise * torch.randn(found.shape, generator=draw, dtype=torch.float64)


def windows(states: Tensor, intervals: int) -> Tensor:
    """Return all stretches ``(n, intervals + 1, 3)`` of trajectories ``(count, length, 3)``."""
    return states.unfold(1, intervals + 1, 1).transpose(2, 3).reshape(-1, intervals + 1, states.shape[-1])
