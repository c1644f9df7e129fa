"""Series with missing numbers, irregular times and unequal lengths: the one form that this room takes.

Letters: ``n`` series, ``T`` rows each, ``d`` numbers a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks, devices

__all__ = ["Series", "from_nan", "padded"]


@dataclass(frozen=True)
class Series:
    """``n`` series of ``T`` rows of ``d`` numbers, with their times, and which numbers were observed.

    A missing number has ``mask`` False, and ``values`` holds 0 there, whatever was given (a NaN too). Series of
    unequal length are padded by rows in which all is missing, at the time of the last row: no time passes there.
    No mark tells padding from a row that is wholly missing at the end: both change nothing.

    Args:
        values: ``(n, T, d)``, float32 or float64; finite where observed.
        times: ``(n, T)`` of the same dtype, in any one unit, finite; in each series they never decrease.
        mask: what was observed, bool ``(n, T, d)``, or ``(n, T)`` for whole rows.

    Raises:
        TypeError, ValueError: a tensor of another type, shape or device, an empty one, times that decrease, an
            observed number that is not finite.
    """

    values: Tensor
    times: Tensor
    mask: Tensor

    def __post_init__(self) -> None:
        values, mask = _checked(self.values, self.times, self.mask)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "mask", mask)

    @property
    def seen(self) -> Tensor:
        """Whether a row holds an observed number, bool ``(n, T)``."""
        return self.mask.any(-1)

    @property
    def lengths(self) -> Tensor:
        """Rows up to the last one that holds an observed number, whole numbers ``(n,)``; 0 where none does."""
        rows = torch.arange(1, self.mask.shape[1] + 1, device=self.mask.device)
        return torch.where(self.seen, rows, 0).amax(-1)

    def with_nan(self) -> Tensor:
        """Return the values ``(n, T, d)`` with NaN where a number is missing: the inverse of ``from_nan``."""
        return self.values.masked_fill(~self.mask, torch.nan)

    def separate(self) -> list[tuple[Tensor, Tensor]]:
        """Return each series' rows ``(length, d)``, NaN where missing, and times: the inverse of ``padded``."""
        ends, values = self.lengths.tolist(), self.with_nan()
        return [(values[i, :end], self.times[i, :end]) for i, end in enumerate(ends)]


def from_nan(values: Tensor, times: Tensor | None = None) -> Series:
    """Return the series in which NaN marks a missing number.

    Args:
        values: ``(n, T, d)``, float32 or float64, NaN where missing, else finite.
        times: ``(n, T)`` as in ``Series``; None: 0, 1, 2, …

    Raises:
        TypeError, ValueError: as ``Series``.
    """
    checks.reals("values", values, ndim=3, hint="series, rows, numbers")
    if times is None:
        times = torch.arange(values.shape[1], dtype=values.dtype, device=values.device).expand(values.shape[:2])
    return Series(values, times, ~values.isnan())


def padded(values: Sequence[Tensor], times: Sequence[Tensor] | None = None) -> Series:
    """Return series of unequal lengths as one, with rows at the end in which all is missing.

    Args:
        values: tensors ``(T_i, d)`` of one dtype and device with T_i >= 1, NaN where a number is missing.
        times: for each its times ``(T_i,)``; None: 0, 1, 2, … Padding repeats the last one.

    Raises:
        TypeError, ValueError: as ``Series``; not as many ``times`` as ``values``, other numbers in a row.
    """
    rows = [
        checks.reals("values", one, ndim=2) for one in checks.several("values", values, "give a list of tensors")
    ]
    if not rows or any(one.shape[0] == 0 for one in rows):
        checks.fail("values", "at least one series, each with a row", [tuple(one.shape) for one in rows])
    like = rows[0]
    for one in rows:
        checks.same_shape("values", checks.reals("values", one, like=like), (len(one), like.shape[1]))
        devices.common(first=like, values=one)
    if times is None:
        moments = [torch.arange(len(one), dtype=like.dtype, device=like.device) for one in rows]
    else:
        moments = list(checks.several("times", times, "give a list of tensors"))
    if len(moments) != len(rows):
        checks.fail("times", f"{len(rows)} tensors, one for each series", len(moments))
    for one, own in zip(rows, moments, strict=True):
        checks.same_shape("times", checks.reals("times", own, like=like), (len(one),))
        devices.common(values=like, times=own)
    longest = max(map(len, rows))
    checks.affordable("values", len(rows), longest, like.shape[1])
    fill = [one.new_full((longest - len(one), one.shape[1]), torch.nan) for one in rows]
    late = [own[-1].expand(longest - len(own)) for own in moments]
    return from_nan(
        torch.stack([torch.cat(pair) for pair in zip(rows, fill, strict=True)]),
        torch.stack([torch.cat(pair) for pair in zip(moments, late, strict=True)]),
    )


def _checked(values: Tensor, times: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the values, 0 where missing, and the mask ``(n, T, d)``; raise if the three do not fit."""
    checks.reals("values", values, ndim=3, hint="series, rows, numbers")
    if 0 in values.shape:
        checks.fail("values", "at least one series, one row and one number", f"shape {tuple(values.shape)}")
    checks.same_shape("times", checks.reals("times", times, like=values), tuple(values.shape[:2]))
    if checks.tensor("mask", mask).dtype != torch.bool:
        hint = "True where a number was observed"
        checks.fail("mask", "a tensor of bool", f"dtype {mask.dtype}", hint, error=TypeError)
    if mask.ndim == 2:
        checks.same_shape("mask", mask, tuple(values.shape[:2]))
        mask = mask[..., None].expand(values.shape)
    checks.same_shape("mask", mask, tuple(values.shape), "or one for each row")
    devices.common(values=values, times=times, mask=mask)
    checks.finite("times", times)
    back = (times.diff(dim=1) < 0).nonzero()
    if len(back):
        i, k = back[0].tolist()
        found = f"{times[i, k].item()} before {times[i, k + 1].item()} in series {i}"
        checks.fail("times", "times that never decrease", found, "sort the rows")
    values = torch.where(mask, values, 0)
    checks.finite("values", values, "set mask to False where a number is missing")
    return values, mask
