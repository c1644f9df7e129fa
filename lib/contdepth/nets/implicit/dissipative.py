"""A field that only brings states together: minus the gradient of a convex potential."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from contdepth import checks

__all__ = ["Dissipative"]


class Dissipative(nn.Module):
    """f(y) = -Wᵀ tanh(W y + b) = -∇V(y) with the convex potential V(y) = Σ log cosh(W y + b).

    Its Jacobian J = -Wᵀ diag(1 - tanh²) W is symmetric with eigenvalues in [-‖W‖², 0], whatever W. So
    ⟨f(y) - f(z), y - z⟩ ≤ 0 for any two states: the flow lets no distance grow, and an implicit Euler step does
    not either, for every h > 0. An explicit one does not if h‖W‖² ≤ 2.

    Departure from Li, He & Lin 2020: their nets have the usual blocks of a ResNet; these blocks are ours.

    Args:
        weight: W (hidden, width), or (members, hidden, width) for nets side by side; copied.
        bias: b (hidden,), or (members, hidden).

    States are (..., width), those of members (members, batch, width).

    Raises:
        TypeError, ValueError: tensors that are not real, or whose shapes do not fit.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        checks.reals("weight", weight)
        if weight.ndim not in (2, 3) or weight.numel() == 0:
            expected = "(hidden, width) or (members, hidden, width)"
            checks.fail("weight", expected, f"shape {tuple(weight.shape)}")
        checks.same_shape("bias", checks.reals("bias", bias, like=weight), tuple(weight.shape[:-1]))
        self.weight, self.bias = (nn.Parameter(part.detach().clone()) for part in (weight, bias))

    def forward(self, y: Tensor) -> Tensor:
        """f(y), of the shape of ``y``."""
        return -(torch.tanh(self.lifted(y)) @ self.weight)

    def potential(self, y: Tensor) -> Tensor:
        """V(y) of each state, (...): zero where W y + b = 0 and positive elsewhere."""
        size = self.lifted(y).abs()
        return (size + torch.log1p(torch.exp(-2 * size)) - math.log(2)).sum(-1)

    def product(self, y: Tensor) -> Callable[[Tensor], Tensor]:
        """The map v ↦ J(y) v on states of the shape of ``y``."""
        slope = 1 - torch.tanh(self.lifted(y)).square()
        return lambda v: -((slope * (v @ self.weight.mT)) @ self.weight)

    def lifted(self, y: Tensor) -> Tensor:
        """W y + b, (..., hidden)."""
        members = self.weight.ndim == 3
        width = self.weight.shape[-1]
        checks.reals("y", y, like=self.weight)
        if y.ndim == 0 or y.shape[-1] != width or (members and (y.ndim != 3 or len(y) != len(self.weight))):
            expected = f"({len(self.weight)}, batch, {width})" if members else f"(..., {width})"
            checks.fail("y", expected, f"shape {tuple(y.shape)}")
        return y @ self.weight.mT + (self.bias.unsqueeze(1) if members else self.bias)
