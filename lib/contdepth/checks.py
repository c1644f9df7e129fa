"""The one place for input errors: which argument, what was expected, what was found, what to do."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from numbers import Integral, Real
from typing import NoReturn, TypeVar

import torch

__all__ = [
    "affordable",
    "device",
    "fail",
    "finite",
    "floating",
    "indices",
    "instance",
    "integer",
    "numbers",
    "one_of",
    "real",
    "reals",
    "same_shape",
    "several",
    "tensor",
]

Choice = TypeVar("Choice")
Kind = TypeVar("Kind")
MOST = 2**28


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
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{argument}: expected a finite number, found one beyond 1e308") from None
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


def several(argument: str, values: Iterable[Choice], hint: str) -> tuple[Choice, ...]:
    """Return ``values`` as a tuple, its entries the caller's to check; raise ``TypeError`` for a single one."""
    single = (
        isinstance(values, (str, bytes)) or not isinstance(values, Iterable) or getattr(values, "ndim", 1) == 0
    )
    if single:
        fail(argument, "a sequence", f"{values!r} ({type(values).__name__})", hint, error=TypeError)
    return tuple(values)


def one_of(argument: str, value: Choice, options: Collection[object], hint: str = "") -> Choice:
    """Return ``value`` if it is among ``options``; raise ``ValueError`` listing them otherwise."""
    if isinstance(value, torch.Tensor):
        raise TypeError(f"{argument}: expected one of {list(options)!r}, found a tensor")
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
    """Return ``value`` if it is a tensor of ``shape``; raise ``TypeError`` or ``ValueError`` otherwise."""
    tensor(argument, value, hint=hint)
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


def instance(argument: str, value: object, kind: type[Kind], hint: str = "") -> Kind:
    """Return ``value`` if it is a ``kind``; raise ``TypeError`` otherwise."""
    if not isinstance(value, kind):
        end = f"; {hint}" if hint else ""
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        raise TypeError(f"{argument}: expected {article} {kind.__name__}, found {type(value).__name__}{end}")
    return value


def reals(
    argument: str, value: object, *, ndim: int | None = None, like: torch.Tensor | None = None, hint: str = ""
) -> torch.Tensor:
    """Return ``value`` if it is a real tensor of float32 or float64, of the dtype of ``like`` where that is given.

    Raises ``TypeError`` for another type or dtype, ``ValueError`` for another number of dimensions.
    """
    found = floating(argument, value, ndim=ndim, hint=hint)
    wanted = (torch.float32, torch.float64) if like is None else (like.dtype,)
    if found.dtype not in wanted:
        end = "call .double() or .float()" if like is None else f"convert it with .to({like.dtype})"
        names = " or ".join(map(str, wanted))
        raise TypeError(f"{argument}: expected dtype {names}, found {found.dtype}; {hint or end}")
    return found


def numbers(
    argument: str, value: object, expected: str = "numbers", *, dtype: torch.dtype | None = None
) -> torch.Tensor:
    """Return ``value`` as a tensor (of ``dtype``); raise ``TypeError`` if it holds none, or complex ones."""
    try:
        found = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise TypeError(f"{argument}: expected {expected}, found {type(value).__name__}") from None
    if dtype is not None and found.is_complex() and not dtype.is_complex:
        raise TypeError(f"{argument}: expected {expected}, found dtype {found.dtype}")
    return found if dtype is None else torch.as_tensor(value, dtype=dtype)


def indices(argument: str, value: object, count: int) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless ``value`` holds whole numbers (n,) from 0 to ``count`` - 1."""
    found = numbers(argument, value, "whole numbers")
    whole = not (found.is_floating_point() or found.is_complex() or found.dtype == torch.bool)
    if found.ndim != 1 or not (whole or len(found) == 0):
        raise TypeError(
            f"{argument}: expected whole numbers (n,), found {found.dtype} of shape {tuple(found.shape)}"
        )
    if len(found) and not bool(((found >= 0) & (found < count)).all()):
        fail(argument, f"numbers 0 … {count - 1}", found.tolist())


def affordable(argument: str, *sizes: int, hint: str = "take less") -> None:
    """Raise ``ValueError`` if an array of ``sizes`` would hold more than 2**28 numbers, 2 GiB in float64."""
    if math.prod(map(int, sizes)) > MOST:
        raise ValueError(
            f"{argument}: expected an array of at most 2**28 numbers, found {' x '.join(map(str, sizes))}; {hint}"
        )


def device(argument: str, value: object) -> torch.device:
    """Return ``value`` as a device; raise ``TypeError`` or ``ValueError`` if it names none."""
    if not isinstance(value, (str, torch.device)):
        raise TypeError(f"{argument}: expected a device such as 'cpu', found {type(value).__name__}")
    try:
        return torch.device(value)
    except RuntimeError:
        raise ValueError(f"{argument}: expected a device such as 'cpu' or 'cuda', found {value!r}") from None
