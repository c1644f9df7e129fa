"""The squared exponential kernel and its derivatives, by Hermite's polynomials."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["derivative_table"]


def derivative_table(r: Tensor, weight: Tensor, highest: int) -> list[Tensor]:
    """Return the derivatives of order 0 to ``highest`` of exp(-w r² / 2) by r, each shaped as ``r``.

    The derivative of order n is (-√w)ⁿ Heₙ(√w r) exp(-w r² / 2) with Heₙ₊₁(z) = z Heₙ(z) - n Heₙ₋₁(z). By the
    second point of k(x - x') it is (-1)ⁿ times that.

    Args:
        r: differences of coordinates along one axis.
        weight: w, inverse square of the length, without dimensions.
        highest: order, at least 0.
    """
    root = weight.sqrt()
    z = root * r
    table = [torch.exp(-z.square() / 2)]
    before, now = torch.zeros_like(z), torch.ones_like(z)
    for n in range(highest):
        before, now = now, z * now - n * before
        table.append((-root) ** (n + 1) * now * table[0])
    return table
