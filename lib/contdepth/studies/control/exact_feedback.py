"""What the time steps alone do: the value at the origin from the exact gradient, on free or controlled paths."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from contdepth import seeds
from contdepth.control import hamilton_jacobi_bellman, hjb_solution
from contdepth.control.bsde.solve import residuals

__all__ = ["value_with_exact_gradient"]


def _gradient(x: Tensor, left: float, strength: float) -> Tensor:
    """√2 ∇u at x (batch, d), the slope in r from a polynomial through seven exact values."""
    r = x.norm(dim=1)
    low, high = float(r.min()), float(r.max())
    grid = torch.linspace(low, high, 7, dtype=x.dtype)
    _, slope = hjb_solution(grid, left, x.shape[1], strength)
    scaled, nodes = 2 * (r - low) / (high - low) - 1, torch.linspace(-1, 1, 7, dtype=x.dtype)
    found = torch.linalg.solve(torch.linalg.vander(nodes), slope)
    return math.sqrt(2) * x / r[:, None] * (torch.linalg.vander(scaled, N=7) @ found)[:, None]


def value_with_exact_gradient(
    strength: float, steps: int, *, controlled: bool, paths: int = 500, seed: int = 0
) -> tuple[float, float]:
    """Return mean and standard deviation of the residual from Y_0 = 0 for Z = √2 ∇u(t, X) in 100 dimensions."""
    problem = hamilton_jacobi_bellman(100, strength)
    generator, h = seeds.generator(seed, "exact"), 1 / steps
    x = torch.zeros(paths, 100, dtype=torch.float64)
    states, each, moved = [x], [], []
    for n in range(steps):
        z = _gradient(x, 1 - n * h, strength) if n else torch.zeros_like(x)
        dw = torch.randn(x.shape, generator=generator, dtype=x.dtype) * math.sqrt(h)
        moved.append(dw - strength * h * z if controlled else dw)
        x = x + problem.volatility * moved[-1]
        states.append(x)
        each.append(z)
    z_all, x_all, w_all = (torch.stack(one)[None] for one in (each, states, moved))
    found = residuals(problem, z_all, x_all, w_all, torch.zeros(1, dtype=x.dtype), x.new_full((steps,), h))
    return float(found.mean()), float(found.std())
