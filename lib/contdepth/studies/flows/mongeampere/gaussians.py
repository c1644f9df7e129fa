"""The best normal laws of an Ising model's dual field, found without sampling.

Letters: ``N`` = L² sites, A of ``DualIsing``, S the covariance and m the mean at every site, both invariant under
translations; ``s`` the eigenvalues of S by wave numbers. Two such laws at m and -m, half each, are a pair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contdepth.flows import DualIsing

__all__ = ["Normal", "best_normal"]


@dataclass(frozen=True)
class Normal:
    """A law of fields on ``side``² sites: N(m, S), or with ``pair`` the half of N(m, S) and N(-m, S).

    ``gap`` is its variational free energy a site above the exact one.
    """

    side: int
    mean: float
    spectrum: Tensor
    pair: bool
    gap: float

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return fields ``(count, L²)`` and the logarithm of the density there, float64."""
        shape = (count, self.side, self.side)
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        waves = torch.fft.fft2(noise) * self.spectrum.sqrt()
        sign = torch.ones(count, 1, dtype=torch.float64)
        if self.pair:
            sign = 1.0 - 2.0 * torch.randint(2, (count, 1), generator=generator)
        x = torch.fft.ifft2(waves).real.flatten(1) + sign * self.mean
        return x, self.log_density(x)

    def log_density(self, x: Tensor) -> Tensor:
        """Return ln q ``(...)`` of fields ``(..., L²)``."""
        if not self.pair:
            return self._one(x - self.mean)
        both = torch.stack([self._one(x - self.mean), self._one(x + self.mean)])
        return both.logsumexp(0) - math.log(2)

    def _one(self, x: Tensor) -> Tensor:
        sites, side = self.side**2, self.side
        waves = torch.fft.fft2(x.reshape(*x.shape[:-1], side, side)).abs().square()
        quadratic = (waves / (sites * self.spectrum)).sum((-1, -2))
        return -0.5 * (quadratic + self.spectrum.log().sum() + sites * math.log(2 * math.pi))


def best_normal(model: DualIsing, *, mean: bool = True, pair: bool = False, full: bool = True) -> Normal:
    """Return the normal law of least free energy E[ln q + E], by L-BFGS in float64.

    All expectations are in closed form or of functions of one normal number, by Gauss and Hermite's rule with 60
    points. For a pair ln q has ln cosh of m·S⁻¹x, which is normal with mean and variance κ = N m²/s₀.

    Args:
        model: the energy.
        mean: whether m may differ from 0.
        pair: take the laws at m and -m, half each; needs ``mean``.
        full: any S that translations leave alone; else a multiple of the identity, the mean field.
    """
    values, sites = model.spectrum(), model.sites
    points, weights = (torch.tensor(part) for part in np.polynomial.hermite_e.hermegauss(60))
    weights = weights / math.sqrt(2 * math.pi)

    def log_cosh(middle: Tensor, spread: Tensor) -> Tensor:
        at = middle + spread * points
        return ((torch.logaddexp(at, -at) - math.log(2)) * weights).sum()

    start = values.log() if full else -(1 / values).mean().log().reshape(1)
    size = start.clone().requires_grad_()
    m = torch.tensor(3.0 if mean else 0.0, dtype=torch.float64, requires_grad=mean)

    def free_energy() -> Tensor:
        s = size.exp().expand_as(values)
        energy = 0.5 * (s / values).sum() + 0.5 * sites * m.square() / values[0, 0]
        energy = energy - sites * log_cosh(m, s.mean().sqrt())
        entropy = 0.5 * (s.log().sum() + sites * (math.log(2 * math.pi) + 1))
        if pair:
            k = sites * m.square() / s[0, 0]
            entropy = entropy + k - log_cosh(k, k.sqrt())
        return (energy - entropy) / sites

    held = [size, m] if mean else [size]
    optimiser = torch.optim.LBFGS(
        held, max_iter=500, tolerance_grad=1e-10, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = free_energy()
        value.backward()
        return value

    optimiser.step(closure)
    with torch.no_grad():
        gap = float(free_energy()) - model.free_energy()
        return Normal(model.side, float(m), size.exp().expand_as(values).clone(), pair, gap)
