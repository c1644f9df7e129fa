"""Symplectic schemes on two halves of a state: leapfrog, and its fourth-order composition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field, axpy

__all__ = ["Leapfrog", "Yoshida4"]

OUTER = 1 / (2 - 2 ** (1 / 3))
"""The two outer steps of Yoshida's composition, as shares of the whole; the one between them is 1 - 2 OUTER."""


@dataclass(frozen=True)
class Leapfrog:
    """p½ = p + h/2 f2(t, q), q' = q + h f1(t + h/2, p½), p' = p½ + h/2 f2(t + h, q') on u = (q, p): order 2.

    Störmer–Verlet, also called velocity Verlet; for q' = f1(p), p' = f2(q) with f1 = ∂T/∂p and f2 = -∂V/∂q it is
    symplectic and symmetric: a step of -h takes a step of h back. Not the two-step leapfrog (``LinearTwoStep``
    with k = 1), not ``RevNet``, which is symplectic Euler. The times in f are ours: the textbook's halves have
    none.

    Takes a pair ``f = (f1, f2)``; ``f1(t, p)`` has the shape of q and ``f2(t, q)`` that of p.
    """

    name: ClassVar[str] = "leapfrog (Störmer–Verlet)"
    order: ClassVar[int] = 2
    stages: ClassVar[int] = 2
    fields: ClassVar[int] = 2

    def step(self, f: tuple[Field, Field], t: Tensor, u: Tensor, h: float | Tensor) -> Tensor:
        """Return the state at ``t + h`` from ``u`` (halves along the last axis) at ``t``."""
        return torch.cat(_kick_drift_kick(f, t, *halves(u), h), -1)


@dataclass(frozen=True)
class Yoshida4:
    """Three leapfrog steps of w h, (1 - 2w) h and w h, w = 1/(2 - 2^{1/3}): order 4, symplectic, symmetric.

    Yoshida 1990 (Physics Letters A 150); the middle step goes back, by 1.70 h. Takes the pair of
    ``Leapfrog``.
    """

    name: ClassVar[str] = "Yoshida, fourth order"
    order: ClassVar[int] = 4
    stages: ClassVar[int] = 6
    fields: ClassVar[int] = 2

    def step(self, f: tuple[Field, Field], t: Tensor, u: Tensor, h: float | Tensor) -> Tensor:
        """Return the state at ``t + h`` from ``u`` (halves along the last axis) at ``t``."""
        q, p = halves(u)
        for share in (OUTER, 1 - 2 * OUTER, OUTER):
            q, p = _kick_drift_kick(f, t, q, p, share * h)
            t = t + share * h
        return torch.cat((q, p), -1)


def halves(u: Tensor) -> tuple[Tensor, Tensor]:
    """Return q and p, the halves of ``u`` along its last axis; raise if there are none."""
    if u.ndim == 0 or u.shape[-1] % 2:
        checks.fail("u", "states (q, p) of an even last axis", f"shape {tuple(u.shape)}")
    return u.chunk(2, -1)  # type: ignore[return-value]


def _kick_drift_kick(
    f: tuple[Field, Field], t: Tensor, q: Tensor, p: Tensor, h: float | Tensor
) -> tuple[Tensor, Tensor]:
    p = axpy(p, f[1](t, q), h / 2)
    q = axpy(q, f[0](t + h / 2, p), h)
    return q, axpy(p, f[1](t + h, q), h / 2)
