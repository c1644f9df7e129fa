"""Two snapshots of fields at points of their own, from a user's arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contdepth import checks
from contdepth.pde.fields.grids import as_real

__all__ = ["Snapshots", "points_of", "snapshots_of"]


@dataclass(frozen=True)
class Snapshots:
    """Later points ``x1`` ``(n, dim)`` and values ``u1`` ``(n, fields)``, earlier ``x0`` and ``u0``, and Δt."""

    x0: Tensor
    u0: Tensor
    x1: Tensor
    u1: Tensor
    dt: float

    @property
    def values(self) -> Tensor:
        """Everything measured, in the order of the covariance: later fields one by one, then earlier ones."""
        return torch.cat([self.u1.T.reshape(-1), self.u0.T.reshape(-1)])


def points_of(label: str, x: Any) -> Tensor:
    """Points ``(n, dim)``."""
    array = as_real(label, x)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or not 1 <= array.shape[1] <= 3 or not len(array):
        checks.fail(label, "points (n,) or (n, dim) of up to three axes", f"shape {array.shape}")
    return checks.finite(label, torch.from_numpy(np.ascontiguousarray(array)))


def snapshots_of(x0: Any, u0: Any, x1: Any, u1: Any, dt: float) -> Snapshots:
    """Checked arrays."""
    points, values = {"x0": points_of("x0", x0), "x1": points_of("x1", x1)}, {}
    for key, given in {"u0": u0, "u1": u1}.items():
        array = as_real(key, given)
        array = array[:, None] if array.ndim == 1 else array
        where = points[key.replace("u", "x")]
        if array.ndim != 2 or len(array) != len(where) or array.shape[1] < 1:
            checks.fail(key, f"values (n,) or (n, fields) at {len(where)} points", f"shape {array.shape}")
        values[key] = checks.finite(key, torch.from_numpy(np.ascontiguousarray(array)))
    for key, like in {"x1": points["x0"], "u1": values["u0"]}.items():
        found = (points | values)[key]
        if found.shape[1] != like.shape[1]:
            checks.fail(key, f"{like.shape[1]} columns, as in the earlier snapshot", found.shape[1])
    both = torch.cat([values["u0"], values["u1"]])
    if len(both) < 3 or not bool((both.var(0) > 0).all()):
        checks.fail("u0 and u1", "fields that vary", "one that is the same everywhere")
    step = checks.real("dt", dt, above=0)
    return Snapshots(points["x0"], values["u0"], points["x1"], values["u1"], step)
