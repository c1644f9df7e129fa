"""Eigenvalues of the antisymmetric right-hand side and of its step, the gate's diagonal, reach over rows."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from contdepth import checks
from contdepth.recurrent import AntisymmetricCell, Cell, Recurrence, Series, from_nan
from contdepth.seeds import generator
from contdepth.studies.sequences.classify import Classifier, Maker
from contdepth.studies.sequences.readers import TorchReader

__all__ = ["along", "eigenvalues", "gate_diagonal", "limit", "probes", "reach", "start", "still"]


def start(make: Maker, inputs: int, seed: int) -> Cell | TorchReader:
    """Return the reader with the weights with which ``classify.fit`` begins at this seed."""
    return make(inputs, generator(seed, "sequences/weights"))


def still(cell: AntisymmetricCell, diffusion: float = 0.0) -> AntisymmetricCell:
    """Return a copy in float64 with another γ."""
    found = copy.deepcopy(cell).double()
    found.diffusion = checks.real("diffusion", diffusion, at_least=0)
    return found


def probes(cell: AntisymmetricCell, count: int, seed: int, spread: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return rows ``(count, inputs)`` of N(0, 1) and states ``(count, hidden)`` of N(0, ``spread``²), float64."""
    source = generator(seed, "sequences/probes")
    rows = torch.randn(count, cell.inputs, generator=source, dtype=torch.float64)
    return rows, spread * torch.randn(count, cell.hidden, generator=source, dtype=torch.float64)


@torch.no_grad()
def eigenvalues(cell: AntisymmetricCell, x: Tensor, h: Tensor) -> Tensor:
    """Return the eigenvalues ``(n, hidden)`` of the rate's Jacobian at rows ``x`` and states ``h``."""
    jacobians = vmap(jacrev(lambda state, row: cell.rate(row[None], state[None])[0]))(h, x)
    return torch.linalg.eigvals(jacobians)


@torch.no_grad()
def gate_diagonal(cell: AntisymmetricCell, x: Tensor, h: Tensor) -> Tensor:
    """Return the diagonal D ``(n, hidden)`` of a gated cell's Jacobian D A at rows ``x`` and states ``h``.

    D = σ'(a) tanh(c) + σ(a) tanh'(c), for the gate's argument a and the other one's, c: a sum of which the first
    term may be negative.
    """
    if not cell.gated:
        checks.fail("cell", "a gated cell", "one without a gate")
    turned = h @ cell.matrix().T
    c, a = (turned.repeat(1, 2) + x @ cell.v.T + cell.b).chunk(2, dim=1)
    gate, plain = torch.sigmoid(a), torch.tanh(c)
    return gate * (1 - gate) * plain + gate * (1 - plain**2)


def limit(cell: AntisymmetricCell) -> tuple[float, float]:
    """Return the factor of a step at D = 1 by which it stretches most, and ε (γ² + ω²) / 2γ for the largest ω.

    The first is over 1 where the second is; with γ = 0 the second is infinite.
    """
    with torch.no_grad():
        omega = float(torch.linalg.eigvals(still(cell).matrix()).imag.abs().max())
    eps, gamma = cell.step, cell.diffusion
    factor = math.hypot(1 - eps * gamma, eps * omega)
    return factor, math.inf if gamma == 0 else eps * (gamma**2 + omega**2) / (2 * gamma)


@torch.no_grad()
def along(net: Classifier, series: Series) -> tuple[Tensor, Tensor]:
    """Return rows and the states before them, ``(n T, …)`` each, that a trained cell meets along full series."""
    states = Recurrence(checks.instance("net", net.reader, Cell))(series)
    before = torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], dim=1)
    return series.values.flatten(0, 1), before.flatten(0, 1)


def reach(reader: Cell | TorchReader, series: Series, rows: Sequence[int]) -> Tensor:
    """Return ‖∂s_T/∂s_0‖ in the spectral norm, ``(n, len(rows))``, for each series and each T of ``rows``.

    s is the whole state, of the LSTM h and c together, and s_0 = 0. Each series is copied once for each number of
    the state, so that one backward pass gives a whole Jacobian.
    """
    size = reader.states if isinstance(reader, TorchReader) else reader.hidden
    found = torch.empty(len(series.values), len(rows))
    for i, one in enumerate(series.values):
        for j, count in enumerate(rows):
            copies = from_nan(one[:count].expand(size, -1, -1).contiguous())
            first = one.new_zeros(size, size, requires_grad=True)
            if isinstance(reader, TorchReader):
                end = reader.last_state(copies, first)
            else:
                end = Recurrence(reader)(copies, first)[:, -1]
            jacobian = torch.autograd.grad(end.diagonal().sum(), first)[0]
            found[i, j] = torch.linalg.matrix_norm(jacobian, 2)
    return found
