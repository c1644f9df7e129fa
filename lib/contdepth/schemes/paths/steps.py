"""Steps of stochastic equations along a given path: Euler-Maruyama for Itô's, Heun for Stratonovich's.

A step is given what the path does in it, ``dw`` = W(t + h) - W(t), of the shape of u, one motion for each number,
or ``(..., 1)``, one that all share. The diffusion is a factor of the shape of u. With a motion for each number, a
factor may depend on t and on its own number only (noise that is called diagonal); with a shared one, on all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from contdepth.schemes.base import Field

__all__ = ["EulerMaruyama", "StratonovichHeun", "heun"]

Parts = tuple[Tensor, ...]


@dataclass(frozen=True)
class EulerMaruyama:
    """u' = u + b h + σ dw: for Itô's dX = b dt + σ dW of strong order 1/2, and 1 where σ does not depend on X.

    Maruyama 1955. It runs forward only: backwards the same rule solves another equation. No departure.
    """

    name: ClassVar[str] = "Euler-Maruyama"
    order: ClassVar[float] = 0.5
    stages: ClassVar[int] = 1
    calculus: ClassVar[str] = "ito"

    def step(
        self, drift: Field, diffusion: Field, t: Tensor, after: Tensor, u: Tensor, h: float, dw: Tensor
    ) -> Tensor:
        """Return the state at ``after`` = t + h from ``u`` ``(..., d)`` at ``t``."""
        return u + _increment(drift, diffusion, h, dw)(t, u)[0]


@dataclass(frozen=True)
class StratonovichHeun:
    """v = u + b h + σ dw, u' = the mean of u and a second such step from v at t + h.

    For Stratonovich's dX = b dt + σ∘dW, with the noise above, of strong order 1, forwards and backwards; without
    noise it is Heun's scheme, of order 2 (Kloeden and Platen 1992). It is also one step of Heun's scheme for the
    ordinary equation whose path is straight from t to t + h. No departure.
    """

    name: ClassVar[str] = "Stratonovich Heun"
    order: ClassVar[float] = 1
    stages: ClassVar[int] = 2
    calculus: ClassVar[str] = "stratonovich"

    def step(
        self, drift: Field, diffusion: Field, t: Tensor, after: Tensor, u: Tensor, h: float, dw: Tensor
    ) -> Tensor:
        """Return the state at ``after`` = t + h from ``u`` ``(..., d)`` at ``t``; h may be negative."""
        return heun(_increment(drift, diffusion, h, dw), t, after, (u,))[0]


def heun(increment: Callable[..., Parts], t: Tensor, after: Tensor, state: Parts) -> Parts:
    """Return the state, in parts, after a step of Heun's scheme; ``increment(t, *state)`` is what a step adds."""
    first = increment(t, *state)
    second = increment(after, *(u + k for u, k in zip(state, first, strict=True)))
    return tuple(u + (k + l) / 2 for u, k, l in zip(state, first, second, strict=True))


def _increment(drift: Field, diffusion: Field, h: float, dw: Tensor) -> Callable[..., Parts]:
    """Return what an Euler step adds, as a function of time and state."""

    def increment(t: Tensor, u: Tensor) -> Parts:
        return (torch.add(diffusion(t, u) * dw, drift(t, u), alpha=h),)

    return increment
