"""Functions without a graph; products of costates with Jacobians, whose derivatives are such products again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from contdepth.schemes.gradients.held import check_known

__all__ = ["all_named", "apart", "pulled"]

Tensors = tuple[Tensor, ...]


def pulled(g: Callable[..., Tensors], at: Sequence[Tensor], held: Tensors, costates: Sequence[Tensor]) -> Tensors:
    """Return what the ``costates`` of ``g(*at)`` are in ``at`` and in ``held``, which g holds.

    How ``at`` came about does not matter, though it may depend on ``held``: these are partial derivatives.
    """
    count = len(at)

    def back(*both: Tensor) -> Tensors:
        recorded = torch.is_grad_enabled()
        with torch.enable_grad():
            given = [x if recorded and x.requires_grad else x.detach().requires_grad_() for x in both[:count]]
            pairs = [(x, a) for x, a in zip(g(*given), both[count:], strict=True) if x.requires_grad]
            found: Sequence[Tensor | None] = (None,) * (count + len(held))
            if pairs:
                ends, heads = zip(*pairs, strict=True)
                found = torch.autograd.grad(ends, (*given, *held), heads, allow_unused=True, create_graph=recorded)
        return tuple(torch.zeros_like(x) if k is None else k for x, k in zip((*given, *held), found, strict=True))

    return apart(back, (*at, *costates), held)


def apart(g: Callable[..., Tensors], at: Sequence[Tensor], held: Tensors) -> Tensors:
    """Return ``g(*at)``, differentiable in ``at`` and ``held`` without a graph: g is asked again."""
    found: Tensors = _Apart.apply(g, held, *at, *held)
    return found


def all_named(g: Callable[..., Tensors], held: Tensors) -> Callable[..., Tensors]:
    """Return ``g``, which raises ``ValueError`` where a graph shows what needs gradients and is not ``held``."""

    def known(*at: Tensor) -> Tensors:
        found = g(*at)
        if torch.is_grad_enabled():
            check_known(found, (*at, *held))
        return found

    return known


class _Apart(torch.autograd.Function):
    """A function of tensors, and of ``held``, that does not see how they came about."""

    @staticmethod
    def forward(ctx: Any, g: Callable[..., Tensors], held: Tensors, *tensors: Tensor) -> Tensors:
        given = tensors[: len(tensors) - len(held)]
        ctx.g, ctx.held = g, held
        ctx.save_for_backward(*given)
        return g(*given)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        return (None, None, *pulled(ctx.g, ctx.saved_tensors, ctx.held, grads))
