"""The one place for input errors: which argument, what was expected, what was found, what to do."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import NoReturn, TypeVar

import torch

__all__ = ["fail", "finite", "floating", "integer", "one_of", "real", "same_shape", "tensor"]

Choice = TypeVar("Choice")


def fail(
    argument: str, expected: str, found: object, hint: str = "", *, error: type[Exception] = ValueError
) -> NoReturn:
    """Raise ``error`` with the sentence ``argument: expected …, found …; hint``."""
    raise error(f"{argument}: expected {expected}, found {found}{'; ' + hint if hint else ''}")


def real(
    argument: str,
    value: object,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    hint: str = "",
) -> float:
    """Return ``value`` as a finite float inside the bounds; raise ``TypeError`` or ``ValueError`` otherwise."""
    if isinstance(value, bool) or not isinstance(value, Real):
        fail(argument, "a real number", f"{value!r} ({type(value).__name__})", hint, error=TypeError)
    number = float(value)
    bounds = [
        text
        for ok, text in (
            (above is None or number > above, f"> {above}"),
            (at_least is None or number >= at_least, f">= {at_least}"),
            (below is None or number < below, f"< {below}"),
            (at_most is None or number <= at_most, f"<= {at_most}"),
        )
        if not ok
    ]
    if not math.isfinite(number):
        fail(argument, "a finite number", number, hint)
    if bounds:
        fail(argument, f"a number {' and '.join(bounds)}", value, hint)
    return number


def integer(
    argument: str, value: object, *, at_least: int | None = None, at_most: int | None = None, hint: str = ""
) -> int:
    """Return ``value`` as an int inside the given bounds; raise ``TypeError`` or ``ValueError`` otherwise."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        fail(argument, "an integer", f"{value!r} ({type(value).__name__})", hint, error=TypeError)
    real(argument, int(value), at_least=at_least, at_most=at_most, hint=hint)
    return int(value)


def one_of(argument: str, value: Choice, options: Collection[object], hint: str = "") -> Choice:
    """Return ``value`` if it is among ``options``; raise ``ValueError`` listing them otherwise."""
    if value not in options:
        fail(argument, "one of " + ", ".join(repr(o) for o in options), repr(value), hint)
    return value


def tensor(argument: str, value: object, *, ndim: int | None = None, hint: str = "") -> torch.Tensor:
    """Return ``value`` if it is a tensor (of ``ndim`` dimensions); raise ``TypeError`` or ``ValueError`` else."""
    if not isinstance(value, torch.Tensor):
        fail(argument, "a torch.Tensor", type(value).__name__, hint, error=TypeError)
    if ndim is not None and value.ndim != ndim:
        fail(argument, f"a tensor with {ndim} dimensions", f"shape {tuple(value.shape)}", hint)
    return value


def floating(argument: str, value: object, *, ndim: int | None = None, hint: str = "") -> torch.Tensor:
    """Return ``value`` if it is a floating-point or complex tensor; raise ``TypeError`` or ``ValueError`` else."""
    value = tensor(argument, value, ndim=ndim, hint=hint)
    if not (value.is_floating_point() or value.is_complex()):
        fail(
            argument,
            "a floating-point tensor",
            f"dtype {value.dtype}",
            hint or "call .double() or .float()",
            error=TypeError,
        )
    return value


def same_shape(argument: str, value: torch.Tensor, shape: tuple[int, ...], hint: str = "") -> torch.Tensor:
    """Return ``value`` if its shape is ``shape``; raise ``ValueError`` otherwise."""
    if tuple(value.shape) != tuple(shape):
        fail(argument, f"shape {tuple(shape)}", f"shape {tuple(value.shape)}", hint)
    return value


def finite(argument: str, value: torch.Tensor, hint: str = "") -> torch.Tensor:
    """Return ``value`` if every entry is finite; raise ``ValueError`` naming the first bad position else."""
    bad = ~torch.isfinite(value)
    if bool(bad.any()):
        where = tuple(int(i) for i in bad.nonzero()[0])
        fail(argument, "finite values", f"{value[where].item()} at index {where}", hint)
    return value
