"""States and their rates from a user's arrays: differences, or slopes of polynomials on windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.signal import savgol_filter
from torch import Tensor

from contdepth import checks
from contdepth.pde.fields.grids import as_real

if TYPE_CHECKING:
    from contdepth.pde.fields.grids import Array, Times

__all__ = ["rates_of"]


def rates_of(
    x: Array | Sequence[Array],
    t: float | Times | Sequence[Times] | None,
    rates: Array | Sequence[Array] | None,
    window: int | None,
) -> tuple[Tensor, Tensor]:
    """Return states and rates ``(n, d)`` of all trajectories, float64; arguments as for ``SINDy.fit``.

    Raises:
        TypeError, ValueError: arrays are not as described there, too short for differences or the window; a window
            and times that are not equally far apart.
    """
    many = isinstance(x, list | tuple)
    paths: list[Any] = list(x) if isinstance(x, list | tuple) else [x]
    given: list[Any] = _each("rates", rates, len(paths), many)
    alike = t is None or np.ndim(t) == 0  # type: ignore[arg-type]
    times: list[Any] = [t] * len(paths) if alike else _each("t", t, len(paths), many)
    if not paths:
        checks.fail("x", "at least one trajectory", "an empty list")
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for k, (path, clock, rate) in enumerate(zip(paths, times, given, strict=True)):
        label = f"x[{k}]" if many else "x"
        states = _finite(label, path)
        if parts and states.shape[1] != parts[0][0].shape[1]:
            checks.fail(label, f"{parts[0][0].shape[1]} states, as in x[0]", f"shape {states.shape}")
        if rate is None:
            parts.append(_differentiated(label, states, clock, window))
            continue
        slopes = _finite("rates", rate)
        if slopes.shape != states.shape:
            checks.fail("rates", f"shape {states.shape}, as {label}", f"shape {slopes.shape}")
        parts.append((states, slopes))
    joined = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    first, second = (torch.from_numpy(np.ascontiguousarray(one)) for one in joined)
    return first, second


def _each(label: str, value: Any, count: int, many: bool) -> list[Any]:
    """One entry of ``value`` for each trajectory."""
    if value is None or not many:
        return [value] * count
    if not isinstance(value, list | tuple) or len(value) != count:
        found = f"{len(value)}" if isinstance(value, list | tuple) else type(value).__name__
        checks.fail(label, f"a list of {count}, one for each trajectory", found)
    return list(value)


def _finite(label: str, x: Any) -> np.ndarray:
    """An array ``(n, d)`` without NaN."""
    array = as_real(label, x)
    if array.ndim != 2 or 0 in array.shape:
        checks.fail(label, "an array (samples, states)", f"shape {array.shape}")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(1))[0])
        hint = "a gap ends a trajectory: give the pieces as a list"
        checks.fail(label, "finite states", f"NaN or inf in sample {row}", hint)
    return array


def _differentiated(label: str, x: np.ndarray, t: Any, window: int | None) -> tuple[np.ndarray, np.ndarray]:
    """States and rates of one trajectory, with a window both of the fitted cubics."""
    if t is None:
        checks.fail("t", "a time step or the times, to find rates with", "none", "or give rates")
    if len(x) < (window or 3):
        checks.fail(label, f"at least {window or 3} samples", len(x))
    if np.ndim(t) == 0:
        step = checks.real("t", t.item() if hasattr(t, "item") else t, above=0)
        spacing: Any = step
    else:
        clock = as_real("t", t if isinstance(t, Tensor) else np.asarray(t))
        if clock.shape != x.shape[:1]:
            checks.fail("t", f"{len(x)} times, one for each sample", f"shape {clock.shape}")
        if not np.isfinite(clock).all() or (np.diff(clock) <= 0).any():
            checks.fail("t", "finite, increasing times", "others")
        spacing, step = clock, float(np.diff(clock).mean())
        if window is not None and np.abs(np.diff(clock) - step).max() > 1e-6 * step:
            checks.fail("t", "equal steps, which a window asks for", "unequal ones", "take window=None")
    if window is None:
        return x, np.gradient(x, spacing, axis=0, edge_order=2)
    smooth = savgol_filter(x, window, 3, axis=0)
    return smooth, savgol_filter(x, window, 3, deriv=1, delta=step, axis=0)
