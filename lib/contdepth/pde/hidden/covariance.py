"""Covariance of two snapshots of which the earlier is the backward Euler step of the later one.

Raissi and Karniadakis, J. Comput. Phys. 357 (2018), 125-141: with u_t = N(u) and backward Euler,
u^{n-1} = u^n - Δt Σ λ_j T_j u^n, where T_j are linear operators with the earlier snapshot in the place of u in
their factors. If u^n is a Gaussian process, both snapshots together are one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from contdepth.pde.hidden.kernel import derivative_table
from contdepth.pde.hidden.snapshots import Snapshots
from contdepth.pde.hidden.terms import Linearised

__all__ = ["covariance", "cross_covariance"]


def _operators(
    data: Snapshots, rows: Sequence[Sequence[Linearised]], values: Tensor
) -> list[list[tuple[int, tuple[int, ...], Tensor]]]:
    """1 - Δt Σ λ T for each field: field acted on, orders of the derivative, factor at the earlier points."""
    one, still, count = torch.ones_like(data.x0[:, 0]), (0,) * data.x0.shape[1], 0
    found = []
    for field, row in enumerate(rows):
        parts = [(field, still, one)]
        for term in row:
            factor = torch.stack([data.u0[:, k] ** p for k, p in enumerate(term.powers)]).prod(0)
            parts.append((term.field, term.orders, -data.dt * values[count] * factor))
            count += 1
        found.append(parts)
    return found


class _Kernels:
    """Derivatives of the kernel of each field between two sets of points."""

    def __init__(self, a: Tensor, b: Tensor, sizes: Tensor, weights: Tensor, highest: int) -> None:
        self.sizes = sizes
        self.tables = [
            [
                derivative_table(a[:, None, axis] - b[None, :, axis], weights[field, axis], highest)
                for axis in range(a.shape[1])
            ]
            for field in range(len(sizes))
        ]

    def at(self, field: int, left: tuple[int, ...], right: tuple[int, ...]) -> Tensor:
        """∂^left by the first and ∂^right by the second point."""
        value = self.sizes[field] * (-1.0) ** sum(right)
        for axis, (p, q) in enumerate(zip(left, right, strict=True)):
            value = value * self.tables[field][axis][p + q]
        return value


def covariance(
    data: Snapshots,
    rows: Sequence[Sequence[Linearised]],
    values: Tensor,
    sizes: Tensor,
    weights: Tensor,
    noise: Tensor,
) -> Tensor:
    """Return the covariance of ``data.values``.

    Args:
        data: the snapshots.
        rows: terms of each field.
        values: their coefficients λ, in order.
        sizes: variances γ² ``(fields,)`` of the kernels.
        weights: inverse squares of their lengths, ``(fields, dim)``.
        noise: variances ``(fields,)`` of the noise.
    """
    fields, still = range(len(rows)), (0,) * data.x0.shape[1]
    highest = max((max(term.orders) for row in rows for term in row), default=0)
    operators = _operators(data, rows, values)
    late = _Kernels(data.x1, data.x1, sizes, weights, 0)
    mixed = _Kernels(data.x1, data.x0, sizes, weights, highest)
    early = _Kernels(data.x0, data.x0, sizes, weights, 2 * highest)
    zero11, zero = data.x1.new_zeros(len(data.x1), len(data.x1)), data.x1.new_zeros(len(data.x1), len(data.x0))
    top = torch.cat(
        [torch.cat([late.at(p, still, still) if p == q else zero11 for q in fields], 1) for p in fields]
    )
    side = []
    for p in fields:
        blocks = []
        for q in fields:
            acting = [(orders, c) for field, orders, c in operators[q] if field == p]
            blocks.append(sum((mixed.at(p, still, orders) * c for orders, c in acting), zero))
        side.append(torch.cat(blocks, 1))
    corner = []
    for p in fields:
        blocks = []
        for q in fields:
            pairs = [(f, a, b, c[:, None] * d) for f, a, c in operators[p] for g, b, d in operators[q] if f == g]
            blocks.append(sum((early.at(f, a, b) * c for f, a, b, c in pairs), early.tables[0][0][0] * 0))
        corner.append(torch.cat(blocks, 1))
    cross = torch.cat(side)
    whole = torch.cat([torch.cat([top, cross], 1), torch.cat([cross.T, torch.cat(corner)], 1)])
    diagonal = torch.cat([noise.repeat_interleave(len(x)) for x in (data.x1, data.x0)])
    return whole + torch.diag(diagonal)


def cross_covariance(
    x: Tensor,
    field: int,
    data: Snapshots,
    rows: Sequence[Sequence[Linearised]],
    values: Tensor,
    sizes: Tensor,
    weights: Tensor,
) -> Tensor:
    """Return the covariance ``(points, values)`` of the later ``field`` at ``x`` with what was measured."""
    still = (0,) * data.x0.shape[1]
    highest = max((max(term.orders) for row in rows for term in row), default=0)
    late, early = (_Kernels(x, y, sizes, weights, highest) for y in (data.x1, data.x0))
    blocks = [late.at(field, still, still) * (q == field) for q in range(len(rows))]
    for parts in _operators(data, rows, values):
        acting = [(orders, c) for g, orders, c in parts if g == field]
        blocks.append(sum((early.at(field, still, orders) * c for orders, c in acting), 0 * early.tables[0][0][0]))
    return torch.cat(blocks, 1)
