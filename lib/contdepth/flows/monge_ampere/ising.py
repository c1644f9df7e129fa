"""The Ising model on a periodic square lattice as a law of real fields, with its free energy.

Z_s = Σ exp(½ sᵀK s) over spins ±1, K_ij = 1/T for the four neighbours. With A = K + αI positive definite, the
Hubbard-Stratonovich transform gives ∫ exp(-E(x)) dx = Z_s e^{αN/2} (2π)^{N/2} |A|^{1/2} 2^{-N} for the energy
E(x) = ½ xᵀA⁻¹x - Σ ln cosh x_i of N = L² real numbers (Li & Wang 2018; Zhang, E & Wang 2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contdepth import checks, devices

__all__ = ["CRITICAL_TEMPERATURE", "DualIsing", "ising_log_partition"]

CRITICAL_TEMPERATURE = 2 / math.log(1 + math.sqrt(2))
"""That of the infinite lattice, in units of the coupling (Onsager 1944)."""


def ising_log_partition(side: int, temperature: float = CRITICAL_TEMPERATURE) -> float:
    """Return ln Z_s of ``side``² spins on a periodic square lattice, 3 sides at least; ``temperature`` in J/k.

    By the transfer matrix of rows up to side 8, by Kaufman's product (1949) beyond.
    """
    checks.integer("side", side, at_least=3, at_most=1000)
    coupling = 1 / checks.real("temperature", temperature, at_least=0.01, at_most=1e6)
    return _by_rows(side, coupling) if side <= 8 else _by_product(side, coupling)


def _by_rows(side: int, coupling: float) -> float:
    """ln tr V^side; V is symmetric, half of the couplings within its two rows in each factor."""
    rows = 1 - 2 * ((np.arange(2**side)[:, None] >> np.arange(side)) & 1)
    within = coupling * (rows * np.roll(rows, 1, axis=1)).sum(1)
    exponents = coupling * rows @ rows.T + (within[:, None] + within) / 2
    top = exponents.max()
    values = np.linalg.eigvalsh(np.exp(exponents - top))
    return side * (top + math.log(values[-1])) + math.log(((values / values[-1]) ** side).sum())


def _by_product(side: int, coupling: float) -> float:
    """Kaufman 1949: Z = ½ (2 sinh 2K)^{N/2} Σ of four products over γ_l, of which γ_0 may be negative."""
    k = 2 * coupling
    turned = np.cosh(k) / np.tanh(k) - np.cos(np.pi * np.arange(2 * side) / side) if k < 300 else None
    if turned is None:
        gamma = np.full(2 * side, k)  # 1 - cos is nothing beside e^300
    else:
        gamma = np.arccosh(np.maximum(turned, 1.0))
    gamma[0] = k + math.log(math.tanh(coupling))
    half = side * gamma / 2
    size = np.abs(half)
    cosh = size + np.log1p(np.exp(-2 * size))
    with np.errstate(divide="ignore"):
        sinh = size + np.log(-np.expm1(-2 * size))
    terms = [cosh[1::2].sum(), sinh[1::2].sum(), cosh[::2].sum(), sinh[::2].sum()]
    signs, top = (1.0, 1.0, 1.0, math.copysign(1.0, half[0])), max(terms)
    total = sum(sign * math.exp(term - top) for sign, term in zip(signs, terms, strict=True))
    log_2_sinh = k + math.log(-math.expm1(-2 * k))
    return side * side / 2 * log_2_sinh + top + math.log(total / 2)


@dataclass(frozen=True)
class DualIsing:
    """The energy of the dual field of ``side``² spins, and what its integral is.

    Args:
        side: L, 3 at least.
        temperature: T in J/k.
        margin: the smallest eigenvalue of A, which fixes α; 0.1 in the authors' code.
    """

    side: int
    temperature: float = CRITICAL_TEMPERATURE
    margin: float = 0.1

    def __post_init__(self) -> None:
        checks.integer("side", self.side, at_least=3, at_most=1000)
        checks.real("temperature", self.temperature, at_least=0.01, at_most=1e6)
        checks.real("margin", self.margin, at_least=1e-6, at_most=1e6)

    @property
    def sites(self) -> int:
        """N = L²."""
        return self.side**2

    def _eigenvalues(self) -> tuple[Tensor, float]:
        """Return the eigenvalues of A by wave numbers ``(L, L)``, float64, and α."""
        wave = torch.cos(2 * math.pi * torch.arange(self.side, dtype=torch.float64) / self.side)
        values = 2 * (wave[:, None] + wave) / self.temperature
        shift = self.margin - float(values.min())
        return values + shift, shift

    def spectrum(self, *, device: str | torch.device = "cpu") -> Tensor:
        """Return the eigenvalues of A by wave numbers ``(L, L)``, float64: the variances of x for given spins."""
        return self._eigenvalues()[0].to(devices.named("device", device))

    def energy(self, x: Tensor) -> Tensor:
        """Return E ``(...)`` of fields ``(..., L²)``, sites by rows."""
        checks.reals("x", x)
        if x.ndim < 1 or x.shape[-1] != self.sites:
            checks.fail("x", f"fields (..., {self.sites})", f"shape {tuple(x.shape)}")
        waves = torch.fft.fft2(x.reshape(*x.shape[:-1], self.side, self.side))
        power = waves.real.square() + waves.imag.square()
        quadratic = (power / (self.sites * self._eigenvalues()[0].to(x))).sum((-1, -2))
        return quadratic / 2 - (torch.logaddexp(x, -x) - math.log(2)).sum(-1)

    def free_energy(self) -> float:
        """Return -ln ∫ exp(-E) dx for each site: the least that E[ln q + E] / N can be for a density q."""
        values, shift = self._eigenvalues()
        spins = ising_log_partition(self.side, self.temperature) / self.sites
        return math.log(2) - spins - (shift + math.log(2 * math.pi) + float(values.log().mean())) / 2
