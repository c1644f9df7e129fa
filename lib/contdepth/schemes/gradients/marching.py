"""Integration over a grid with a choice of how its gradient is found."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.backward_euler import BackwardEuler
from contdepth.schemes.base import Field, Scheme, integrate, transforms
from contdepth.schemes.base import _check_grid as check_grid
from contdepth.schemes.base import _check_scheme as check_scheme
from contdepth.schemes.base import _checked as checked
from contdepth.schemes.gradients.adjoint import Adjoint
from contdepth.schemes.gradients.euler import with_euler_gradient
from contdepth.schemes.gradients.held import check_named, held_by
from contdepth.schemes.gradients.pulled import all_named, apart
from contdepth.schemes.gradients.reversal import Reversal
from contdepth.schemes.gradients.reversible import AsynchronousLeapfrog, ReversibleHeun

__all__ = ["march"]

GRADIENTS = ("backprop", "checkpoints", "adjoint", "reversible", "euler", "static euler")
Reversible = AsynchronousLeapfrog | ReversibleHeun


def march(
    f: Field,
    u0: Tensor,
    t: Tensor,
    scheme: Scheme | Reversible,
    *,
    keep: str = "all",
    gradient: str = "backprop",
    parameters: Iterable[Tensor] | None = None,
) -> Tensor:
    """Integrate as :func:`integrate` does, one step of ``scheme`` for each interval, with the gradient of choice.

    Args:
        f: right-hand side ``f(t, u)``.
        u0: state ``(..., d)`` at ``t[0]``, floating point.
        t: grid ``(N + 1,)``, strictly increasing or strictly decreasing.
        scheme: a scheme with one right-hand side and without noise, or a reversible one.
        keep: ``"all"`` states or the ``"last"``.
        gradient: ``"backprop"`` keeps the graph of every step. ``"checkpoints"``, exact too, for explicit one-step
            schemes, keeps a state for every stretch of about √(N / 2s) steps of s stages, and takes each step once
            more. ``"adjoint"``, for these, solves the continuous adjoint backwards with the same scheme and grid:
            it differs by an error of the scheme's order, and keeps only the states that are returned.
            ``"reversible"``, for ``AsynchronousLeapfrog`` and ``ReversibleHeun``, takes the steps back: exact to
            rounding, and nothing is kept. ``"euler"`` differentiates an Euler step for each one taken, of order 1;
            ``"static euler"`` only what is new in each.
        parameters: what checkpoints, adjoint and reversal differentiate of that which ``f`` holds; None: the
            parameters of a module.

    Returns:
        ``(N + 1, ..., d)`` or ``(..., d)``, differentiable in ``u0``, in what ``f`` holds and in ``t``.

    Raises:
        TypeError, ValueError: a wrong argument or value of ``f``, a gradient that the scheme does not have, or a
            tensor in ``f`` that needs gradients and is not named.
    """
    checks.one_of("keep", keep, ("all", "last"))
    checks.one_of("gradient", gradient, GRADIENTS)
    checks.floating("u0", u0)
    if not torch.compiler.is_compiling():
        check_grid(t)
    if not isinstance(scheme, Reversible):
        check_scheme(f, scheme, None)
    elif not callable(f):
        checks.fail("f", "a function of (t, u)", type(f).__name__, error=TypeError)
    _check_gradient(scheme, gradient)
    if isinstance(scheme, Reversible):
        states = _reversible(checked(f, u0.shape), u0, t, scheme, keep, gradient, held_by(f, parameters))
    elif gradient == "backprop" or not torch.is_grad_enabled():
        return integrate(f, u0, t, scheme, keep=keep)
    elif gradient == "checkpoints":
        states = _from_checkpoints(checked(f, u0.shape), u0, t, scheme, keep, held_by(f, parameters))
    elif gradient == "adjoint":
        states = _by_adjoint(checked(f, u0.shape), u0, t, scheme, keep, held_by(f, parameters))
    else:
        with torch.no_grad():
            found = list(integrate(f, u0.detach(), t.detach(), scheme)[1:].unbind())
        states = with_euler_gradient(checked(f, u0.shape), found, u0, t, static=gradient != "euler")
    return states[-1] if keep == "last" else torch.stack([u0, *states])


def _check_gradient(scheme: Any, gradient: str) -> None:
    """Raise ``ValueError`` if the scheme does not have the gradient."""
    if isinstance(scheme, Reversible):
        known: tuple[str, ...] = ("backprop", "reversible")
    elif isinstance(scheme, BackwardEuler) or getattr(scheme, "two_step", False):
        known = ("backprop", "euler", "static euler")
    else:
        known = tuple(one for one in GRADIENTS if one != "reversible")
    if gradient not in (("backprop",) if transforms() else known):
        inside = " inside torch.func" if transforms() else ""
        checks.fail("gradient", f"one of {', '.join(map(repr, known))} for {scheme.name}", repr(gradient) + inside)


def _from_checkpoints(
    f: Field, u0: Tensor, t: Tensor, scheme: Any, keep: str, held: tuple[Tensor, ...]
) -> list[Tensor]:
    """Return the states after the first, or only the last."""
    steps = len(t) - 1
    stretch, u, kept = max(1, math.isqrt(steps // (2 * scheme.stages))), u0, list[Tensor]()
    check_named(f, t[0], u0, held)
    for start in range(0, steps, stretch):
        part = t[start : start + stretch + 1]

        def taken(u: Tensor, part: Tensor = part) -> tuple[Tensor]:
            return (integrate(f, u, part, scheme, keep=keep),)

        found = apart(all_named(taken, held), (u, part) if t.requires_grad else (u,), held)[0]
        u = found[-1] if keep == "all" else found
        kept += list(found[1:].unbind()) if keep == "all" else []
    check_named(f, t[-1], u, held)
    return kept or [u]


def _by_adjoint(f: Field, u0: Tensor, t: Tensor, scheme: Any, keep: str, held: tuple[Tensor, ...]) -> list[Tensor]:
    with torch.no_grad():
        found = integrate(f, u0.detach(), t.detach(), scheme, keep=keep)
    states = found[1:] if keep == "all" else found.unsqueeze(0)
    check_named(f, t[0], u0, held)
    check_named(f, t[-1], states[-1], held)
    adjoint = Adjoint(f, held, lambda g, z, times, _: integrate(g, z, times, scheme, keep="last"))
    stops = list(range(1, len(t))) if keep == "all" else [len(t) - 1]
    return list(adjoint.attach(states, u0, t, stops).unbind())


def _reversible(
    f: Field,
    u0: Tensor,
    t: Tensor,
    scheme: Reversible,
    keep: str,
    gradient: str,
    held: tuple[Tensor, ...],
) -> list[Tensor]:
    stops = tuple(range(1, len(t))) if keep == "all" else (len(t) - 1,)
    start = scheme.start(f, t[0], u0)
    if gradient == "backprop" or not torch.is_grad_enabled():
        return Reversal(f, (), scheme, stops).recorded(start, t)
    states = Reversal(f, held, scheme, stops).reversed(start, t)
    check_named(f, t[0], u0, held)
    check_named(f, t[-1], states[-1], held)
    return states
