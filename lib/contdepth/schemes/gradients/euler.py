"""Euler's gradient: states of any solver, derivatives of one Euler step over each interval.

Ouala et al. 2023 (arXiv 2311.10665, EGA) train a correction inside a solver that gives no derivatives: for states
u_n of the solver at times t_n, ∂u_{n+1}/∂u_n is taken as I + h ∂f/∂u and ∂u_{n+1}/∂θ as h ∂f/∂θ, at t_n, with
h = t_{n+1} - t_n: over a fixed time an error of order 1 in h. "Static" they call the one with I alone, whose error
does not vanish with h. Departure: derivatives in the times, of order 1 too, come along.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from contdepth.schemes.base import Field

__all__ = ["with_euler_gradient"]


def with_euler_gradient(
    f: Field, found: list[Tensor], u0: Tensor, t: Tensor, *, static: bool, own: bool = False
) -> list[Tensor]:
    """Return the states ``found`` at the times after the first with derivatives of Euler steps between them.

    Of a batch with own steps f is asked at a time for each member.
    """
    before, kept = u0, list[Tensor]()
    for n, state in enumerate(found):
        time = t[n].to(u0.device).expand(*u0.shape[:-1], 1) if own else t[n]
        slope = f(time, before.detach() if static else before)
        before = _Carried.apply(state, before + (t[n + 1] - t[n]) * slope)
        kept.append(before)
    return kept


class _Carried(torch.autograd.Function):
    """A value that is differentiated as another one."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, other: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        return None, grad
