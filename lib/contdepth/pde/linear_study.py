"""PDE-Net 1 on its linear equation with variable coefficients: data as in the official code, one job a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contdepth import checks
from contdepth.pde.pdenet import PDENet
from contdepth.pde.simulate.catalogue import convection_diffusion2d
from contdepth.pde.simulate.solve import solve
from contdepth.seeds import derive

__all__ = ["LinearFit", "fit_linear", "follow", "low_pass_noise", "step_coefficients", "training_pairs",
           "true_coefficients"]

SIDE = 2 * math.pi
ORDERS = ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2))


@dataclass(frozen=True)
class LinearFit:
    """One trained model and what it was worth after each stage.

    ``model``: the estimator; ``errors``: relative error (stage, test trajectory, time step), infinite after a
    blow-up; stage 0 is the warm-up.
    """

    model: PDENet
    errors: np.ndarray


def low_pass_noise(n: int, grid: int, seed: int, cutoffs: tuple[int, int] = (4, 7)) -> Tensor:
    """White noise with the waves above a random cut-off removed, (n, 1, grid, grid), standard deviation 1.

    Each sample and axis draws its own cut-off, uniform from ``cutoffs[0]`` to ``cutoffs[1]``, as the official
    code does for PDE-Net 1. One seed is one function on every grid that holds the waves.
    """
    checks.integer("n", n, at_least=1)
    low, high = cutoffs
    checks.integer("cutoffs", high, at_least=checks.integer("cutoffs", low, at_least=0))
    checks.integer("grid", grid, at_least=2 * high + 1)
    rng = np.random.default_rng(derive(seed, "low-pass noise"))
    k = np.arange(-high, high + 1)
    draws = rng.standard_normal((n, 2, k.size, k.size))
    cut = rng.integers(low, high + 1, (n, 2))
    kept = (abs(k) <= cut[:, :1])[:, :, None] & (abs(k) <= cut[:, 1:])[:, None, :]
    spectrum = np.zeros((n, grid, grid), dtype=complex)
    spectrum[np.ix_(range(n), k % grid, k % grid)] = (draws[:, 0] + 1j * draws[:, 1]) * kept
    u = np.fft.ifft2(spectrum).real
    return torch.from_numpy(u / u.std((1, 2), keepdims=True))[:, None]


def follow(starts: Tensor, steps: int, dt: float, fine: int = 1) -> Tensor:
    """The accurate solution of the equation, (n, steps + 1, 1, grid, grid), from ``starts`` on that grid."""
    times = dt * np.arange(steps + 1)
    return solve(convection_diffusion2d(), starts, times, rtol=1e-7, atol=1e-8)
