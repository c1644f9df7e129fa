"""What becomes of a gradient along the rows, and how near to rest a cell comes at each of them."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor
from torch.autograd.functional import jacobian
from torch.func import jacrev

from contdepth.recurrent import Cell, EquilibriumCell, Recurrence, from_nan
from contdepth.studies.sequences.readers import TorchReader
from contdepth.studies.sequences.equilibrium.settled import equilibrium

__all__ = ["along", "left", "rms", "singular"]


def along(reader: Cell | TorchReader, x: Tensor) -> list[Tensor]:
    """Return ∂h_k/∂h_0 for k = 1 … T of one series ``(T, inputs)`` from the state 0, in float64.

    The state of an LSTM is h and c side by side.
    """
    own, rows = deepcopy(reader).double().requires_grad_(False), x.double()
    if isinstance(own, TorchReader):
        state, steps = rows.new_zeros(1, own.states), [from_nan(row[None, None]) for row in rows]
    else:
        state = own.start(1)
    found, whole = [], torch.eye(state.shape[1], dtype=torch.float64)
    for k, row in enumerate(rows):
        if isinstance(own, TorchReader):
            one = jacobian(lambda h, k=k: own.last_state(steps[k], h[None])[0], state[0])
            state = own.last_state(steps[k], state)
        else:
            one = jacrev(lambda h, row=row: own(row[None], h[None])[0])(state[0])
            state = own(row[None], state)
        whole = one @ whole
        found.append(whole)
    return found


def rms(matrix: Tensor) -> float:
    """Return the root of the mean of the squared singular values: by what a gradient grows on average."""
    return float(torch.linalg.matrix_norm(matrix) / len(matrix) ** 0.5)


def singular(matrix: Tensor) -> tuple[float, float]:
    """Return the largest and the smallest singular value."""
    found = torch.linalg.svdvals(matrix)
    return float(found[0]), float(found[-1])


@torch.no_grad()
def left(cell: EquilibriumCell, x: Tensor, inner: int | None = None) -> np.ndarray:
    """Return what part of the way to rest is left after the inner steps, ``(n, T)``: |g + h - F| / |h - F|.

    Args:
        cell: is carried along the rows.
        x: series ``(n, T, inputs)``, nothing missing.
        inner: looks after so many inner steps of each row, the states being those of all; None: all.
    """
    own, rows = deepcopy(cell).double(), x.double()
    n, length, inputs = rows.shape
    states = Recurrence(own)(from_nan(rows))
    before = torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], dim=1).reshape(n * length, -1)
    flat = rows.reshape(n * length, inputs)
    rest = equilibrium(own, flat)
    part = deepcopy(own)
    part.sizes = torch.nn.Parameter(own.sizes[:inner].clone())
    both = part(flat, before) + before
    way = torch.linalg.vector_norm(before - rest, dim=1)
    return (torch.linalg.vector_norm(both - rest, dim=1) / way).reshape(n, length).numpy()
