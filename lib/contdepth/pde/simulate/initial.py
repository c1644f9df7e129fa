"""Random smooth periodic initial data: Gaussian Fourier series, one seed being one function on every grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from contdepth import checks, devices
from contdepth.seeds import derive

__all__ = ["random_fourier"]

_REFERENCE = {1: 1024, 2: 128, 3: 48}  # points per axis of the grid on which the maximum is taken


def random_fourier(
    n: int,
    grid: int | Sequence[int],
    length: float = 2 * math.pi,
    *,
    dim: int = 2,
    fields: int = 1,
    frequency: int = 4,
    amplitude: float | None = 2.0,
    mean: float = 0.0,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> torch.Tensor:
    """``n`` samples of random periodic functions on [0, length)^dim, shape (n, fields, *grid), float64.

    w(x) = sum over integer k with every |k_i| <= ``frequency`` of a_k cos(2 pi k.x / length)
    + b_k sin(2 pi k.x / length), with independent standard Gaussian a_k and b_k; then
    u = ``amplitude`` * w / max |w| + c, with c uniform in [-``mean``, ``mean``] (zero mean gives c = 0).
    PDE-Net and PDE-Net 2.0 draw their data so (Burgers: frequency 4, amplitude 2 with a random mean; that the
    mean is uniform in [-2, 2] is from memory). ``amplitude=None`` leaves w as drawn.

    ``grid`` is the number of points per axis (an integer or one per axis). The maximum is taken on a fixed
    reference grid, so one seed is one function, whatever ``grid`` is; and the first samples do not depend
    on ``n``. They are computed on the CPU and moved to ``device``, so every device has the same.

    Raises ``ValueError`` or ``TypeError`` for sizes out of range.
    """
    where = devices.named("device", device)
    checks.integer("n", n, at_least=1)
    checks.integer("dim", dim, at_least=1, at_most=3)
    checks.integer("fields", fields, at_least=1)
    checks.integer("frequency", frequency, at_least=0, at_most=20)
    checks.real("length", length, above=0)
    checks.real("mean", mean, at_least=0)
    if amplitude is not None:
        checks.real("amplitude", amplitude, above=0)
    shape = (grid,) * dim if isinstance(grid, int) else tuple(grid)
    if len(shape) != dim:
        checks.fail("grid", f"one size or {dim} sizes", str(shape))
    for size in shape:
        checks.integer("grid", size, at_least=1)

    checks.affordable("n", n, fields, 2, *(max(2 * frequency + 1, size) for size in shape))
    rng = np.random.default_rng(derive(seed, "initial data/coefficients"))
    modes = (2 * frequency + 1,) * dim
    draws = rng.standard_normal((n, fields, 2, *modes))
    series = torch.from_numpy(draws[:, :, 0] - 1j * draws[:, :, 1])
    values = _evaluate(series, shape)
    if amplitude is not None:
        peak = _evaluate(series, (_REFERENCE[dim],) * dim).abs().flatten(2).amax(2)
        values = values * (amplitude / peak)[(...,) + (None,) * dim]
    shift = np.random.default_rng(derive(seed, "initial data/mean")).uniform(-1.0, 1.0, (n, fields))
    return (values + mean * torch.from_numpy(shift)[(...,) + (None,) * dim]).to(where)


def _evaluate(series: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Real part of sum_k series[k] exp(2 pi i k.j / shape) for every grid index j, one axis after the other."""
    frequency = (series.shape[-1] - 1) // 2
    k = torch.arange(-frequency, frequency + 1, dtype=torch.float64)
    for size in shape:  # contracts the first mode axis and appends the space axis at the end
        phase = 2 * math.pi / size * torch.arange(size, dtype=torch.float64)[:, None] * k
        series = torch.tensordot(series, torch.polar(torch.ones_like(phase), phase), dims=([2], [1]))
    return series.real.contiguous()
