"""The exact solution of the quadratic Hamilton-Jacobi-Bellman equation, by quadrature."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from contdepth import checks

__all__ = ["hjb_solution", "hjb_value"]


def log_chi_square(degrees: int, low: float, high: float, points: int) -> tuple[Tensor, Tensor]:
    """Nodes q (n,) equally spaced in ln q and log-weights of the trapezium rule for χ² with ``degrees``."""
    s = torch.linspace(low, high, points, dtype=torch.float64)
    norm = degrees / 2 * math.log(2) + math.lgamma(degrees / 2) - math.log(float(s[1] - s[0]))
    return s.exp(), degrees / 2 * s - s.exp() / 2 - norm


def hjb_value(dim: int = 100, strength: float = 1.0, horizon: float = 1.0) -> float:
    """u(0, 0) = -λ⁻¹ ln E exp(-λ g(√2 W_T)) for g = ln((1 + |x|²)/2), and E g for λ = ``strength`` = 0.

    |W_T|²/T is χ² with ``dim`` degrees of freedom, which leaves one integral; the trapezium rule in its logarithm
    with summed logarithms stays exact where exp(-λg) lives in a tail of 1e-20, which Monte Carlo never meets.

    Raises:
        TypeError, ValueError: a number outside its range.
    """
    checks.integer("dim", dim, at_least=1, at_most=10_000)
    checks.real("strength", strength, at_least=0, at_most=1000)
    checks.real("horizon", horizon, above=0)
    q, weights = log_chi_square(dim, -40.0 / min(dim, 5), 8.0 + math.log(max(dim, 100) / 100), 8001)
    g = ((1 + 2 * horizon * q) / 2).log()
    if strength == 0:
        return float((g * weights.exp()).sum())
    return -float(torch.logsumexp(weights - strength * g, 0)) / strength


def hjb_solution(radius: Tensor, left: float, dim: int = 100, strength: float = 1.0) -> tuple[Tensor, Tensor]:
    """u and ∂u/∂r at distances ``radius`` (n,) from 0 with ``left`` time to go; ``dim`` >= 2, ``strength`` > 0.

    Two-dimensional quadrature over the component of W along x and the χ² of the others. Returns tensors (n,).

    Raises:
        TypeError, ValueError: a wrong shape or dtype, a number outside its range.
    """
    checks.reals("radius", radius, ndim=1)
    checks.real("left", left, above=0)
    checks.integer("dim", dim, at_least=2, at_most=10_000)
    checks.real("strength", strength, above=0, at_most=1000)
    along = torch.linspace(-18, 10, 281, dtype=torch.float64)
    low, high = -40.0 / min(dim - 1, 5), 6.2 + math.log(max(dim, 100) / 100)
    q, weights = log_chi_square(dim - 1, low, high, round((high - low) / 0.04))
    gauss = -along.square() / 2 - math.log(2 * math.pi) / 2 + math.log(float(along[1] - along[0]))
    both = (gauss[:, None] + weights).to(radius)
    along, q, spread = along.to(radius), q.to(radius), math.sqrt(2 * left)
    found = []
    for r in radius:
        first = r + spread * along
        square = first.square()[:, None] + spread**2 * q
        logs = both - strength * ((1 + square) / 2).log()
        total = logs.logsumexp((0, 1))
        slope = ((logs - total).exp() * 2 * first[:, None] / (1 + square)).sum()
        found.append(torch.stack((-total / strength, slope)))
    u, slope = torch.stack(found).T if found else radius.new_zeros(2, 0)
    return u, slope
