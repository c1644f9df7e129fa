"""Reversible Heun with noise, and its gradient by taking every step back.

w' = 2u - w + b h + σ dw, b' = b(t + h, w'), σ' = σ(t + h, w'), u' = u + (b + b') h/2 + (σ + σ') dw/2: a single
evaluation a step, for Stratonovich's equation of strong order 1/2, and 1 where σ is constant (Kidger et al. 2021,
arXiv 2105.13493). It starts with w = u. The same rule with h and dw negative takes the step back, to rounding: the
gradient is that of the steps, whatever their size. Without noise it is ``gradients.ReversibleHeun``. No departure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from contdepth.schemes.gradients.pulled import pulled
from contdepth.schemes.paths.way import Way

__all__ = ["PathReversal"]

State = tuple[Tensor, ...]
"""u, w, and drift and diffusion at w."""


@dataclass(frozen=True)
class PathReversal:
    """Steps of reversible Heun along a way, whose functions hold ``held``; gradients of states at ``stops``."""

    way: Way
    held: tuple[Tensor, ...] = ()
    stops: tuple[int, ...] = ()

    def start(self, u: Tensor) -> State:
        """Return the state at the first time."""
        t = self.way.t[0]
        return u, u, self.way.drift(t, u), self.way.diffusion(t, u)

    def move(self, n: int, m: int, state: State) -> State:
        """Return the state at time m of the grid, a neighbour of n, from that at n."""
        (u, w, b, s), (h, dw) = state, self.way.between(n, m)
        ahead = torch.add(2 * u - w + s * dw, b, alpha=h)
        drift, diffusion = self.way.drift(self.way.t[m], ahead), self.way.diffusion(self.way.t[m], ahead)
        return torch.add(u + (s + diffusion) * (dw / 2), b + drift, alpha=h / 2), ahead, drift, diffusion

    def walk(self, state: State) -> Iterator[State]:
        """Yield the states after the first."""
        for n in range(len(self.way.numbers) - 1):
            state = self.move(n, n + 1, state)
            yield state

    def attach(self, u0: Tensor) -> list[Tensor]:
        """Return the states at the stops, whose gradients are found by steps back."""
        found: State = _Reversed.apply(self, *self.start(u0), *self.held)
        return list(found[: len(self.stops)])

    def back(self, state: State, grads: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the gradients in the first state and in what is held, from the last ``state``.

        ``grads`` are those in the states at the stops and in the rest of the last one.
        """
        *kept, in_w, in_b, in_s = grads
        costates, gradient = [torch.zeros_like(in_w), in_w, in_b, in_s], [torch.zeros_like(p) for p in self.held]
        for n in reversed(range(len(self.way.numbers) - 1)):
            if n + 1 in self.stops:
                costates[0] = costates[0] + kept.pop()
            state = self.move(n + 1, n, state)
            got = pulled(lambda *at, n=n: self.move(n, n + 1, at), state, self.held, costates)
            costates, gradient = list(got[:4]), [old + new for old, new in zip(gradient, got[4:], strict=True)]
        return costates, gradient


class _Reversed(torch.autograd.Function):
    """All steps at once; its values are the states at the stops, the last among them, and the rest of the last."""

    @staticmethod
    def forward(ctx: Any, way: PathReversal, *tensors: Tensor) -> State:
        kept, state = [], tensors[:4]
        for n, one in enumerate(way.walk(state), start=1):
            state = one
            if n in way.stops:
                kept.append(state[0].clone())
        found = *kept, *(x.clone() for x in state[1:])
        ctx.way = way
        ctx.save_for_backward(*found[-4:], *tensors[4:])
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        start, held = ctx.way.back(ctx.saved_tensors[:4], list(grads))
        return (None, *start, *held)
