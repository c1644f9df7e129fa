"""Influence functions: what a stage of reaction diffusion does with the response of a filter."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from contdepth import checks

__all__ = ["GaussianInfluence", "fitted_weights", "perona_malik_influence"]

BASES, SPACING = 63, 10 / 255
"""The radial basis: 63 Gaussians, 10 grey levels apart and as wide, for pictures in [0, 1]."""


class GaussianInfluence(nn.Module):
    """φ_i(z) = Σ_j w_ij exp(−(z − μ_j)²/2γ²), a function for each of ``count`` filters.

    Chen, Yu & Pock 2015 take 63 of them; centres μ_j from −310 to 310 grey levels and γ = 10 grey levels are
    quoted from memory. The sum over 63 terms is read from a table with ``refine`` places a centre, linear between
    them, which errs by at most :meth:`bound` times the sum of |w_ij|. Beyond the outermost centres the table stays
    at its end, where the sum goes to zero; pictures in [0, 1] get there only by filters of nearly one sign.

    Args:
        weights: w ``(count, 63)``.
        refine: places of the table a centre; 0 evaluates the sum itself.

    Raises:
        TypeError, ValueError: ``weights`` has another shape; ``refine`` is negative or no integer.
    """

    centres: Tensor
    grid: Tensor

    def __init__(self, weights: Tensor, *, refine: int = 8) -> None:
        super().__init__()
        checks.floating("weights", weights)
        checks.integer("refine", refine, at_least=0)
        if weights.ndim != 2 or weights.shape[1] != BASES:
            checks.fail("weights", f"a tensor of shape (count, {BASES})", f"shape {tuple(weights.shape)}")
        self.weights = nn.Parameter(weights.clone())
        self.refine = refine
        self.register_buffer("centres", centres(weights))
        places = (BASES - 1) * refine + 1
        self.register_buffer("grid", torch.linspace(-1, 1, places).to(weights) * ((BASES - 1) / 2 * SPACING))

    def forward(self, z: Tensor) -> Tensor:
        """φ_i(z) for responses z ``(n, count, …)``, of the same shape."""
        return self.exact(z) if self.refine == 0 else self.read(z)

    def exact(self, z: Tensor) -> Tensor:
        """The sum itself, 63 times the memory of ``z``."""
        bumps = torch.exp(-0.5 * ((z.unsqueeze(-1) - self.centres) / SPACING) ** 2)
        return torch.einsum("nc...j,cj->nc...", bumps, self.weights)

    def read(self, z: Tensor) -> Tensor:
        """The table's value, linear between its places."""
        table = self.weights @ torch.exp(-0.5 * ((self.grid - self.centres[:, None]) / SPACING) ** 2)
        last = table.shape[1] - 1
        place = ((z - self.grid[0]) * (self.refine / SPACING)).clamp(0, last)
        left = place.detach().floor().clamp(max=last - 1)
        row = torch.arange(z.shape[1], device=z.device).view(-1, *[1] * (z.ndim - 2)) * (last + 1)
        index, flat = row + left.long(), table.flatten()
        below = flat[index]
        return below + (place - left) * (flat[index + 1] - below)

    def bound(self) -> float:
        """Of how much |φ_i(z)| may differ between table and sum within the centres, for weights that sum to one.

        A linear interpolation errs by h²/8 of the second derivative, and that of a bump is at most 1/γ².
        """
        return 0.0 if self.refine == 0 else 1 / (8 * self.refine**2)


def centres(like: Tensor) -> Tensor:
    """μ_j ``(63,)`` in the type and on the device of ``like``."""
    return (torch.arange(BASES, device=like.device) - BASES // 2).to(like) * SPACING


def fitted_weights(function: Callable[[Tensor], Tensor], *, places: int = 1241) -> tuple[Tensor, float]:
    """Weights ``(63,)`` of the least-squares fit to ``function`` between the centres, and its largest error.

    In float64; a function that varies within ten grey levels is out of the basis' reach, and the error says so.

    Raises:
        TypeError, ValueError: ``places`` is below 63 or no integer; ``function`` returns another shape.
    """
    checks.integer("places", places, at_least=BASES)
    mu = centres(torch.zeros((), dtype=torch.float64))
    z = torch.linspace(float(mu[0]), float(mu[-1]), places, dtype=torch.float64)
    values = function(z)
    if values.shape != z.shape:
        checks.fail("function", f"values of shape {tuple(z.shape)}", f"shape {tuple(values.shape)}")
    bumps = torch.exp(-0.5 * ((z[:, None] - mu) / SPACING) ** 2)
    weights = torch.linalg.lstsq(bumps, values[:, None], driver="gelsd").solution[:, 0]
    return weights, float((bumps @ weights - values).abs().max())


def perona_malik_influence(contrast: float, rate: float) -> Callable[[Tensor], Tensor]:
    """φ(z) = τ z exp(−z²/K²): the flux of Perona & Malik 1990 for a difference z, for K ``contrast``, τ ``rate``.

    For a filter of unit norm, which is a difference divided by √2, it is φ(z) = τ √2 (√2 z) exp(−2 z²/K²), so that
    k̄ ∗ φ(k ∗ u) is the flux of the difference itself.

    Raises:
        TypeError, ValueError: ``contrast`` or ``rate`` is no positive number.
    """
    checks.real("contrast", contrast, above=0)
    checks.real("rate", rate, above=0)
    return lambda z: 2 * rate * z * torch.exp(-2 * (z / contrast) ** 2)
