"""The stochastic adjoint: state, costate and gradient solved backwards together, along the same path.

Of dX = b dt + σ∘dW with what b and σ hold, θ: da = -(∂b/∂x)ᵀ a dt - (∂σ/∂x)ᵀ a∘dW and dg = -(∂b/∂θ)ᵀ a dt -
(∂σ/∂θ)ᵀ a∘dW run backwards with the path of the way forth, a jumps by ∂L/∂X at the times of the states that a loss
L asked for, and g ends as ∂L/∂θ (Li et al. 2020, arXiv 2001.01328, section 3). Departures: fixed steps of Heun's
scheme on the grid of the way forth; X starts anew from every state that was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from contdepth.errors import IntegrationError
from contdepth.schemes.base import Field
from contdepth.schemes.gradients.pulled import pulled
from contdepth.schemes.paths.calculus import stratonovich_drift
from contdepth.schemes.paths.steps import EulerMaruyama, heun
from contdepth.schemes.paths.way import Way

__all__ = ["StochasticAdjoint"]

Parts = tuple[Tensor, ...]


@dataclass(frozen=True)
class StochasticAdjoint:
    """Gives the states along a way, whose functions hold ``held``, their gradients by the way back."""

    way: Way
    held: Parts

    @cached_property
    def drift(self) -> Field:
        """The drift in Stratonovich's notation: the equation that can be run backwards."""
        way = self.way
        return stratonovich_drift(way.drift, way.diffusion) if isinstance(way.scheme, EulerMaruyama) else way.drift

    def attach(self, found: Tensor, u0: Tensor, stops: tuple[int, ...]) -> Tensor:
        """Return the states ``found`` ``(N, ..., d)`` at the indices ``stops`` of the grid with derivatives."""
        states: Tensor = _Attached.apply(self, stops, found, u0, *self.held)
        return states

    def backwards(self, stops: tuple[int, ...], found: Tensor, grad: Tensor) -> list[Tensor]:
        """Return the gradients, of a loss with ``grad`` in ``found``, in the start and in what is held."""
        times, costate = self.way.t.unbind(), torch.zeros_like(found[0])
        gradient = tuple(torch.zeros_like(one) for one in self.held)
        for n in reversed(range(len(stops))):
            u, costate = found[n], costate + grad[n]
            for k in reversed(range(stops[n - 1] if n else 0, stops[n])):
                u, costate, *rest = heun(self._increment(k), times[k + 1], times[k], (u, costate, *gradient))
                gradient = tuple(rest)
            self._check(u, costate, stops[n], found[n])
        return [costate, *gradient]

    def _increment(self, k: int) -> Callable[..., Parts]:
        """Return what a step back over interval ``k`` adds to state, costate and gradient."""
        h, dw = self.way.between(k + 1, k)

        def moved(t: Tensor, u: Tensor) -> Tensor:
            return torch.add(self.way.diffusion(t, u) * dw, self.drift(t, u), alpha=h)

        def increment(t: Tensor, u: Tensor, costate: Tensor, *_: Tensor) -> Parts:
            if torch.is_grad_enabled():
                turned = pulled(lambda x: (moved(t, x),), (u,), self.held, (costate,))
                return (moved(t, u), *(-one for one in turned))
            with torch.enable_grad():
                u = u.detach().requires_grad_()
                value = moved(t, u)
                at = (u, *self.held)
                found: tuple[Tensor | None, ...] = (None,) * len(at)
                if value.requires_grad:
                    found = torch.autograd.grad(value, at, costate, allow_unused=True)
            turned = tuple(torch.zeros_like(x) if one is None else one for x, one in zip(at, found, strict=True))
            return (value.detach(), *(-one for one in turned))

        return increment

    def _check(self, u: Tensor, costate: Tensor, stop: int, found: Tensor) -> None:
        """Raise if the way back from a state has left the numbers: what contracts forwards expands backwards."""
        if bool((u.isfinite() & costate.isfinite()).all()):
            return
        time, step = self.way.numbers[stop], self.way.numbers[stop - 1] - self.way.numbers[stop]
        said = f"gradient='adjoint', backwards: not finite on the way back from t = {time:.6g}"
        hint = "what contracts forwards expands backwards: take gradient='backprop', or smaller steps"
        raise IntegrationError(f"{said}; {hint}", time=time, state=found.detach(), step=step)


class _Attached(torch.autograd.Function):
    """States as they are; backwards by the adjoint, by operations that can be differentiated again."""

    @staticmethod
    def forward(
        ctx: Any, adjoint: StochasticAdjoint, stops: tuple[int, ...], found: Tensor, u0: Tensor, *held: Tensor
    ) -> Tensor:
        out = found.clone()
        ctx.adjoint, ctx.stops = adjoint, stops
        ctx.save_for_backward(out, *held)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        return (None, None, None, *ctx.adjoint.backwards(ctx.stops, ctx.saved_tensors[0], grad))
