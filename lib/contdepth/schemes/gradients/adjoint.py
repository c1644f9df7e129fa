"""The continuous adjoint: state, costate and gradient solved backwards together.

Of u' = f(t, u) with what f holds, θ, and a loss L of states: a' = -(∂f/∂u)ᵀ a and g' = -(∂f/∂θ)ᵀ a run backwards,
a jumps by ∂L/∂u at the times of these states, and g ends as ∂L/∂θ (Chen et al. 2018, arXiv 1806.07366).
The gradient in a time is that of the solution there, aᵀ f. Departures: u starts anew from every state that was
asked for; the costate is scaled to 1, so that tolerances mean the same for every loss; and the solution backwards
has an adjoint itself, so that derivatives of any order are right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from contdepth.errors import IntegrationError
from contdepth.schemes.base import Field
from contdepth.schemes.gradients.held import check_known
from contdepth.schemes.gradients.pulled import pulled

__all__ = ["Adjoint", "Last", "backwards"]

Last = Callable[[Field, Tensor, Tensor, tuple[int, ...]], Tensor]
"""``(f, u0, t, parts)`` -> state at ``t[-1]``; a flat ``u0`` has ``parts``, each of which must be exact."""


@dataclass(frozen=True)
class Adjoint:
    """Gives solutions of u' = f(t, u), which holds ``held``, their gradients; ``last`` solves backwards."""

    f: Field
    held: tuple[Tensor, ...]
    last: Last

    def attach(self, found: Tensor, u0: Tensor, t: Tensor, stops: list[int]) -> Tensor:
        """Return the states ``found`` ``(N, ..., d)`` at the times ``t[stops]`` with their derivatives."""
        states: Tensor = _Attached.apply(self, stops, found, u0, t, *self.held)
        return states

    def end(self, u0: Tensor, t: Tensor, parts: tuple[int, ...]) -> Tensor:
        """Return the state at ``t[-1]`` with its derivatives."""
        with torch.no_grad():
            found = self.last(self.f, u0.detach(), t.detach(), parts)
        return self.attach(found.unsqueeze(0), u0, t, [len(t) - 1]).squeeze(0)


class _Attached(torch.autograd.Function):
    """States as they are; backwards by the adjoint, by operations that can be differentiated again."""

    @staticmethod
    def forward(
        ctx: Any, adjoint: Adjoint, stops: list[int], found: Tensor, u0: Tensor, t: Tensor, *held: Tensor
    ) -> Tensor:
        out = found.clone()
        ctx.adjoint, ctx.stops = adjoint, stops
        ctx.save_for_backward(u0, t, out, *held)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        u0, t, out = ctx.saved_tensors[:3]
        scale = grad.detach().abs().amax() if grad.numel() else grad.new_zeros(())
        if not bool(scale > 0) or not bool(scale.isfinite()):
            empty = (torch.full_like(x, float(0 * scale)) for x in (u0, t, *ctx.adjoint.held))
            return (None, None, None, *empty)
        found = backwards(ctx.adjoint, ctx.stops, grad / scale, u0, t, out)
        return (None, None, None, *(one * scale.to(one.device) for one in found))


def backwards(
    adjoint: Adjoint, stops: list[int], grad: Tensor, u0: Tensor, t: Tensor, found: Tensor
) -> list[Tensor]:
    """Return the gradients in ``u0``, ``t`` and what f holds, of a loss with ``grad`` in ``found``."""
    pack = Pack(u0, adjoint.held)
    rates = Adjoint(_rates(adjoint, pack), adjoint.held, adjoint.last)
    costate, gradient = torch.zeros_like(u0), [torch.zeros_like(one) for one in adjoint.held]
    in_time = list(torch.zeros_like(t).unbind())
    for n in reversed(range(len(stops))):
        start, stop = (stops[n - 1] if n else 0), stops[n]
        costate = costate + grad[n]
        in_time[stop] = _along(adjoint.f, t[stop], found[n], grad[n])
        try:
            joint = rates.end(pack.one(found[n], costate, gradient), t[start : stop + 1].flip(0), pack.parts)
        except IntegrationError as error:
            raise _told(error, pack) from error
        costate, gradient = pack.apart(joint)
    in_time[0] = -_along(adjoint.f, t[0], u0, costate)
    return [costate, torch.stack([one.to(t) for one in in_time]), *gradient]


def _along(f: Field, t: Tensor, u: Tensor, costate: Tensor) -> Tensor:
    """Return what the loss gains while the solution moves on for a unit of time."""
    slope = f(t, u)
    return (costate.conj() * slope).real.sum() if u.is_complex() else (costate * slope).sum()


class Pack:
    """State, costate and gradient in one real vector, its ``parts`` of so many numbers."""

    def __init__(self, u: Tensor, held: tuple[Tensor, ...]) -> None:
        self.like, self.dtype = (u, u, *held), u.abs().dtype if u.is_complex() else u.dtype
        self.sizes = [one.numel() * (2 if one.is_complex() else 1) for one in self.like]
        self.parts = (self.sizes[0], self.sizes[1], sum(self.sizes[2:]))

    def one(self, u: Tensor, costate: Tensor, gradient: list[Tensor]) -> Tensor:
        """Return them as one vector."""
        parts = [torch.stack([x.real, x.imag]) if x.is_complex() else x for x in (u, costate, *gradient)]
        return torch.cat([x.reshape(-1).to(self.dtype) for x in parts])

    def split(self, joint: Tensor) -> list[Tensor]:
        """Return the tensors that a vector holds."""
        found = []
        for part, like in zip(joint.split(self.sizes), self.like, strict=True):
            values = torch.complex(*part.reshape(2, -1).unbind()) if like.is_complex() else part
            found.append(values.reshape(like.shape).to(like.dtype))
        return found

    def apart(self, joint: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return costate and gradient."""
        _, costate, *gradient = self.split(joint)
        return costate, gradient


def _rates(adjoint: Adjoint, pack: Pack) -> Field:
    """Return the right-hand side of state, costate and gradient together."""

    def rates(t: Tensor, joint: Tensor) -> Tensor:
        u, costate, *_ = pack.split(joint)
        if torch.is_grad_enabled():
            found = pulled(lambda x: (adjoint.f(t, x),), (u,), adjoint.held, (costate,))
            return pack.one(adjoint.f(t, u), -found[0], [-k for k in found[1:]])
        with torch.enable_grad():
            u = u.detach().requires_grad_()
            value = adjoint.f(t, u)
            at = (u, *adjoint.held)
            down: tuple[Tensor | None, ...] = (None,) * len(at)
            if value.requires_grad:
                check_known((value,), at)
                down = torch.autograd.grad(value, at, costate, allow_unused=True)
        first, *rest = (torch.zeros_like(x) if k is None else -k for x, k in zip(at, down, strict=True))
        return pack.one(value.detach(), first, rest)

    return rates


def _told(error: IntegrationError, pack: Pack) -> IntegrationError:
    """Return the error of the way back, with the state alone."""
    state = pack.split(error.state)[0]
    said = f"gradient='adjoint', backwards: {error}; where that is so, take gradient='checkpoints'"
    return IntegrationError(said, time=error.time, state=state, step=error.step)
