"""A stack of residual layers with a set of weights for each, of which many steps are taken in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from contdepth import checks

__all__ = ["Layers"]

Branch = Callable[..., Tensor]


class Layers:
    """N layers u_{n+1} = u_n + h f(u_n, θ_n): forward Euler, order 1, one stage, with weights of its own a step.

    ``f(u, *weights)`` is given ``u`` ``(k, ...)``, the states of k layers, and of each weight the k slices that
    belong to them, ``(k, ...)``; it must treat the k rows apart, as ``torch.tanh(u @ K + b[:, None])`` does with
    u (k, batch, d), K (k, d, d), b (k, d). So a whole relaxation is one call, whatever runs it.

    A step over ``stride`` layers is u + stride h f(u, θ_n), with the weights of the layer where it begins: the
    coarse propagator of Günther et al. 2020 (arXiv 1812.04352). There the coarse step takes the weights of the
    layer at its start too; no departure.

    Args:
        f: the branch; it returns a new tensor with the shape and dtype of ``u``.
        weights: tensors ``(N, ...)`` of one dtype, float32 or float64.
        h: step size > 0.

    Raises:
        TypeError, ValueError: no function, no weights, different numbers of layers or dtypes, a step size that is
            not positive; on use: a value of ``f`` with another shape or dtype.
    """

    def __init__(self, f: Branch, weights: tuple[Tensor, ...] | list[Tensor], h: float) -> None:
        if not callable(f):
            checks.fail("f", "a function of (u, *weights)", type(f).__name__, error=TypeError)
        self.f, self.h = f, checks.real("h", h, above=0)
        self.weights = checks.several("weights", weights, "give a tuple of tensors (N, ...)")
        if not self.weights:
            checks.fail("weights", "at least one tensor (N, ...)", "none")
        for one in self.weights:
            checks.reals("weights", one, like=self.weights[0] if one is not self.weights[0] else None)
            if one.ndim < 1 or len(one) < 1 or len(one) != len(self.weights[0]):
                wanted = "tensors (N, ...) of one number N >= 1 of layers"
                checks.fail("weights", wanted, ", ".join(str(tuple(w.shape)) for w in self.weights))

    def __len__(self) -> int:
        return len(self.weights[0])

    def branch(self, at: slice, u: Tensor) -> Tensor:
        """f of the layers ``at``, on their states ``u`` ``(k, ...)``; checked."""
        value = self.f(u, *(one[at] for one in self.weights))
        checks.same_shape("f(u, *weights)", value, tuple(u.shape), "f must return du/dt with the shape of u")
        if value.dtype != u.dtype:
            raise TypeError(f"f(u, *weights): expected dtype {u.dtype}, that of u, found {value.dtype}")
        return value

    def step(self, at: slice, stride: int, u: Tensor) -> Tensor:
        """The states ``stride`` layers on, of ``u`` ``(k, ...)`` at the layers ``at``, all k at once."""
        return u + stride * self.h * self.branch(at, u)

    def pull(self, at: slice, stride: int, u: Tensor, p: Tensor) -> Tensor:
        """p + stride h (∂f/∂u)ᵀ p ``(k, ...)``: co-states taken back over ``step`` from its end to its start."""
        with torch.enable_grad():
            u = u.detach().requires_grad_()
            value = self.branch(at, u)
            if not value.requires_grad:
                return p
            moved = torch.autograd.grad(value, u, p, allow_unused=True, materialize_grads=True)[0]
        return p + stride * self.h * moved

    def states(self, u0: Tensor) -> Tensor:
        """u_0 … u_N ``(N + 1, ...)`` from ``u0`` ``(...)``, one layer after the other; differentiable.

        Raises:
            TypeError, ValueError: ``u0`` has another dtype than the weights.
        """
        checks.reals("u0", u0, like=self.weights[0])
        found = [u0[None]]
        for n in range(len(self)):
            found.append(self.step(slice(n, n + 1), 1, found[-1]))
        return torch.cat(found)

    @torch.no_grad()
    def adjoints(self, states: Tensor, last: Tensor) -> Tensor:
        """p_0 … p_N ``(N + 1, ...)`` with p_n = p_{n+1} + h (∂f/∂u)ᵀ(u_n, θ_n) p_{n+1}, one layer after the other.

        Args:
            states: u_0 … u_N, ``(N + 1, ...)``.
            last: p_N ``(...)``, the gradient of the loss in u_N.

        Raises:
            TypeError, ValueError: another number of states, another dtype or shape.
        """
        check_states("states", states, self)
        checks.same_shape("last", checks.reals("last", last, like=states), tuple(states.shape[1:]))
        found = [last[None]]
        for n in reversed(range(len(self))):
            found.append(self.pull(slice(n, n + 1), 1, states[n : n + 1], found[-1]))
        return torch.cat(found[::-1])

    def gradients(self, states: Tensor, adjoints: Tensor) -> tuple[Tensor, ...]:
        """h (∂f/∂θ_n)ᵀ(u_n, θ_n) p_{n+1} for every weight ``(N, ...)``, all layers in one call.

        With exact states and adjoints this is the gradient of the loss; with inexact ones it is that of Günther
        et al.'s simultaneous optimisation. Weights that f does not use get zeros.

        Args:
            states: u_0 … u_N, ``(N + 1, ...)``.
            adjoints: p_0 … p_N, ``(N + 1, ...)``.

        Raises:
            TypeError, ValueError: another number of states or adjoints, another dtype or shape.
        """
        check_states("states", states, self)
        checks.same_shape("adjoints", checks.reals("adjoints", adjoints, like=states), tuple(states.shape))
        with torch.enable_grad():
            held = tuple(one.detach().requires_grad_() for one in self.weights)
            value: Any = Layers(self.f, held, self.h).branch(slice(None), states[:-1].detach())
            if not value.requires_grad:
                return tuple(torch.zeros_like(one) for one in held)
            grown = self.h * adjoints[1:].detach()
            return torch.autograd.grad(value, held, grown, allow_unused=True, materialize_grads=True)


def check_states(argument: str, states: Tensor, layers: Layers) -> Tensor:
    """Return ``states`` if they are (N + 1, ...) of the layers' dtype."""
    checks.reals(argument, states, like=layers.weights[0])
    if states.ndim < 1 or len(states) != len(layers) + 1:
        wanted = f"shape ({len(layers) + 1}, ...), a state before each of {len(layers)} layers and one after"
        checks.fail(argument, wanted, f"shape {tuple(states.shape)}")
    return states
