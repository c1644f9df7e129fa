"""Gradients of the steps of a reversible scheme: the backward pass takes every step back and keeps none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from contdepth.schemes.base import Field, listed
from contdepth.schemes.gradients.pulled import all_named, pulled
from contdepth.schemes.gradients.reversible import AsynchronousLeapfrog, ReversibleHeun, State

__all__ = ["Reversal"]


@dataclass(frozen=True)
class Reversal:
    """Steps of ``scheme`` for f, which holds ``held``; states are kept at the indices ``stops`` of the grid."""

    f: Field
    held: tuple[Tensor, ...]
    scheme: AsynchronousLeapfrog | ReversibleHeun
    stops: tuple[int, ...]

    def recorded(self, state: State, t: Tensor) -> list[Tensor]:
        """Return the states at the stops; where gradients are recorded, with the graph of every step."""
        return self._forth(state, t)[0]

    def reversed(self, state: State, t: Tensor) -> list[Tensor]:
        """Return the states at the stops, whose gradients are found by steps back."""
        found: tuple[Tensor, ...] = _Reversed.apply(self, len(state), *state, t, *self.held)
        return list(found[0].unbind())

    def _forth(self, state: State, t: Tensor) -> tuple[list[Tensor], State]:
        times, steps, kept = t.unbind(), listed(t.diff()), []
        for n, h in enumerate(steps):
            state = self.scheme.forth(self.f, times[n], times[n + 1], state, h)
            if n + 1 in self.stops:
                kept.append(state[0])
        return kept, state

    def back(self, found: Tensor, state: State, t: Tensor, grads: list[Tensor]) -> tuple[list[Tensor], ...]:
        """Return the gradients in the first state, in ``t`` and in what f holds.

        ``grads`` are those in ``found`` and in the rest of the last ``state``.
        """
        times, steps = t.unbind(), listed(t.diff())
        costates = [torch.zeros_like(found[0]), *grads[1:]]
        in_time, gradient = [torch.zeros_like(one) for one in times], [torch.zeros_like(p) for p in self.held]
        kept, size = len(self.stops), len(state)
        for n in reversed(range(len(steps))):
            if n + 1 in self.stops:
                kept -= 1
                costates[0] = costates[0] + grads[0][kept]
            state = self.scheme.back(self.f, times[n], times[n + 1], state, steps[n])
            step = all_named(self._step(t.requires_grad, steps[n]), self.held)
            got = pulled(step, (*state, *times[n : n + 2]), self.held, costates)
            costates = list(got[:size])
            in_time[n], in_time[n + 1] = in_time[n] + got[size], in_time[n + 1] + got[size + 1]
            gradient = [old + new for old, new in zip(gradient, got[size + 2 :], strict=True)]
        return costates, [torch.stack(in_time)], gradient

    def _step(self, moving: bool, h: float | Tensor) -> Callable[..., State]:
        """Return a step as a function of state and both times; ``h`` is its size unless the times move."""

        def step(*at: Tensor) -> State:
            *state, t, after = at
            return self.scheme.forth(self.f, t, after, tuple(state), after - t if moving else h)

        return step


class _Reversed(torch.autograd.Function):
    """All steps at once; its values are the states at the stops and the rest of the last state."""

    @staticmethod
    def forward(ctx: Any, way: Reversal, size: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        kept, state = way._forth(tensors[:size], tensors[size].detach())
        found = torch.stack(kept), *(x.clone() for x in state[1:])
        ctx.way, ctx.size = way, size
        ctx.save_for_backward(*found, *tensors[size:])
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        way, size = ctx.way, ctx.size
        found, *rest = ctx.saved_tensors[:size]
        start, in_time, held = way.back(found, (found[-1], *rest), ctx.saved_tensors[size], list(grads))
        return (None, None, *start, *in_time, *held)
