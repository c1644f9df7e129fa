"""Is a field periodic on its grid? A look at the ends of every axis."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth.errors import EquationWarning
from contdepth.pde.doors import warn

__all__ = ["open_axes", "warn_unless_periodic"]

SHARPEST = 40.0
"""A seam counts as a break if its squared fourth differences are that many times those anywhere else.

Solutions with fronts stay below 20, even in single frames, and so does noise on 16 points and more.
"""

FEWEST = 16
"""Points of an axis that is looked at."""


def open_axes(values: Tensor) -> dict[int, str]:
    """Space axes of ``values`` (M, F, *space) along which fields do not go on from the last point to the first.

    Fourth differences across the seam are compared with those elsewhere on the axis, in the mean over frames,
    other axes and fields: noise and fronts raise both, a seam that does not fit only the first.

    Returns:
        dict: axis, 0 for the first of the space axes → "end point" if the fields are periodic without the last
            point, which is the first one counted again, else "field". An axis with fewer than 16 points is not
            looked at.
    """
    found = {}
    for axis in range(values.ndim - 2):
        if values.shape[2 + axis] < FEWEST:
            continue
        lines = values.movedim(2 + axis, -1)
        size = lines.abs().amax()
        if not (size > 0 and bool(size.isfinite())):
            continue
        lines = lines / size
        seam, elsewhere = _roughness(lines)
        alone, _ = _roughness(lines[..., :-1])
        equal = bool((lines[..., 0] - lines[..., -1]).abs().max() <= 1e-12)
        twice = SHARPEST * alone <= seam
        if seam > SHARPEST * elsewhere or (equal and twice and seam > 1e-24):
            found[axis] = "end point" if twice or alone <= SHARPEST * elsewhere else "field"
    return found


def _roughness(lines: Tensor) -> tuple[float, float]:
    """Largest mean squared fourth difference (across the seam, elsewhere) of ``lines`` (M, F, …, points)."""
    wide = torch.cat([lines[..., -2:], lines, lines[..., :2]], -1)
    squares = wide.diff(n=4, dim=-1).square().transpose(0, 1).flatten(1, -2).mean(1)
    size = lines.square().transpose(0, 1).flatten(1).mean(1).clamp_min(1e-300)
    rough = (squares / size[:, None]).amax(0)
    return float(rough[[0, 1, -2, -1]].max()), float(rough[2:-2].max()) + 1e-26


def warn_unless_periodic(label: str, values: Tensor) -> None:
    """Warn where ``values`` (M, F, *space), treated as periodic, are not; see ``open_axes``."""
    for axis, cause in open_axes(values).items():
        if cause == "end point":
            found = f"the first point of axis {axis} again as its last"
            hint = "leave that out, as np.linspace(…, endpoint=False) does, or pass boundary='replicate'"
        else:
            found = f"a jump or kink from the last point of axis {axis} to the first"
            hint = (
                "pass boundary='replicate', with derivatives=4 where they are spectral; if that axis is time, "
                "exchange them: axes are (*space, time)"
            )
        warn(label, "fields that are periodic on the grid", found, hint, category=EquationWarning)
