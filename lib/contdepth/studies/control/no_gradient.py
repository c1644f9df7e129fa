"""What a benchmark's value is without any gradient: Z = 0, and Y the same on all paths."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.integrate import quad, solve_ivp
from scipy.special import ndtr

from contdepth.control import BSDE
from contdepth.control.bsde.exact import log_chi_square

__all__ = ["least_moments", "mean_over_shells", "without_gradient"]


def mean_over_shells(problem: BSDE) -> float:
    """E g(X_T) for X = σW and g that depends on |x| alone: one integral over a χ² variable with d degrees."""
    q, weights = log_chi_square(problem.dim, -40.0 / min(problem.dim, 5), 8.0, 4001)
    x = torch.zeros(len(q), problem.dim, dtype=torch.float64)
    x[:, 0] = problem.volatility * (problem.horizon * q).sqrt()
    return float((problem.terminal(x) * weights.exp()).sum())


def least_moments(
    dim: int, price: float = 100.0, growth: float = 0.02, volatility: float = 0.2
) -> tuple[float, float]:
    """Mean and deviation of the least of ``dim`` assets, S = ``price`` exp(growth - volatility²/2 + volatility W).

    E Sᵏ is the integral of k sᵏ⁻¹ P(min > s) over s, here in the logarithm of s.
    """
    drift = growth - volatility**2 / 2

    def moment(k: int) -> float:
        def integrand(w: float) -> float:
            return float(ndtr(-w) ** dim) * math.exp(k * (drift + volatility * w)) * k * volatility

        ends = [-14.0, -6.0, -4.0, -3.0, -2.0, -1.0, 0.0, 3.0, 14.0]
        parts = [quad(integrand, a, b, epsabs=1e-13)[0] for a, b in zip(ends, ends[1:], strict=False)]
        return math.exp(k * (drift - volatility * 14)) + sum(parts)

    mean = moment(1)
    return price * mean, price * math.sqrt(moment(2) - mean**2)


def without_gradient(problem: BSDE, mean: float) -> float:
    """u(0, 0) if Z were zero: Y is then the same on all paths, y' = -f(y), and ends at ``mean`` = E g(X_T)."""

    def slope(time: float, y: np.ndarray) -> np.ndarray:
        there = torch.as_tensor(y)
        return problem.driver(there, torch.zeros_like(there)).numpy()

    found = solve_ivp(slope, (0, problem.horizon), [mean], rtol=1e-10, atol=1e-12)
    return float(found.y[0, -1])
