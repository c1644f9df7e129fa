"""Trainable reaction diffusion with Gaussian influence functions, started as the diffusion of Perona and Malik."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.restoration.models.influence import (
    BASES,
    GaussianInfluence,
    fitted_weights,
    perona_malik_influence,
)
from contdepth.restoration.models.tnrd import dct_filters, mirror

__all__ = ["ReactionDiffusion", "ReactionShape", "diffused", "make_reaction", "perona_malik"]


@dataclass(frozen=True)
class ReactionShape:
    """``stages`` T; ``size`` of the filters, of which a stage has ``filters`` (0: all size² − 1); ``shared`` gives
    every stage the same weights; ``refine``: places of the influence functions' table a centre, 0 for the sum.

    It starts as Perona–Malik with ``contrast`` K, the step ``rate`` τ and reaction λ ``reaction``.
    """

    stages: int = 5
    size: int = 5
    filters: int = 0
    shared: bool = False
    refine: int = 8
    contrast: float = 0.15
    rate: float = 0.2
    reaction: float = 0.05

    def __post_init__(self) -> None:
        checks.integer("stages", self.stages, at_least=1)
        checks.integer("size", self.size, at_least=3)
        if self.size % 2 == 0:
            checks.fail("size", "an odd filter size", self.size)
        checks.integer("filters", self.filters, at_least=0)
        if self.filters == 1 or self.filters > self.size**2 - 1:
            checks.fail("filters", f"0 (all) or 2 to size² − 1 = {self.size**2 - 1}", self.filters)
        checks.integer("refine", self.refine, at_least=0)
        for name in ("contrast", "rate"):
            checks.real(name, getattr(self, name), above=0)
        checks.real("reaction", self.reaction, at_least=0)


class ReactionStage(nn.Module):
    """u ↦ u − Σ_i K_iᵀ φ_i(K_i u) − λ(u − f), K_i the convolution by k_i of the picture mirrored at its edges.

    A stage of Chen, Yu & Pock 2015 (CVPR). The filters are combinations of the cosine filters without the constant
    one and have unit norm, as in the paper. Departure: K_iᵀ is the exact transpose, edges included, in place of
    the turned filter on the mirrored response; then Σ_i K_iᵀ φ_i(K_i u) is the gradient of Σ_i ρ_i(K_i u) with
    ρ_i' = φ_i.
    """

    basis: Tensor

    def __init__(self, coefficients: Tensor, influence: GaussianInfluence, reaction: float) -> None:
        super().__init__()
        self.coefficients = nn.Parameter(coefficients.clone())
        self.influence = influence
        self.reaction = nn.Parameter(coefficients.new_tensor(reaction))
        size = round((coefficients.shape[1] + 1) ** 0.5)
        self.register_buffer("basis", dct_filters(size).to(coefficients))

    def filters(self) -> Tensor:
        """k_i ``(filters, 1, size, size)``."""
        unit = self.coefficients / self.coefficients.norm(dim=1, keepdim=True)
        return torch.einsum("ib,bxy->ixy", unit, self.basis).unsqueeze(1)

    def forward(self, u: Tensor, f: Tensor) -> Tensor:
        """The next state ``(n, 1, h, w)``."""
        k = self.filters()
        half = k.shape[-1] // 2
        response = nn.functional.conv2d(mirror(u, half), k)
        back = folded(nn.functional.conv_transpose2d(self.influence(response), k), half)
        return u - back - self.reaction * (u - f)


class ReactionDiffusion(nn.Module):
    """``stages`` explicit steps from u_0 = f: pictures ``(n, 1, h, w)`` in [0, 1] to restored ones.

    One model for one noise level, as in the paper. A side must not be shorter than half a filter.
    """

    def __init__(self, stages: list[ReactionStage], shared: bool = False) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages[:1] if shared else stages)
        self.depth = len(stages)

    def states(self, f: Tensor) -> Iterator[Tensor]:
        """Yield u_1, …, u_T."""
        u = f
        for t in range(self.depth):
            u = self.stages[t % len(self.stages)](u, f)
            yield u

    def forward(self, f: Tensor) -> Tensor:
        """u_T.

        Raises:
            ValueError: ``f`` is not ``(n, 1, h, w)``, or a side is too short to be mirrored.
        """
        pictures(f, self.stages[0].filters().shape[-1] // 2)  # type: ignore[operator]
        return list(self.states(f))[-1]


def make_reaction(shape: ReactionShape, *, dtype: torch.dtype = torch.float32) -> ReactionDiffusion:
    """A net that starts as Perona–Malik: two filters are the differences, the others have zero influence.

    The two influence functions are the least-squares fit in the basis of 63 Gaussians, see ``fitted_weights``.

    Raises:
        TypeError, ValueError: ``shape`` is no :class:`ReactionShape`; ``dtype`` is not float32 or float64.
    """
    checks.instance("shape", shape, ReactionShape)
    if dtype not in (torch.float32, torch.float64):
        checks.fail("dtype", "torch.float32 or torch.float64", dtype)
    basis = dct_filters(shape.size).double().flatten(1)
    count = shape.filters or shape.size**2 - 1
    across = torch.zeros(shape.size, shape.size, dtype=torch.float64)
    middle = shape.size // 2
    across[middle, middle], across[middle, middle + 1] = -1.0, 1.0
    first = torch.stack([basis @ across.flatten(), basis @ across.T.flatten()])
    rest = torch.linalg.svd(first, full_matrices=True).Vh[2:count]  # orthonormal, and to the differences too
    weights = torch.zeros(count, BASES, dtype=torch.float64)
    weights[:2] = fitted_weights(perona_malik_influence(shape.contrast, shape.rate))[0]
    coefficients = torch.cat([first / first.norm(dim=1, keepdim=True), rest]).to(dtype)
    stages = [
        ReactionStage(coefficients, GaussianInfluence(weights.to(dtype), refine=shape.refine), shape.reaction)
        for _ in range(shape.stages)
    ]
    return ReactionDiffusion(stages, shape.shared)


def perona_malik(f: Tensor, *, steps: int, contrast: float, rate: float, reaction: float = 0.0) -> Tensor:
    """``steps`` explicit steps of Perona & Malik 1990 with a pull of strength ``reaction`` back to ``f``.

    u ← u − τ Σ_d D_dᵀ exp(−(D_d u)²/K²) D_d u over both axes, no flux at the edges, pictures
    ``(n, 1, h, w)``; stable for τ = ``rate`` up to 1/4 (four neighbours).

    Raises:
        TypeError, ValueError: ``f`` is not ``(n, 1, h, w)`` of floating point; ``steps`` is below 0; ``contrast``
            or ``rate`` is no positive number.
    """
    pictures(f)
    checks.integer("steps", steps, at_least=0)
    checks.real("contrast", contrast, above=0)
    checks.real("rate", rate, above=0)
    checks.real("reaction", reaction, at_least=0)
    u = f
    for _ in range(steps):
        u = u + rate * diffused(u, contrast) - reaction * (u - f)
    return u


def pictures(f: Tensor, side: int = 1, argument: str = "f") -> None:
    """Refuse what is not ``(n, 1, h, w)`` with sides of at least ``side``."""
    checks.floating(argument, f)
    if f.ndim != 4 or f.shape[1] != 1 or min(f.shape[2:]) < side:
        checks.fail(argument, f"pictures (n, 1, h, w) with sides of at least {side}", f"shape {tuple(f.shape)}")


def diffused(u: Tensor, contrast: float) -> Tensor:
    """Σ_d of the divergence of the flux exp(−(D_d u)²/K²) D_d u, zero over the edges; shape of ``u``."""
    out = torch.zeros_like(u)
    for axis in (-1, -2):
        difference = u.diff(dim=axis)
        flux = difference * torch.exp(-((difference / contrast) ** 2))
        edge = torch.zeros_like(flux.narrow(axis, 0, 1))
        out = out + torch.cat([edge, flux, edge], dim=axis).diff(dim=axis)
    return out


def folded(x: Tensor, by: int) -> Tensor:
    """The transpose of ``mirror``: what lies outside is added where its mirror image is."""
    for axis in (-1, -2):
        inner = x.shape[axis] - 2 * by
        middle = x.narrow(axis, by, inner).clone()
        middle.narrow(axis, 0, by).add_(x.narrow(axis, 0, by).flip(axis))
        middle.narrow(axis, inner - by, by).add_(x.narrow(axis, inner + by, by).flip(axis))
        x = middle
    return x
