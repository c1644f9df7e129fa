"""What the spins of an Ising model do exactly, and what fields tell about spins.

Given a field x the spins are independent, s_i = ±1 with mean tanh x_i.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from contdepth.flows import CRITICAL_TEMPERATURE, DualIsing, ising_log_partition

__all__ = ["draw_spins", "energy_of_fields", "exact_energy", "magnetisation_law", "magnetisations"]


def exact_energy(side: int, temperature: float = CRITICAL_TEMPERATURE) -> float:
    """Energy a site in units of J, -d ln Z / d(1/T) / N by a central difference."""
    coupling, h = 1 / temperature, 1e-4
    ends = [ising_log_partition(side, 1 / (coupling + sign * h)) for sign in (1, -1)]
    return -(ends[0] - ends[1]) / (2 * h * side**2)


def magnetisation_law(side: int, temperature: float = CRITICAL_TEMPERATURE) -> tuple[np.ndarray, np.ndarray]:
    """The values -N, -N + 2 … N of Σ s and their probabilities, by the transfer matrix of rows.

    A row of magnetisation μ has the factor z^{(L + μ)/2}; tr of the product at the N + 1 roots of unity z is the
    Fourier transform of the law.
    """
    sites = side**2
    rows = 1 - 2 * ((np.arange(2**side)[:, None] >> np.arange(side)) & 1)
    within = (rows * np.roll(rows, 1, axis=1)).sum(1)
    exponents = (rows @ rows.T + (within[:, None] + within) / 2) / temperature
    transfer = np.exp(exponents - exponents.max())
    transfer /= np.linalg.eigvalsh(transfer)[-1]
    up = (side + rows.sum(1)) // 2
    traces = np.empty(sites + 1, dtype=complex)
    for k in range(sites + 1):
        turned = transfer * np.exp(-2j * np.pi * k * up / (sites + 1))
        traces[k] = np.trace(np.linalg.matrix_power(turned, side))
    found = np.fft.ifft(traces).real
    return 2 * np.arange(sites + 1) - sites, found / found.sum()


def energy_of_fields(model: DualIsing, x: Tensor) -> Tensor:
    """Expected energy a site in units of J of the spins of fields ``(..., L²)``, ``(...)``."""
    mean = torch.tanh(x).reshape(*x.shape[:-1], model.side, model.side)
    bonds = mean * (mean.roll(1, -1) + mean.roll(1, -2))
    return -bonds.sum((-1, -2)) / model.sites


def draw_spins(x: Tensor, generator: torch.Generator) -> Tensor:
    """Spins ±1 drawn for fields ``(..., L²)``."""
    chance = torch.rand(x.shape, generator=generator, dtype=x.dtype)
    return torch.where(chance < torch.sigmoid(2 * x), 1.0, -1.0).to(x.dtype)


def magnetisations(spins: Tensor, weights: Tensor) -> np.ndarray:
    """Shares of Σ s = -N, -N + 2 … N among spins ``(n, N)`` with ``weights`` ``(n,)`` that sum to one."""
    sites = spins.shape[-1]
    place = ((spins.sum(-1) + sites) / 2).round().long()
    return torch.bincount(place, weights.double(), sites + 1).numpy()
