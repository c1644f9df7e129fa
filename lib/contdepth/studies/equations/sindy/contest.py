"""Draws of noise in rates or states, thresholds, columns of norm one: how often the support is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contdepth.pde import stlsq
from contdepth.pde.sparse.rates import rates_of
from contdepth.schemes import RK4, RungeKutta
from contdepth.seeds import generator
from contdepth.studies.equations.sindy.systems import System

__all__ = [
    "Fits",
    "Reduced",
    "all_right",
    "apart_from_pysindy",
    "difference_noise",
    "from_states",
    "radii",
    "reduced",
    "with_noise",
]


@dataclass(frozen=True)
class Fits:
    """Of fits to draws of noise: ``right`` where the support is the true one, ``worst`` the largest error of a
    coefficient, ``percent`` that of a true term in per cent of it, ``lost`` how many true terms are missing and
    ``extra`` how many others are there; ``found`` are Ξ.
    """

    right: np.ndarray
    worst: np.ndarray
    percent: np.ndarray
    lost: np.ndarray
    extra: np.ndarray
    found: list[Tensor]


@dataclass(frozen=True)
class Reduced:
    """Θ = QR in short: R ``(m, m)``, Qᵀ Ẋ ``(m, d)``, the norms of Θ's columns and of Ẋ's, and the number of rows.

    Least squares on R and Qᵀ Ẋ have the solutions of those on Θ and Ẋ, for every choice of columns. ``paths`` are
    the exact states.
    """

    system: System
    r: Tensor
    target: Tensor
    columns: Tensor
    rates: Tensor
    rows: int
    paths: list[Tensor]


def reduced(system: System, samples: int | None = None) -> Reduced:
    """The exact states of ``system`` with their exact rates."""
    paths = system.paths(samples)
    theta = torch.cat([system.library()(path) for path in paths])
    rates = theta @ system.truth()
    q, r = torch.linalg.qr(theta)
    return Reduced(system, r, q.T @ rates, theta.norm(dim=0), rates.norm(dim=0), len(theta), paths)


def _judged(found: list[Tensor], truth: Tensor) -> Fits:
    true, all_found = truth != 0, torch.stack(found)
    off = (all_found - truth).abs()
    right = ((all_found != 0) == true).flatten(1).all(1)
    percent = 100 * (off / truth.abs())[:, true]
    return Fits(
        right.numpy().astype(float),
        off.flatten(1).amax(1).numpy(),
        percent.amax(1).numpy(),
        ((all_found == 0) & true).flatten(1).sum(1).numpy(),
        ((all_found != 0) & ~true).flatten(1).sum(1).numpy(),
        found,
    )


def with_noise(
    data: Reduced,
    noise: float,
    threshold: float,
    seeds: Sequence[int],
    *,
    relative: bool = False,
    unit: bool = False,
) -> Fits:
    """Fit to exact rates with white noise of deviation ``noise``, states exact.

    Qᵀ of white noise is white noise again, of one number for each term; that is what is drawn.

    Args:
        data: the system.
        noise: deviation, in units of the rates, or with ``relative`` of the root mean square of each.
        threshold: of :func:`contdepth.pde.stlsq`.
        seeds: one draw each.
        relative: see ``noise``.
        unit: whether columns of Θ and the rates are scaled to norm one for the fit and back afterwards, so that
            ``threshold`` has no dimension. A rate that is zero stays as it is.
    """
    sizes = noise * (data.rates / data.rows**0.5 if relative else torch.ones_like(data.rates))
    scale, rate = torch.ones_like(data.columns), torch.ones_like(data.rates)
    if unit:
        scale, rate = data.columns, torch.where(data.rates > 0, data.rates, rate)
    found = []
    for seed in seeds:
        source = generator(seed, f"sindy/rates/{data.system.name}")
        drawn = torch.randn(data.target.shape, generator=source, dtype=torch.float64)
        target = (data.target + sizes * drawn) / rate
        found.append(stlsq(data.r / scale, target, threshold) * rate / scale[:, None])
    return _judged(found, data.system.truth())


def all_right(data: Reduced, thresholds: Sequence[float], seeds: Sequence[int], *, unit: bool) -> np.ndarray:
    """Whether every draw of one per cent of noise has the true support, for each threshold."""
    fits = (with_noise(data, 0.01, float(one), seeds, relative=True, unit=unit) for one in thresholds)
    return np.array([bool(fit.right.all()) for fit in fits])


def difference_noise(sigma: float, step: float) -> float:
    """Deviation of the noise of central differences of states with white noise of deviation ``sigma``."""
    return sigma / (2**0.5 * step)


def from_states(
    system: System, path: Tensor, sigma: float, window: int | None, seeds: Sequence[int], threshold: float
) -> Fits:
    """Fit to one ``path`` ``(n, d)`` with white noise of ``sigma`` on the states, rates by differences.

    With a ``window`` states and rates are those of cubics fitted on windows, and half a window is left out at both
    ends, where they are extrapolated.
    """
    found, library = [], system.library()
    for seed in seeds:
        source = generator(seed, "sindy/states")
        noisy = path + sigma * torch.randn(path.shape, generator=source, dtype=torch.float64)
        states, rates = rates_of(noisy.numpy(), system.step, None, window)
        keep = slice((window or 2) // 2, -((window or 2) // 2))
        q, r = torch.linalg.qr(library(states[keep]))
        found.append(stlsq(r, q.T @ rates[keep], threshold))
    return _judged(found, system.truth())


def radii(system: System, found: Sequence[Tensor], *, span: float = 120.0, step: float = 0.05) -> np.ndarray:
    """Mean radius of (x, y) over the last 20 units of paths of ``found`` from (0.5, 0, 0.25), by RK4."""
    library, matrices = system.library(), torch.stack(list(found))
    u = torch.tensor([[0.5, 0.0, 0.25]], dtype=torch.float64).repeat(len(matrices), 1)
    total, count, steps = torch.zeros(len(u), dtype=torch.float64), round(20 / step), round(span / step)

    def f(_: Tensor, x: Tensor) -> Tensor:
        return torch.einsum("bm,bmd->bd", library(x), matrices)

    scheme, t = RungeKutta(RK4), torch.zeros((), dtype=torch.float64)

    for k in range(steps):
        u = scheme.step(f, t, u, step)
        if k >= steps - count:
            total += u[:, :2].norm(dim=1) / count
    return total.numpy()


def apart_from_pysindy(system: System, samples: int, noise: float, threshold: float, seed: int) -> float:
    """Return the largest difference of Ξ from that of PySINDy's STLSQ without ridge, same Θ and noisy rates.

    PySINDy's last fit is scikit-learn's ``LinearRegression``, which from its version 1.9 on leaves out singular
    values below 1e-6 of the largest one. So the two agree where the terms that are left are not so much alike.
    """
    import pysindy

    theta = system.library()(system.paths(samples)[0])
    rates = theta @ system.truth()
    rates = rates + noise * torch.randn(
        rates.shape, generator=generator(seed, "sindy/oracle"), dtype=torch.float64
    )
    theirs = pysindy.STLSQ(threshold=threshold, alpha=0.0, max_iter=20).fit(theta.numpy(), rates.numpy())
    return float(np.abs(stlsq(theta, rates, threshold).numpy() - theirs.coef_.T).max())
