"""PDE-Net on diffusion with a non-linear source: training, the visited range, errors of the source read off."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from contdepth import checks
from contdepth.pde.fields.errors import rollout_error
from contdepth.pde.fields.trajectories import Trajectories
from contdepth.pde.pdenet1.block import PDENetBlock
from contdepth.pde.pdenet1.pdenet import PDENet

__all__ = [
    "DIFFUSION",
    "DT",
    "Visited",
    "amplification",
    "diffusion_error",
    "other_terms",
    "prediction_error",
    "relative_error",
    "source",
    "source_errors",
    "step_source",
    "textbook_block",
    "train",
    "visited",
]

DIFFUSION = 0.3
"""The true coefficient of u_xx and of u_yy."""

DT = 0.01
"""Time between frames, and the length of one block."""

STRENGTH = 15.0


def source(u: object) -> np.ndarray:
    """The true source 15 sin u, any shape."""
    return STRENGTH * np.sin(np.asarray(u, dtype=float))


def step_source(u: object, dt: float = DT) -> np.ndarray:
    """What an explicit step that is exact for a uniform state reads as the source: (u(dt) - u(0)) / dt.

    From u' = 15 sin u follows tan(u(t)/2) = exp(15 t) tan(u(0)/2). To leading order the value is f + (dt/2) f f',
    so no explicit one-step model can fit exact data and return f itself. Raises ``ValueError`` for dt <= 0.
    """
    dt = checks.real("dt", dt, above=0)
    u = np.asarray(u, dtype=float)
    turn = u - 2 * math.pi * np.round(u / (2 * math.pi))  # in [-pi, pi]; both ends are equilibria
    later = 2 * np.arctan(np.tan(turn / 2) * math.exp(STRENGTH * dt))
    return (later - turn) / dt


@dataclass(frozen=True)
class Visited:
    """Where the data lie.

    Attributes:
        centres: middles of equal bins, (bins,).
        weights: share of the data in each, (bins,); they sum to 1.
        low: the 0.5 % quantile; ``high``: the 99.5 % quantile.
        high: see ``low``.
    """

    centres: np.ndarray
    weights: np.ndarray
    low: float
    high: float

    def central(self, count: int = 400) -> np.ndarray:
        """``count`` equidistant points from ``low`` to ``high``."""
        return np.linspace(self.low, self.high, count)


def visited(values: torch.Tensor, width: float = 0.05) -> Visited:
    """Histogram of all ``values`` (any shape, finite) in bins of ``width``, and two quantiles."""
    flat = checks.finite("values", checks.floating("values", values)).numpy(force=True).ravel()
    first, last = math.floor(flat.min() / width), math.floor(flat.max() / width) + 1
    counts, edges = np.histogram(flat, width * np.arange(first, last + 1))
    low, high = np.quantile(flat, [0.005, 0.995])
    return Visited((edges[1:] + edges[:-1]) / 2, counts / counts.sum(), float(low), float(high))


def relative_error(found: object, truth: object, weights: object = 1.0) -> float:
    """Weighted relative L² error: root of sum w (found - truth)² over sum w truth².

    With the weights of ``visited`` this is the error over the range that the data visit, each value counting as
    often as it occurs; with equal weights on ``Visited.central`` each value there counts once.
    """
    found, truth = np.asarray(found, dtype=float), np.asarray(truth, dtype=float)
    return float(np.sqrt((weights * (found - truth) ** 2).sum() / (weights * truth**2).sum()))


def source_errors(model: PDENet, seen: Visited) -> tuple[float, float]:
    """Relative errors of the source of a fitted model: (on the visited range, on the central range)."""
    centre = seen.central()
    return (
        relative_error(model.source(seen.centres), source(seen.centres), seen.weights),
        relative_error(model.source(centre), source(centre)),
    )


def diffusion_error(model: PDENet) -> float:
    """The larger relative error of the coefficients c_20 and c_02."""
    found = model.coefficient_fields()
    return max(abs(float(found[alpha].mean()) / DIFFUSION - 1) for alpha in ((2, 0), (0, 2)))


def other_terms(model: PDENet) -> float:
    """The largest |coefficient| c_10, c_01, c_11, which are absent, relative to the diffusion."""
    found = model.coefficient_fields()
    return max(abs(float(found[alpha].mean())) / DIFFUSION for alpha in ((1, 0), (0, 1), (1, 1)))


def train(data: torch.Tensor, seed: int, options: Mapping[str, Any]) -> PDENet:
    """A ``PDENet`` with constant coefficients, derivatives to order 2 and a source, fitted to ``data``.

    The source has the paper's form, a piecewise quartic on 20 cells of [-15, 15]. ``data`` is of the shape that
    ``source_data`` returns, (trajectories, frames, 1, n, n) on the square of side 2 pi; ``options`` are further
    arguments of ``PDENet``; ``seed`` draws the pairs of frames.
    """
    spacing = 2 * math.pi / checks.floating("data", data, ndim=5).shape[-1]
    model = PDENet(
        order=2, coefficients="constant", source={"cells": 20, "range": 15.0, "degree": 4}, seed=seed, **options
    )
    return model.fit(Trajectories(data, DT, (spacing, spacing)))


def prediction_error(model: PDENet, test: torch.Tensor) -> np.ndarray:
    """``rollout_error`` of a prediction of ``test`` (N, T, 1, n, n) from its first frames: (N, T)."""
    return rollout_error(model, test)


def textbook_block(grid: int, size: int) -> PDENetBlock:
    """The true diffusion as a block: forward Euler with frozen size x size filters on ``grid`` points an axis."""
    spacing = 2 * math.pi / grid
    block = PDENetBlock(
        (grid, grid), (spacing, spacing), DT, order=2, size=size, coefficients="constant", average="identity"
    )
    with torch.no_grad():
        for alpha in ((2, 0), (0, 2)):
            block.values[block.alphas.index(alpha)] = DIFFUSION
    return block


def amplification(block: PDENetBlock) -> np.ndarray:
    """Factor by which one linear step multiplies each wave of the periodic grid, (n, n) in the order of the FFT.

    For constant coefficients in two dimensions; the source is left out. A factor above 1 at a short wave means
    that noise grows.
    """
    size, n = block.filters.size, block.space[0]
    stencil = block.stencil().detach().view(size, size).numpy()
    waves = np.exp(2j * math.pi * np.outer(np.fft.fftfreq(n), np.arange(size) - size // 2))
    return np.abs(waves @ stencil @ waves.T)
