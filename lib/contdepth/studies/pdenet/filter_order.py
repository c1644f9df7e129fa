"""Accuracy of derivative filters by grid refinement on a smooth periodic function, independent of moments."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from contdepth import checks
from contdepth.pde.filters.constrained import MomentFilters, correlate
from contdepth.seeds import generator

__all__ = ["draw_free_moments", "filter_errors", "measured_orders", "smooth_rows"]


def draw_free_moments(filters: MomentFilters, seed: int = 0) -> MomentFilters:
    """Set ``free`` to numbers of size 0.5 to 1.5 and random sign, and return the module.

    None is near zero, so the leading error term of a filter does not vanish by chance; the same seed gives
    the same filters on the unit grid, whatever ``dx`` is.
    """
    draws = generator(seed, "free moments")
    size, sign = torch.rand(2, *filters.free.shape, dtype=torch.float64, generator=draws)
    with torch.no_grad():
        filters.free.copy_((0.5 + size) * (sign - 0.5).sign())
    return filters


def smooth_rows(points: int, order: int) -> Tensor:
    """Derivatives 0, ..., ``order`` of exp(sin(x + 0.3)) at x_i = 2 pi i / points, (order + 1, points).

    By Leibniz's rule on f' = cos(x + 0.3) f.
    """
    step = 2 * math.pi / points
    x = step * torch.arange(points, dtype=torch.float64) + 0.3
    rows = [x.sin().exp()]
    for n in range(order):
        rows.append(sum(math.comb(n, k) * torch.cos(x + k * math.pi / 2) * rows[n - k] for k in range(n + 1)))  # type: ignore[arg-type]
    return torch.stack(rows)


def filter_errors(filters: MomentFilters, points: int, kernels: Tensor | None = None) -> Tensor:
    """Relative root mean square error of every derivative, (K,).

    The function is the product of exp(sin(x_i + 0.3)) over the axes, on ``points`` per axis of [0, 2 pi]^dim.
    ``filters.dx`` must be 2 pi / points on every axis (``ValueError``). ``kernels`` (K, N, ...) replaces
    ``filters.kernels()``.
    """
    for step in filters.dx:
        if not math.isclose(step, 2 * math.pi / points):
            checks.fail("filters", f"dx = 2 pi / {points} on every axis", f"dx = {filters.dx}")
    rows = smooth_rows(points, max(max(alpha) for alpha in filters.derivatives))

    def product(alpha: tuple[int, ...]) -> Tensor:
        value = rows[alpha[0]]
        for a in alpha[1:]:
            value = value[..., None] * rows[a]
        return value

    with torch.no_grad():
        u = product((0,) * filters.dim)[None, None]
        found = correlate(u, filters.kernels() if kernels is None else kernels, filters.boundary)[0, 0]
    exact = torch.stack([product(alpha) for alpha in filters.derivatives])
    return ((found - exact).flatten(1).square().mean(1) / exact.flatten(1).square().mean(1)).sqrt()


def measured_orders(
    make: Callable[[float], MomentFilters],
    coarse: int,
    kernels: Callable[[MomentFilters], Tensor] = MomentFilters.kernels,
) -> Tensor:
    """log2 of the ratio of the errors on ``coarse`` and on 2 ``coarse`` points, (K,).

    ``make(dx)`` builds the filters for a grid, ``kernels`` reads the arrays to apply off them.
    """
    with torch.no_grad():
        pair = [
            filter_errors(made, points, kernels(made))
            for points in (coarse, 2 * coarse)
            for made in [make(2 * math.pi / points)]
        ]
    return torch.log2(pair[0] / pair[1])
