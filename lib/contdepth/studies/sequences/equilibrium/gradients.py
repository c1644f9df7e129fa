"""What becomes of a gradient along the rows, and how near to rest a cell comes at each of them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor
from torch.autograd.functional import jacobian
from torch.func import jacrev

from contdepth.recurrent import Cell, EquilibriumCell, Recurrence, from_nan
from contdepth.seeds import generator
from contdepth.studies.sequences.equilibrium.settled import equilibrium
from contdepth.studies.sequences.equilibrium.tasks import exchanged
from contdepth.studies.sequences.readers import TorchReader

__all__ = [
    "along",
    "case",
    "curves",
    "ends",
    "fresh",
    "left",
    "moved_by_exchange",
    "noise_rows",
    "off_the_sum",
    "rms",
    "shares",
    "singular",
    "way",
]


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
def shares(cell: EquilibriumCell, x: Tensor) -> np.ndarray:
    """Return what part of the way to rest is left after 0, 1, … K inner steps: |g + h - F| / |h - F|.

    F is where the cell's equation ends from the state before the row; NaN where it does not come to rest.

    Args:
        cell: is carried along the rows.
        x: series ``(n, T, inputs)``, nothing missing.

    Returns:
        ``(K + 1, n, T)``
    """
    own, rows = deepcopy(cell).double(), x.double()
    n, length, inputs = rows.shape
    states = Recurrence(own)(from_nan(rows))
    before = torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], dim=1).reshape(n * length, -1)
    flat = rows.reshape(n * length, inputs)
    rest, g, found = equilibrium(own, flat, before), torch.zeros_like(before), []
    for size in (0.0, *own.sizes.tolist()):
        g = g + size * own.rate(flat, before, g)
        found.append(torch.linalg.vector_norm(g + before - rest, dim=1))
    return (torch.stack(found) / found[0]).reshape(-1, n, length).numpy()


def left(cell: EquilibriumCell, x: Tensor) -> np.ndarray:
    """Return the last of the ``shares``, ``(n, T)``."""
    return shares(cell, x)[-1]


def fresh(inner: int, seed: int, hidden: int = 32, inputs: int = 8) -> EquilibriumCell:
    """Return a cell in float64 as the library draws it, with ``inner`` steps."""
    source = generator(seed, "sequences/fresh")
    return EquilibriumCell(inputs, hidden, inner=inner, generator=source).double().requires_grad_(False)


def noise_rows(seed: int, rows: int, inputs: int = 8) -> Tensor:
    """Return one series of N(0, 1), ``(1, rows, inputs)`` in float64."""
    source = generator(seed, "sequences/fresh rows")
    return torch.randn(1, rows, inputs, generator=source, dtype=torch.float64)


def case(inner: int, seed: int, rows: int) -> tuple[EquilibriumCell, Tensor, int]:
    """Return a ``fresh`` cell, a series of noise and the seed of both."""
    return fresh(inner, seed), noise_rows(seed, rows), seed


@torch.no_grad()
def off_the_sum(seed: int, rows: int, inner: int = 150) -> float:
    """Return by how much the last state after many steps is off Σ (-1)^(T-k) F(x_k), with F by Newton's method."""
    cell, x = fresh(inner, seed), noise_rows(seed, rows)
    signs = (-1.0) ** torch.arange(rows - 1, -1, -1, dtype=torch.float64)
    wanted = (signs[:, None] * equilibrium(cell, x[0])).sum(0)
    return float((Recurrence(cell)(from_nan(x))[0, -1] - wanted).abs().max())


@torch.no_grad()
def moved_by_exchange(cell: EquilibriumCell, x: Tensor, seed: int) -> float:
    """Return by what part the last state of ``x`` ``(1, T, inputs)`` changes when rows of one parity swap."""
    other = exchanged(from_nan(x), generator(seed, "sequences/exchange"))
    first, second = (Recurrence(cell)(one)[0, -1] for one in (from_nan(x), other))
    return float(torch.linalg.vector_norm(first - second) / torch.linalg.vector_norm(first))


def ends(cell: EquilibriumCell, x: Tensor) -> tuple[float, float, float]:
    """Return the largest and smallest singular value of ∂h_T/∂h_0 over ``x`` ``(T, inputs)``, and ``rms``."""
    whole = along(cell, x)[-1]
    return *singular(whole), rms(whole)


def curves(readers: Mapping[str, Cell | TorchReader], rows: int, seed: int) -> dict[str, list[float]]:
    """Return the ``rms`` of ∂h_k/∂h_0 for k = 1 … ``rows`` of each reader, along noise."""
    x = noise_rows(seed, rows)[0]
    return {name: [rms(one) for one in along(reader, x)] for name, reader in readers.items()}


def way(cell: EquilibriumCell, x: Tensor) -> list[float]:
    """Return the mean of the ``shares`` after 0, 1, … inner steps, over the rows that come to rest."""
    return np.nanmean(shares(cell, x), axis=(1, 2)).tolist()
