"""The lynx: a hundred and fourteen yearly counts, equations in two delays, and plain ways to foretell them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from contdepth.pde import Polynomials, stlsq
from contdepth.schemes import RK4, RungeKutta

__all__ = ["LAG", "delays", "forecasts", "linear", "sparse", "supports"]

LAG = 2
"""Years between the two delays, about a fifth of the cycle."""

Steps = Callable[[np.ndarray, int], np.ndarray]


def delays(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (v_t, v_{t-2}) ``(n, 2)`` and their central differences, one value for each inner year."""
    slopes = (v[2:] - v[:-2]) / 2  # of the years 1 to T - 2
    inner = v[1:-1]
    return np.stack([inner[LAG:], inner[:-LAG]], 1), np.stack([slopes[LAG:], slopes[:-LAG]], 1)


def sparse(v: np.ndarray, threshold: float, degree: int = 3) -> np.ndarray:
    """Return Ξ ``(m, 2)`` of the equations of both delays; ``v`` is centred and of deviation one."""
    states, slopes = (torch.from_numpy(part) for part in delays(v))
    return stlsq(Polynomials(2, degree)(states), slopes, threshold).numpy()


def _followed(found: np.ndarray, degree: int, start: np.ndarray, years: int, parts: int = 20) -> np.ndarray:
    """States ``(starts,)`` of the first delay after ``years``, by RK4; kept within four deviations."""
    library, u, h = Polynomials(2, degree), torch.from_numpy(start), 1 / parts
    matrix = torch.from_numpy(found)

    def f(_: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return library(x.clamp(-4, 4)) @ matrix

    scheme, t = RungeKutta(RK4), torch.zeros((), dtype=torch.float64)
    for _ in range(years * parts):
        u = scheme.step(f, t, u, h).clamp(-4, 4)
    return u[:, 0].numpy()


def linear(v: np.ndarray, years: int, count: int) -> np.ndarray:
    """Return weights ``(count + 1,)`` of least squares of v_{t + years} on ``count`` values up to v_t and 1."""
    rows = [np.r_[v[t - count + 1 : t + 1], 1.0] for t in range(count - 1, len(v) - years)]
    return np.linalg.lstsq(np.array(rows), v[count - 1 + years :], rcond=None)[0]


def forecasts(
    counts: np.ndarray, first: int, years: int, thresholds: Sequence[float], lags: Sequence[int]
) -> Mapping[str, float]:
    """Return the root mean square error, in deviations, of ``years`` ahead for all years from ``first`` on.

    ``counts`` ``(T,)`` are taken to logarithms, centred and scaled by what comes before ``first``. Thresholds
    and numbers of lags are chosen on the last third of that part after a fit to its rest; then all is fitted.
    """
    logs = np.log10(counts)
    v = (logs - logs[:first].mean()) / logs[:first].std()
    inner = 2 * first // 3

    def error(guess: Steps, start: int, end: int) -> float:
        ahead = np.arange(start, end)
        return float(np.sqrt(np.mean((guess(ahead - years, years) - v[ahead]) ** 2)))

    def by_equations(end: int, threshold: float) -> Steps:
        found = sparse(v[:end], threshold)
        return lambda t, n: _followed(found, 3, np.stack([v[t], v[t - LAG]], 1), n)

    def by_lags(end: int, count: int) -> Steps:
        weights = linear(v[:end], years, count)
        return lambda t, n: np.stack([v[t - k] for k in range(count - 1, -1, -1)] + [np.ones(len(t))], 1) @ weights

    best = min(thresholds, key=lambda one: error(by_equations(inner, one), inner, first))
    count = min(lags, key=lambda one: error(by_lags(inner, one), inner, first))
    return {
        "equations": error(by_equations(first, best), first, len(v)),
        "linear": error(by_lags(first, count), first, len(v)),
        "last value": error(lambda t, n: v[t], first, len(v)),
        "mean": error(lambda t, n: np.zeros(len(t)), first, len(v)),
        "threshold": best,
        "lags": count,
    }


def supports(counts: np.ndarray, threshold: float) -> tuple[int, int]:
    """Return in how many of the terms the equations of the two halves differ, and how many either of them has."""
    logs = np.log10(counts)
    v, half = (logs - logs.mean()) / logs.std(), len(logs) // 2
    first, second = (sparse(part, threshold) != 0 for part in (v[:half], v[half:]))
    return int((first != second).sum()), int((first | second).sum())
