"""Checks that turn a user's arrays, times, spacings and names into what ``Trajectories`` holds."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from contdepth import checks

if TYPE_CHECKING:
    from typing import TypeAlias

    Array: TypeAlias = np.ndarray | torch.Tensor
    Times: TypeAlias = Array | Sequence[float]

__all__ = ["as_real", "checked_names", "checked_spacing", "frame_times", "split_axes"]

MOST_FIELDS = 12
ORDER = "axes are (*space, time) or (*space, time, fields)"
TAKEN = ("x", "y", "z", "t")


def checked_spacing(dx: float | Sequence[float] | Array, dim: int | None = None) -> tuple[float, ...]:
    """``dx`` as a tuple of 1 to 3 positive floats; with ``dim``, a number is repeated ``dim`` times."""
    if np.ndim(dx) == 0:
        return (checks.real("dx", dx, above=0),) * (dim or 1)
    checks.one_of("dimensions of dx", np.ndim(dx), (1,), "give one number for each space dimension")
    plain = [v.item() if hasattr(v, "item") else v for v in dx]  # type: ignore[union-attr]
    values = tuple(checks.real(f"dx[{i}]", v, above=0) for i, v in enumerate(plain))
    if not 1 <= len(values) <= 3 or (dim is not None and len(values) != dim):
        checks.fail("dx", "one spacing per space dimension, 1 to 3" if dim is None else f"{dim} spacings", dx)
    return values


def checked_names(names: Sequence[str] | None, fields: int) -> tuple[str, ...]:
    """``names`` as a tuple of ``fields`` distinct identifiers without underscore; u, v, w by default."""
    if names is None:
        return tuple("uvw"[:fields]) if fields <= 3 else tuple(f"u{i}" for i in range(fields))
    names = (names,) if isinstance(names, str) else tuple(names)
    if len(names) != fields:
        checks.fail("names", f"{fields} names, one per field", names)
    for name in names:
        if not isinstance(name, str) or not name.isidentifier() or "_" in name or name in TAKEN:
            checks.fail(
                "names",
                f"identifiers without underscore other than {', '.join(TAKEN)}",
                repr(name),
                "u_x is the name of a derivative",
            )
        if keyword.iskeyword(name):
            checks.fail("names", "identifiers that are not keywords of Python", repr(name))
    if len(set(names)) != fields:
        checks.fail("names", "distinct names", names)
    return names


def as_real(label: str, u: object) -> np.ndarray:
    """``u`` as a float64 array, masked entries as NaN; complex, boolean and other kinds are errors."""
    if isinstance(u, torch.Tensor):
        u = (u.float() if u.dtype == torch.bfloat16 else u).detach().cpu().numpy()
    if not isinstance(u, np.ndarray):
        checks.fail(
            label,
            "a numpy array or torch tensor",
            type(u).__name__,
            "several trajectories are a list of arrays",
            error=TypeError,
        )
    if u.dtype.kind not in "fiu":
        hint = "take .real if the imaginary part is rounding" if u.dtype.kind == "c" else ""
        checks.fail(label, "real numbers", f"dtype {u.dtype}", hint, error=TypeError)
    return np.ma.filled(u.astype(np.float64), np.nan)


def split_axes(label: str, u: np.ndarray, dim: int, t: Times | None, names: Sequence[str] | None) -> np.ndarray:
    """``(*space, time[, fields])`` to ``(time, fields, *space)``; errors name the axis out of place."""
    if u.ndim not in (dim + 1, dim + 2):
        hint = f"{ORDER}; dx has {dim} entries" + "; several trajectories are a list" * (u.ndim > dim + 2)
        expected = f"{dim + 1} or {dim + 2} axes for {dim} space dimensions"
        checks.fail(label, expected, f"shape {u.shape}", hint)
    if u.ndim == dim + 1:
        u = u[..., None]
    fields, frames = u.shape[-1], u.shape[-2]
    if t is not None and np.ndim(t) == 1 and len(t) != frames:
        where = [axis for axis, points in enumerate(u.shape) if points == len(t)]
        checks.fail(
            label,
            f"{len(t)} frames on axis {dim} as in t",
            f"{frames}, shape {u.shape}",
            f"axis {where[0]} has {len(t)} points: {ORDER}" if where else ORDER,
        )
    if names is not None and len(names) != fields:
        where = [axis for axis, points in enumerate(u.shape) if points == len(names)]
        hint = f"axis {where[0]} has {len(names)} points: {ORDER}" if where else ORDER
        checks.fail("names", f"{fields} names, one per field", tuple(names), hint)
    if fields > MOST_FIELDS and names is None:
        checks.fail(
            label,
            f"at most {MOST_FIELDS} fields on the last axis",
            f"{fields}, shape {u.shape}",
            f"{ORDER}; for so many fields give names",
        )
    if frames < 2:
        checks.fail(label, "at least two frames", f"{frames} on axis {dim}, shape {u.shape}", ORDER)
    if 0 in u.shape:
        checks.fail(label, "at least one point on every axis", f"shape {u.shape}")
    return np.moveaxis(u, (-2, -1), (0, 1))


def frame_times(
    lengths: Sequence[int], times: Sequence[object], dt: float | None
) -> tuple[float, list[np.ndarray]]:
    """Time step and, per trajectory, the whole numbers of steps at which its frames stand, from 0."""
    if dt is not None:
        dt = checks.real("dt", dt, above=0)
    if times[0] is None:
        if dt is None:
            checks.fail("dt", "a time step, or the times t of the frames", "neither")
        return dt, [np.arange(length) for length in lengths]
    arrays, roundings = [], []
    for given in times:
        t = as_real("t", given if isinstance(given, torch.Tensor) else np.asarray(given))
        if t.ndim != 1:
            checks.fail("t", "an array (T,)", f"shape {t.shape}")
        if not np.isfinite(t).all():
            place = int(np.flatnonzero(~np.isfinite(t))[0])
            checks.fail("t", "finite times", f"{t[place]} at t[{place}]", "leave out frames without a time")
        precision = _precision(given, t)
        if (np.diff(t) <= 0).any():
            found = f"{t[1:][np.diff(t) <= 0][0]} after a later or equal one"
            coarse = precision > np.finfo(float).eps and not np.diff(t).min() < 0
            hint = "rounding made times equal: subtract the first one in float64, or give dt" if coarse else ""
            checks.fail("t", "increasing times", found, hint)
        arrays.append(t)
        roundings.append(_rounding(t, precision))
    known = dt is not None
    if dt is None:
        changes = [np.diff(t) for t in arrays]
        every = np.concatenate(changes)
        single = every[every < 1.5 * every.min()].mean()  # of the steps that skip no frame
        spans = [(t[-1] - t[0], np.rint(c / single).sum()) for t, c in zip(arrays, changes, strict=True)]
        span, steps = max(spans, key=lambda pair: pair[1])
        dt = float(span / steps)
    positions = []
    for t, rounding in zip(arrays, roundings, strict=True):
        steps = (t - t[0]) / dt
        whole = np.rint(steps).astype(int)
        off = np.abs(steps - whole) > 1e-3 + 1e-6 * np.abs(steps) + min(rounding / dt, 0.25)
        if off.any() or (np.diff(whole) < 1).any():
            at = float(t[off][0]) if off.any() else float(t[1:][np.diff(whole) < 1][0])
            checks.fail(
                "t",
                f"steps that are whole multiples of dt = {dt:.6g}",
                f"time {at:.6g}",
                "leave out dt, or " * known + "interpolate to uniform times first",
            )
        positions.append(whole)
    return dt, positions


def _precision(given: object, t: np.ndarray) -> float:
    """Relative rounding of the floating-point format that the times came in, or of the one that holds them."""
    kind = getattr(given, "dtype", None)
    if isinstance(kind, torch.dtype):
        own = torch.finfo(kind).eps if kind.is_floating_point else 0.0
    else:
        own = float(np.finfo(kind).eps) if kind is not None and np.dtype(kind).kind == "f" else 0.0
    with np.errstate(over="ignore"):
        single = (t.astype(np.float32) == t).all()
    return max(own, float(np.finfo(np.float32 if single else np.float64).eps))


def _rounding(t: np.ndarray, precision: float) -> float:
    """What rounding may have moved a difference of the times ``t`` by: of their format, of decimals written out.

    In floating point that is 16 units at the largest time, as for the grids of two-step schemes. Times that are
    all multiples of 0.1, 0.01, … may be rounded to these, as milliseconds are.
    """
    written = (k for k in range(10) if np.allclose(t * 10.0**k, np.rint(t * 10.0**k), rtol=1e-15, atol=0))
    decimals = next(written, None)
    return max(0.0 if decimals is None else 10.0**-decimals, 16 * precision * float(np.abs(t).max()))
