"""Coefficients from pairs of snapshots: Gaussian processes, splines with least squares, PDE-Net 2.0."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import make_interp_spline, make_smoothing_spline

from contdepth.errors import EquationWarning
from contdepth.pde import HiddenPhysics, PDENet2
from contdepth.studies.equations.hpm.films import Film, Pair, pair

__all__ = ["Found", "by_network", "by_process", "by_splines", "over_pairs", "slope"]


@dataclass(frozen=True)
class Found:
    """Over pairs: coefficients ``values`` ``(pairs, 2)``, their ``deviations`` and the ``truth`` ``(2,)``."""

    values: np.ndarray
    deviations: np.ndarray
    truth: np.ndarray

    @property
    def off(self) -> np.ndarray:
        """Relative errors ``(pairs, 2)``, with their sign: positive where a coefficient is too large."""
        return self.values / self.truth - 1

    @property
    def middle(self) -> np.ndarray:
        """The median of each coefficient over its truth."""
        return np.median(self.values / self.truth, 0)

    def covered(self, times: float = 2.0) -> np.ndarray:
        """1 for each pair whose truth is within so many deviations, else 0, ``(pairs, 2)``; NaN covers nothing."""
        return (np.abs(self.values - self.truth) <= times * self.deviations).astype(float)


def by_process(film: Film, data: Pair, starts: int) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and deviations by hidden physics."""
    model = HiddenPhysics(list(film.terms), starts=starts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EquationWarning)
        model.fit(data.x0, data.u0, data.x1, data.u1, dt=data.dt)
    return model.values_, model.deviations_


def by_splines(film: Film, data: Pair, *, noisy: bool) -> np.ndarray:
    """Return coefficients by least squares on splines through the same points.

    Each snapshot is a spline, with noise a cubic one whose smoothing is chosen by generalised cross-validation,
    else one of degree five through all points. The rate is their difference over Δt, the terms are those of the
    mean of both: an error in Δt² where the Euler step has one in Δt. Nothing else is known of the frames.
    """
    ends = max(data.x0[0], data.x1[0]), min(data.x0[-1], data.x1[-1])
    grid = np.linspace(*ends, 400)
    if noisy:
        early, late = (make_smoothing_spline(x, u) for x, u in ((data.x0, data.u0), (data.x1, data.u1)))
    else:
        early, late = (make_interp_spline(x, u, k=5) for x, u in ((data.x0, data.u0), (data.x1, data.u1)))

    def middle(order: int) -> np.ndarray:
        return (early.derivative(order)(grid) + late.derivative(order)(grid)) / 2

    value = (early(grid) + late(grid)) / 2
    columns = np.stack([value * middle(film.orders[0]), middle(film.orders[1])], 1)
    return np.linalg.lstsq(columns, (late(grid) - early(grid)) / data.dt, rcond=None)[0]


def over_pairs(
    film: Film, firsts: Sequence[int], gap: int, noise: float, *, how: str = "process", share: float = 1.0,
    starts: int = 1,
) -> Found:  # fmt: skip
    """Find the coefficients of every pair of frames ``gap`` apart that begins at one of ``firsts``."""
    values, deviations = [], []
    for first in firsts:
        data = pair(film, first, gap, noise, share=share)
        if how == "process":
            found, spread = by_process(film, data, starts)
        else:
            found, spread = by_splines(film, data, noisy=noise > 0), np.full(2, np.nan)
        values.append(found)
        deviations.append(spread)
    return Found(np.array(values), np.array(deviations), np.array(film.truth))


def by_network(film: Film, data: Pair, iterations: int, seed: int, **options: object) -> np.ndarray:
    """Return coefficients by PDE-Net 2.0 from both whole frames, all points of the grid; absent terms are 0."""
    net = PDENet2(order=max(film.orders), blocks=(1,), iterations=iterations, seed=seed, **options)  # type: ignore[arg-type]
    net.fit(data.frames.T, dt=data.dt, dx=float(film.x[1] - film.x[0]))
    known = {str(term): value for term, value in net.terms()["u"].items()}
    return np.array([known.get(term, 0.0) for term in film.terms])


def slope(gaps: Sequence[float], errors: Sequence[float]) -> float:
    """Return the slope of log errors over log gaps by least squares."""
    return float(np.polyfit(np.log(gaps), np.log(errors), 1)[0])
