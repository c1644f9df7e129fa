"""Steps in a form that ``torch.compile`` traces whole: nothing is asked of values, only of shapes and kinds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.adaptive.pairs import EmbeddedPair
from contdepth.schemes.base import Field, Scheme, axpy
from contdepth.schemes.base import _check_scheme as check_scheme
from contdepth.schemes.runge_kutta import RungeKutta, Tableau

__all__ = ["pair_step", "unrolled"]


def unrolled(f: Field | tuple[Field, Field], u0: Tensor, t: Tensor, scheme: Scheme) -> Tensor:
    """Return the last state of :func:`integrate`, by a loop that asks nothing of values, compiled or not.

    Not checked, as :func:`integrate` does where it is not compiled: that ``t`` is monotone, that its steps are
    equal where the scheme needs it, and that f leaves its arguments as they are.

    Args:
        f: right-hand side ``f(t, u)``; a pair for schemes with ``fields = 2``.
        u0: state ``(..., d)`` at ``t[0]``.
        t: grid ``(N + 1,)``; N is a constant of the graph, as is ``scheme``.
        scheme: any scheme that is not random.

    Raises:
        TypeError, ValueError: a wrong argument, or a value of f of another shape or dtype than its state.
    """
    checks.floating("u0", u0)
    checks.floating("t", t, ndim=1)
    if t.is_complex() or len(t) < 2:
        checks.fail("t", "a real grid with at least 2 points", f"dtype {t.dtype} and {len(t)} points")
    check_scheme(f, scheme, None)
    one: Any = scheme
    if hasattr(one, "check_steps"):
        one.check_steps(len(t) - 1)
    fields: Any = tuple(_checked(part) for part in f) if isinstance(f, tuple) else _checked(f)
    times, u = t.unbind(), u0
    if not getattr(one, "two_step", False):
        for time, h in zip(times, t.diff().unbind(), strict=False):
            known = type(one) is RungeKutta
            u = _runge_kutta(one.tableau, fields, time, u, h) if known else one.step(fields, time, u, h)
        return u
    h = (t[-1] - t[0]) / (len(t) - 1)
    previous, u = u, one.first_step(fields, times[0], u, h)
    for n in range(1, len(t) - 1):
        previous, u = u, one.next_step(n, fields, times[n], u, previous, h)
    return u


def pair_step(pair: EmbeddedPair, f: Field, t: Tensor, u: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """Return the state after one step of ``pair`` and the estimate of its error, without graph breaks.

    Args:
        pair: an embedded pair, a constant of the graph.
        f: right-hand side ``f(t, u)``.
        t: time, of a shape that broadcasts with ``u``.
        u: state ``(..., d)``.
        h: size, of the shape of ``t``.

    Raises:
        TypeError, ValueError: a wrong argument, or a value of f of another shape or dtype than ``u``.
    """
    checks.instance("pair", pair, EmbeddedPair)
    if not callable(f):
        checks.fail("f", "a function of (t, u)", type(f).__name__, error=TypeError)
    checks.floating("u", u)
    checks.same_shape("h", checks.floating("h", h), tuple(checks.floating("t", t).shape))
    fits = all(a in (1, b) for a, b in zip(reversed(t.shape), reversed(u.shape), strict=False))
    if t.ndim > u.ndim or not fits:
        checks.fail("t", f"a shape that broadcasts with {tuple(u.shape)}, that of u", f"shape {tuple(t.shape)}")
    slopes: list[Tensor] = []
    checked, stage = _checked(f), u
    for row, c in zip(pair.a, pair.c, strict=True):
        stage = _sum(u, row, slopes, h)
        slopes.append(checked(t + c * h, stage))
    return stage, _sum(torch.zeros_like(u), pair.error, slopes, h)


def _runge_kutta(table: Tableau, f: Field, t: Tensor, u: Tensor, h: Tensor) -> Tensor:
    """Return the state after a step, without what a table works out once and keeps behind a lock."""
    slopes: list[Tensor] = []
    for row, c in zip(table.a, table.c, strict=True):
        slopes.append(f(t + c * h, _sum(u, row, slopes, h)))
    return _sum(u, table.b, slopes, h)


def _sum(u: Tensor, row: tuple[float, ...], slopes: list[Tensor], h: Tensor) -> Tensor:
    for a, k in zip(row, slopes, strict=True):
        if a:
            u = axpy(u, k, a * h)
    return u


def _checked(f: Field) -> Field:
    """Return ``f`` with a look at the shape and the dtype of its values."""

    def checked(t: Tensor, u: Tensor) -> Tensor:
        value = checks.same_shape("f(t, u)", f(t, u), tuple(u.shape), "f must return du/dt with the shape of u")
        if value.dtype != u.dtype:
            checks.fail("f(t, u)", f"dtype {u.dtype}, that of u", f"dtype {value.dtype}", error=TypeError)
        return value

    return checked
