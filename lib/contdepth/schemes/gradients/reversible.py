"""Schemes whose steps can be taken back, to rounding: the state is a pair, half of it looks ahead.

A step forth and a step back ask f at the same places, so that a backward pass needs no stored state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from contdepth.schemes.base import Field, axpy

__all__ = ["AsynchronousLeapfrog", "ReversibleHeun", "State"]

State = tuple[Tensor, ...]
"""The state u, and what the scheme carries beside it."""


@dataclass(frozen=True)
class AsynchronousLeapfrog:
    """w = u + h/2 v, k = f(t + h/2, w), v' = 2k - v, u' = w + h/2 v': order 2, one evaluation a step.

    Mutze 2013 (arXiv 1311.6602); Zhuang et al. 2021 (arXiv 2102.04668, MALI) take it back for gradients. It starts
    with v = f(t, u). Not the leapfrog of two-step methods. Nothing damps an error of v: no departure.
    """

    name: ClassVar[str] = "asynchronous leapfrog"
    order: ClassVar[int] = 2
    stages: ClassVar[int] = 1

    def start(self, f: Field, t: Tensor, u: Tensor) -> State:
        """Return ``(u, v)`` at ``t``."""
        return u, f(t, u)

    def forth(self, f: Field, t: Tensor, after: Tensor, state: State, h: float | Tensor) -> State:
        """Return the state at ``after`` = t + h from that at ``t``."""
        u, v = state
        middle = axpy(u, v, h / 2)
        v = 2 * f(t + h / 2, middle) - v
        return axpy(middle, v, h / 2), v

    def back(self, f: Field, t: Tensor, after: Tensor, state: State, h: float | Tensor) -> State:
        """Return the state at ``t`` from that at ``after``."""
        u, v = state
        middle = axpy(u, v, -h / 2)
        v = 2 * f(t + h / 2, middle) - v
        return axpy(middle, v, -h / 2), v


@dataclass(frozen=True)
class ReversibleHeun:
    """w' = 2u - w + h k, k' = f(t + h, w'), u' = u + h/2 (k + k'): order 2, one evaluation a step.

    Kidger et al. 2021 (arXiv 2105.13493), here without noise. It starts with w = u, k = f(t, u). Where f
    damps, it is as unstable as leapfrog: it is stable on the imaginary axis alone. No departure.
    """

    name: ClassVar[str] = "reversible Heun"
    order: ClassVar[int] = 2
    stages: ClassVar[int] = 1

    def start(self, f: Field, t: Tensor, u: Tensor) -> State:
        """Return ``(u, w, k)`` at ``t``."""
        return u, u, f(t, u)

    def forth(self, f: Field, t: Tensor, after: Tensor, state: State, h: float | Tensor) -> State:
        """Return the state at ``after`` = t + h from that at ``t``."""
        u, w, k = state
        ahead = axpy(2 * u - w, k, h)
        slope = f(after, ahead)
        return axpy(u, k + slope, h / 2), ahead, slope

    def back(self, f: Field, t: Tensor, after: Tensor, state: State, h: float | Tensor) -> State:
        """Return the state at ``t`` from that at ``after``."""
        u, w, k = state
        behind = axpy(2 * u - w, k, -h)
        slope = f(t, behind)
        return axpy(u, k + slope, -h / 2), behind, slope
