"""Linear systems (I - h J) v = r of an implicit Euler step: dense, or by conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Dense", "Symmetric", "System"]

Field = Callable[[Tensor], Tensor]


class Dense:
    """M = I - h J(y) of each sample, J by d backward passes of torch.func: for any field that takes one sample."""

    def __init__(self, field: Field, y: Tensor, h: float) -> None:
        width = y.shape[-1]
        jacobian = torch.func.vmap(torch.func.jacrev(field))(y.reshape(-1, width))
        identity = torch.eye(width, dtype=y.dtype, device=y.device)
        self.matrix = (identity - h * jacobian).reshape(*y.shape, width)
        self.evaluations = 1 + width

    def solve(self, r: Tensor, relative: float) -> Tensor:
        """M⁻¹ r; ``relative`` is not needed."""
        return _solved(self.matrix, r)

    def solve_transposed(self, r: Tensor, relative: float) -> Tensor:
        """M⁻ᵀ r."""
        return _solved(self.matrix.mT, r)


class Symmetric:
    """M = I - h J(y) with a symmetric J ≤ 0, so that M ≥ I is its own transpose: conjugate gradients.

    ``field.product(y)`` is the map v ↦ J v. ``evaluations``: products so far, and the one evaluation of the field.
    """

    def __init__(self, field: Any, y: Tensor, h: float) -> None:
        self.product, self.h = field.product(y), h
        self.evaluations = 1

    def solve(self, r: Tensor, relative: float) -> Tensor:
        """v with ‖M v - r‖ ≤ ``relative``·‖r‖ for every sample, after at most 10 d iterations."""
        v, left = torch.zeros_like(r), r
        direction, size = r, r.square().sum(-1, keepdim=True)
        target = relative**2 * size
        for _ in range(10 * r.shape[-1]):
            if bool((size <= target).all()):
                break
            image = direction - self.h * self.product(direction)
            self.evaluations += 1
            steepness = (direction * image).sum(-1, keepdim=True)
            step = torch.where(steepness > 0, size / steepness, 0)
            v, left = v + step * direction, left - step * image
            before, size = size, left.square().sum(-1, keepdim=True)
            direction = left + torch.where(before > 0, size / before, 0) * direction
        return v

    solve_transposed = solve


System = Dense | Symmetric


def _solved(matrix: Tensor, r: Tensor) -> Tensor:
    return torch.linalg.solve_ex(matrix, r.unsqueeze(-1))[0].squeeze(-1)
