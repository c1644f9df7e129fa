"""Kernels of linear recurrent nets: sums of exponentials, what they can come near to, and what bounds them below.

A linear net h' = W h + b x, y = c·h answers x by y(t) = ∫ ρ(s) x(t - s) ds with ρ(s) = c·exp(W s) b. Letters:
ω of the power law ρ(t) = (1 + t)^-(1+ω), whose area is 1/ω; m modes, as many as the net has units.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.integrate import simpson

__all__ = ["area_missed", "enough", "hankel_of_modes", "hankel_of_values", "too_few", "trapezoid"]


def trapezoid(omega: float, step: float, low: float, high: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Rates w_k = exp(k step) in [low, high] of ln w, and positive weights, of a sum of exponentials.

    Γ(1+ω) (1+t)^-(1+ω) = ∫ w^ω exp(-w) exp(-w t) dw, and the trapezoidal rule in ln w: its relative error is the
    same small number at all t, about 2 exp(-π²/step), but for what the two ends cut off.
    """
    s = np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step
    w = np.exp(s)
    return w, step * w ** (1 + omega) * np.exp(-w) / math.gamma(1 + omega)


def area_missed(omega: float, rates: np.ndarray, weights: np.ndarray, points: int = 1500) -> float:
    """Return ∫ |ρ - Σ weights exp(-rates t)| dt as a share of the power law's area.

    ln(1 + t) is the variable of Simpson's rule; behind the last point both tails are added, as if they differed.
    """
    end = math.log(1e4) / omega
    s = np.linspace(0.0, end, 2 * points + 1)
    grown = np.exp(s)
    error = np.abs((np.exp(-rates * (grown - 1)[:, None]) * weights).sum(1) - grown ** -(1 + omega)) * grown
    inside = simpson(error, dx=s[1])
    behind = grown[-1] ** -omega / omega + (weights / rates * np.exp(-rates * (grown[-1] - 1))).sum()
    return float((inside + behind) * omega)


def enough(omega: float, share: float = 0.01) -> int:
    """Return a number of modes that miss at most ``share`` of the area: the least of some trapezoidal rules."""
    best = 10_000
    for step in (0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0):
        for more in (0.0, 1.0, 2.0, 3.0, 4.0, 5.0):
            for high in (1.0, 2.0, 3.0):
                rates, weights = trapezoid(omega, step, math.log(share) / omega - more, high)
                if len(rates) < best and area_missed(omega, rates, weights) <= share:
                    best = len(rates)
    return best


def hankel_of_modes(rates: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the singular values, falling, of f ↦ ∫ ρ(t + s) f(s) ds for ρ = Σ weights exp(-rates t), weights > 0.

    They are the eigenvalues of the Gramian √(b_i b_j) / (w_i + w_j): the operator is its square root's square.
    """
    b = np.sqrt(weights)
    return np.linalg.eigvalsh(np.outer(b, b) / (rates[:, None] + rates))[::-1]


def hankel_of_values(rho: Callable[[np.ndarray], np.ndarray], end: float, points: int = 400) -> np.ndarray:
    """Return the singular values of the same operator for any ρ that vanishes behind ``end``, by Gauss's rule."""
    x, w = np.polynomial.legendre.leggauss(points)
    t, root = end * (x + 1) / 2, np.sqrt(end * w / 2)
    return np.linalg.svd(root[:, None] * rho(t[:, None] + t) * root, compute_uv=False)


def too_few(singular: np.ndarray, area: float, share: float = 0.01) -> int:
    """Return the largest number of modes that must miss more than ``share`` of the area.

    No operator of rank m is nearer to Hankel's than its singular value m + 1, and none of these distances is above
    the area between the kernels (Adamjan, Arov, Krein 1971; Young's inequality).
    """
    return int((singular > share * area).sum()) - 1
