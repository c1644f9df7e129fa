"""TNRD: trainable nonlinear reaction diffusion, a few stages with filters and influence functions of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contdepth import checks

__all__ = ["TNRD", "TNRDShape", "dct_filters", "make_tnrd"]


@dataclass(frozen=True)
class TNRDShape:
    """``stages`` T; ``size`` of the filters (size² − 1 of them a stage); ``knots`` of an influence function.

    The functions are piecewise linear on [−``reach``, ``reach``] (image values in [0, 1]) and constant beyond.
    """

    stages: int = 5
    size: int = 5
    knots: int = 63
    reach: float = 1.2

    def __post_init__(self) -> None:
        checks.integer("stages", self.stages, at_least=1)
        checks.integer("size", self.size, at_least=3)
        checks.integer("knots", self.knots, at_least=3)
        checks.real("reach", self.reach, above=0)
        if self.size % 2 == 0:
            checks.fail("size", "an odd filter size", self.size)


class Stage(nn.Module):
    """u − (Σ_i k̄_i ∗ φ_i(k_i ∗ u) + λ(u − f)): one explicit step of reaction diffusion."""

    def __init__(self, shape: TNRDShape) -> None:
        super().__init__()
        self.shape = shape
        count = shape.size**2 - 1
        self.register_buffer("basis", dct_filters(shape.size))
        self.coefficients = nn.Parameter(torch.eye(count))
        grid = torch.linspace(-shape.reach, shape.reach, shape.knots)
        self.influence = nn.Parameter((0.02 * grid / (1 + (grid / 0.1) ** 2)).repeat(count, 1))
        self.reaction = nn.Parameter(torch.tensor(math.log(0.1)))

    def filters(self) -> Tensor:
        """k_i ``(size² − 1, 1, size, size)``: unit norm and zero mean, combinations of the DCT basis."""
        weights = self.coefficients / self.coefficients.norm(dim=1, keepdim=True)
        return (weights @ self.basis.flatten(1)).view(-1, 1, self.shape.size, self.shape.size)  # type: ignore[operator]

    def respond(self, z: Tensor) -> Tensor:
        """φ_i(z) for the responses z ``(n, i, h, w)``: linear between the knots."""
        shape = self.shape
        place = ((z + shape.reach) * ((shape.knots - 1) / (2 * shape.reach))).clamp(0, shape.knots - 1)
        left = place.detach().floor().clamp(max=shape.knots - 2)
        row = torch.arange(z.shape[1], device=z.device).view(-1, 1, 1) * shape.knots
        index = row + left.long()
        table = self.influence.flatten()
        below = table[index]
        return below + (place - left) * (table[index + 1] - below)

    def forward(self, u: Tensor, f: Tensor) -> Tensor:
        """The next state ``(n, 1, h, w)``."""
        k, half = self.filters(), self.shape.size // 2
        response = self.respond(nn.functional.conv2d(mirror(u, half), k))
        diffusion = nn.functional.conv_transpose2d(mirror(response, half), k, padding=2 * half)
        return u - diffusion - self.reaction.exp() * (u - f)


class TNRD(nn.Module):
    """``stages`` steps u_t = u_{t−1} − (Σ k̄_i ∗ φ_i(k_i ∗ u_{t−1}) + λ(u_{t−1} − f)), u_0 = f.

    Chen & Pock 2017 (arXiv 1508.02848): filters, functions and λ differ from stage to stage and are trained end to
    end, one model for one noise level. Departures: piecewise linear influence functions instead of 63 Gaussian
    bases, Adam from the start on all stages together instead of L-BFGS after greedy training.
    """

    def __init__(self, shape: TNRDShape) -> None:
        super().__init__()
        self.shape = shape
        self.stages = nn.ModuleList(Stage(shape) for _ in range(shape.stages))

    def forward(self, f: Tensor) -> Tensor:
        """The restored images ``(n, 1, h, w)``."""
        u = f
        for stage in self.stages:
            u = stage(u, f)
        return u


def make_tnrd(shape: TNRDShape) -> TNRD:
    """A TNRD at its fixed start: DCT filters, the influence of the Lorentzian log(1 + (z/0.1)²), λ = 0.1."""
    return TNRD(shape)


def dct_filters(size: int) -> Tensor:
    """The orthonormal cosine filters without the constant one: ``(size² − 1, size, size)``."""
    n = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(math.pi / size * (n + 0.5) * n[:, None]) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    return torch.einsum("ax,by->abxy", rows, rows).flatten(0, 1)[1:].float()


def mirror(x: Tensor, by: int) -> Tensor:
    """``x`` extended by its mirror image, the edge pixel included, on all four sides."""
    left, right = x[..., :by].flip(-1), x[..., -by:].flip(-1)
    x = torch.cat([left, x, right], dim=-1)
    top, bottom = x[..., :by, :].flip(-2), x[..., -by:, :].flip(-2)
    return torch.cat([top, x, bottom], dim=-2)
