"""How far a net on a grid is from itself on a finer one, and with which order that falls."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from contdepth.pde import FourierNeuralOperator, relative_error
from contdepth.pde.simulate import gaussian_field
from contdepth.studies.equations.fno.tasks import at

__all__ = ["gaps", "order", "probes"]


def probes(n: int, fine: int, seed: int, *, waves: int | None = None) -> Tensor:
    """Return ``n`` of the paper's random functions (n, 1, fine), all their waves or those up to ``waves``."""
    return gaussian_field(n, fine, frequency=(fine - 1) // 2 if waves is None else waves, seed=seed)


def gaps(net: FourierNeuralOperator, a: Tensor, grids: Sequence[int]) -> np.ndarray:
    """Return the mean relative distance (grids,) of ``net`` on each grid to ``net`` on twice the points.

    Both see ``a`` (n, 1, points), are compared at the points of the coarse grid, and are computed in float64.
    """
    exact = copy.deepcopy(net).double()
    found = {n: exact.predict(at(n, a)[0]) for n in sorted({*grids, *(2 * n for n in grids)})}
    return np.array([relative_error(found[n], at(n, found[2 * n])[0]).mean().item() for n in grids])


def order(grids: Sequence[int], found: np.ndarray) -> float:
    """Return p of the straight line through log ``found`` ~ n^(-p)."""
    return float(-np.polyfit(np.log(grids), np.log(found), 1)[0])
