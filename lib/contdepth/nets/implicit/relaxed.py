"""The cheap form of an implicit step: a few gradient steps on its residual, from the explicit step."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks
from contdepth.nets.implicit.step import checked_step
from contdepth.nets.implicit.systems import Field

__all__ = ["relaxed_euler"]


def relaxed_euler(field: Field, x: Tensor, h: float, *, steps: int = 5, rate: float = 0.5) -> Tensor:
    """y_0 = x + h f(x), then y ← y - ``rate``·∇½‖y - x - h f(y)‖², ``steps`` times; (..., d) -> (..., d).

    The gradient is (I - h J(y))ᵀ r with the residual r = y - x - h f(y), which autograd gives: a step costs one
    evaluation and one pass back. All of it is differentiated as it stands. It tends to the solution of
    ``implicit_euler`` where ``rate`` < 2/‖I - h J‖², and there is one.

    Source: Li, He & Lin 2020 (ICML), whose blocks approximate the implicit step by gradient descent. The paper's
    text was not at hand: that the start is the explicit step, and what ``steps`` and ``rate`` are, is ours.

    Raises:
        TypeError, ValueError: as ``implicit_euler``; ``steps`` below 0, a ``rate`` that is not positive.
    """
    h = checked_step(field, x, h)
    checks.integer("steps", steps, at_least=0)
    checks.real("rate", rate, above=0)
    y = x + h * checks.same_shape("field(x)", field(x), tuple(x.shape), "that of x")
    recorded = y.requires_grad
    for _ in range(steps):
        with torch.enable_grad():
            here = y if recorded else y.detach().requires_grad_()
            value = field(here)
            r = here - x - h * value
            (pull,) = torch.autograd.grad(value, here, r, create_graph=recorded, materialize_grads=True)
            y = here - rate * (r - h * pull)
        if not recorded:
            y = y.detach()
    return y
