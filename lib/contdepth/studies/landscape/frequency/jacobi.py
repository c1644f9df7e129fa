"""Damped Jacobi sweeps for -u'' = g on (0, π), u = 0 at both ends: what they do to every frequency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MODES",
    "Poisson",
    "coarse_guess",
    "contraction",
    "measured_contraction",
    "mode_sweeps",
    "sweeps_until",
]

MODES = (1, 3, 5)
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Poisson:
    """``n`` intervals of length π/n; the solution of the difference equations is sin x + sin 3x + sin 5x."""

    n: int = 64

    @property
    def x(self) -> Array:
        """Inner points, (n - 1,)."""
        return np.asarray(np.arange(1, self.n) * (math.pi / self.n), dtype=np.float64)

    @property
    def solution(self) -> Array:
        return np.asarray(sum(np.sin(k * self.x) for k in MODES), dtype=np.float64)

    @property
    def g(self) -> Array:
        """Right side by the differences, so that ``solution`` is exact."""
        h = math.pi / self.n
        return np.asarray(sum((2 - 2 * math.cos(k * h)) / h**2 * np.sin(k * self.x) for k in MODES))

    def sweep(self, u: Array, omega: float) -> Array:
        """u + ω D⁻¹(g - Au), with u (..., n - 1)."""
        padded = np.pad(u, [(0, 0)] * (u.ndim - 1) + [(1, 1)])
        h = math.pi / self.n
        mean = (padded[..., :-2] + padded[..., 2:] + h**2 * self.g) / 2
        return (1 - omega) * u + omega * mean

    def mode_errors(self, u: Array, modes: Sequence[int] = MODES) -> Array:
        """|û(k) - 1| with û the sine coefficients of u (..., n - 1); (..., len(modes))."""
        waves = np.stack([np.sin(k * self.x) for k in modes], 1)
        return np.asarray(np.abs((u - self.solution) @ waves) * 2 / self.n, dtype=np.float64)


def contraction(n: int, omega: float, modes: Sequence[int] | Array) -> Array:
    """1 - ω(1 - cos(kπ/n)): what one sweep makes of an error sin kx."""
    return 1 - omega * (1 - np.cos(np.asarray(modes) * math.pi / n))


def measured_contraction(n: int, omega: float) -> Array:
    """The same by a sweep over the solution plus sin kx, for k = 1 … n - 1; (n - 1,)."""
    problem = Poisson(n)
    waves = np.sin(np.outer(np.arange(1, n), problem.x))
    after = problem.sweep(problem.solution + waves, omega) - problem.solution
    return np.asarray((after * waves).sum(1) * 2 / n)


def sweeps_until(problem: Poisson, u: Array, omega: float, tolerance: float, most: int = 100_000) -> int:
    """Sweeps from ``u`` until the largest error is at most ``tolerance`` times the largest value."""
    wanted = tolerance * np.abs(problem.solution).max()
    for count in range(most):
        if np.abs(u - problem.solution).max() <= wanted:
            return count
        u = problem.sweep(u, omega)
    return most


def mode_sweeps(problem: Poisson, omega: float, close: float = 0.1, most: int = 100_000) -> tuple[Array, Array]:
    """Errors of the modes sweep by sweep from u = 0, (T, 3), until all are ``close``; first such sweep, (3,)."""
    u, errors = np.zeros(problem.n - 1), []
    for _ in range(most):
        errors.append(problem.mode_errors(u))
        if (errors[-1] < close).all():
            break
        u = problem.sweep(u, omega)
    found = np.array(errors)
    return found, (found < close).argmax(0).astype(float)


def coarse_guess(problem: Poisson, coarse: int) -> Array:
    """The solution on ``coarse`` intervals by elimination, -u'' = g with g of the wide grid, joined by lines."""
    h = math.pi / coarse
    x = np.arange(1, coarse) * h
    g = np.interp(x, problem.x, problem.g)
    matrix = (2 * np.eye(coarse - 1) - np.eye(coarse - 1, k=1) - np.eye(coarse - 1, k=-1)) / h**2
    ends = np.zeros(1)
    values = np.concatenate([ends, np.linalg.solve(matrix, g), ends])
    return np.interp(problem.x, np.concatenate([ends, x, [math.pi]]), values)
