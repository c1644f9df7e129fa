"""A table of arms, in groups by the distance of their data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from contdepth.studies.common.tables import table
from contdepth.studies.control.contest import Arm

__all__ = ["NAMES", "arms_table"]

NAMES = {
    "exact": "online, exact",
    "euler": "online, Euler's Jacobian",
    "static": "online, static",
    "one call": "online, static, one call",
    "SciPy": "online, static, through SciPy",
    "offline 1": "offline, forward differences",
    "offline 2": "offline, order 2",
    "offline 6": "offline, order 6",
    "offline spline": "offline, quintic spline",
}


def arms_table(caption: str, found: Mapping[float, Mapping[str, Arm]]) -> str:
    """Return the HTML: geometric means over seeds of losses, errors and distances, means of the others."""
    columns = ("training", "unseen loss", "error, 0.1", "error, 1.0", "Lyapunov times", "climate", "exponent")
    groups = {
        f"data in distances of {interval:g}": {NAMES[name]: _row(arm) for name, arm in arms.items()}
        for interval, arms in found.items()
    }
    return table(caption, columns, groups, smallest=(1, 2, 3))


def _row(arm: Arm) -> list[str]:
    loss, near, far, distance = (np.exp(np.log(x).mean()) for x in (arm.loss, arm.near, arm.far, arm.climate))
    return [
        f"{loss:.1e}",
        f"{near:.4f}",
        f"{far:.2f}",
        f"{arm.lyapunov_times.mean():.1f}",
        f"{distance:.2f}",
        f"{arm.exponent.mean():.2f}",
    ]
