"""A potential φ with one hidden layer: value, gradient and Laplacian in closed form, symmetries built in."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contdepth import checks, devices

__all__ = ["Potential", "Slopes", "translations"]


class Slopes(NamedTuple):
    """``gradient`` ∇φ ``(..., d)`` and ``laplacian`` Δφ ``(...)``."""

    gradient: Tensor
    laplacian: Tensor


class Potential(nn.Module):
    """φ(x) = Σ_h a_h s(w_h·x + b_h) for points ``(..., d)``, as a mean over a group of symmetries.

    Zhang, E & Wang 2018. With s' and s'' at z = W x + b, ∇φ = Wᵀ(a s') and Δφ = Σ_h a_h s''_h |w_h|²,
    both from one product with W and one with Wᵀ. A symmetry moves to the weights, φ(P x) has the rows w_h P, so
    that a mean over |G| symmetries is a layer of |G| H rows, and exactly invariant.

    Args:
        dimension: d.
        hidden: H.
        activation: ``"softplus"``, s(z) = ln(1 + e^z), or ``"log cosh"``, which is even: without ``bias``, φ is.
        bias: whether there are b_h.
        even: take the mean over x and -x.
        symmetries: permutations ``(|G|, d)`` of coordinates that form a group, such as :func:`translations`;
            (P x)_i = x_{p_i}.
        generator: draws w of variance 1/d, a of variance 0.01/H, b = 0, which is ours; None: the global one.
        device: where the parameters are.

    Raises:
        TypeError, ValueError: a wrong argument, permutations that are none or no group.
    """

    def __init__(
        self,
        dimension: int,
        hidden: int,
        *,
        activation: str = "softplus",
        bias: bool = True,
        even: bool = False,
        symmetries: Tensor | None = None,
        generator: torch.Generator | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__()
        checks.integer("dimension", dimension, at_least=1)
        checks.affordable("hidden", dimension, checks.integer("hidden", hidden, at_least=1))
        self.activation = checks.one_of("activation", activation, ("softplus", "log cosh"))
        checks.instance("bias", bias, bool)
        self.even = checks.instance("even", even, bool)
        source, where = devices.drawn_on(generator), devices.named("device", device)
        shapes = ((hidden, dimension), (hidden,))
        w, a = (torch.randn(*one, generator=generator, device=source).to(where) for one in shapes)
        self.weight = nn.Parameter(w / math.sqrt(dimension))
        self.out = nn.Parameter(0.1 * a / math.sqrt(hidden))
        self.bias = nn.Parameter(torch.zeros_like(self.out)) if bias else None
        if symmetries is not None:
            checks.affordable("symmetries", hidden, *_group(symmetries, dimension).shape)
            symmetries = symmetries.to(where)
        self.register_buffer("symmetries", symmetries, persistent=False)

    symmetries: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        """Return φ(x) ``(...)``."""
        z, _, out = self._layer(x)
        s = F.softplus(z, threshold=40) if self.activation == "softplus" else torch.logaddexp(z, -z) - math.log(2)
        return s @ out

    def gradient(self, x: Tensor) -> Tensor:
        """Return ∇φ(x) ``(..., d)``."""
        z, rows, out = self._layer(x)
        return (self._slope(z) * out) @ rows

    def slopes(self, x: Tensor) -> Slopes:
        """Return ∇φ(x) and Δφ(x) from one pass."""
        z, rows, out = self._layer(x)
        slope = self._slope(z)
        curve = slope * (1 - slope) if self.activation == "softplus" else 1 - slope.square()
        return Slopes((slope * out) @ rows, curve @ (out * rows.square().sum(1)))

    def _slope(self, z: Tensor) -> Tensor:
        return torch.sigmoid(z) if self.activation == "softplus" else torch.tanh(z)

    def _layer(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return z ``(..., |G| H)``, the rows w of all symmetries and their a."""
        rows: Tensor = self.weight
        out, dimension = self.out, rows.shape[1]
        checks.reals("x", x, like=rows)
        if x.ndim < 1 or x.shape[-1] != dimension:
            checks.fail("x", f"points (..., {dimension})", f"shape {tuple(x.shape)}")
        if self.symmetries is not None:
            # w·(P x) has the coordinates of w at p⁻¹; a group has that row too, so p gives the same rows
            rows = rows[:, self.symmetries].transpose(0, 1).reshape(-1, dimension)
        if self.even:
            rows = torch.cat([rows, -rows])
        copies = len(rows) // len(out)
        z = x @ rows.T
        if self.bias is not None:
            z = z + self.bias.repeat(copies)
        return z, rows, out.repeat(copies) / copies


def translations(side: int, *, device: str | torch.device = "cpu") -> Tensor:
    """Return the side² translations of a periodic lattice: permutations ``(side², side²)`` of sites by rows."""
    checks.affordable("side", *[checks.integer("side", side, at_least=1)] * 4)
    sites = torch.arange(side * side, device=devices.named("device", device)).reshape(side, side)
    rolled = [sites.roll((i, j), (0, 1)).flatten() for i in range(side) for j in range(side)]
    return torch.stack(rolled)


def _group(symmetries: Tensor, dimension: int) -> Tensor:
    """Return ``symmetries`` if they are permutations that form a group; raise otherwise."""
    found = checks.tensor("symmetries", symmetries, hint="such as translations(side)")
    if found.dtype != torch.int64:
        checks.fail("symmetries", "permutations in int64", f"dtype {found.dtype}", error=TypeError)
    if found.ndim != 2 or found.shape[1] != dimension or len(found) == 0:
        checks.fail("symmetries", f"shape (at least 1, {dimension})", f"shape {tuple(found.shape)}")
    ordered = torch.arange(dimension, device=found.device).expand_as(found)
    if not bool((found.sort(1).values == ordered).all()):
        checks.fail("symmetries", f"each row a permutation of 0 … {dimension - 1}", "another one")
    rows = set(map(tuple, found.tolist()))
    products = (tuple(row) for one in found for row in found[:, one].tolist())
    if len(rows) < len(found) or not all(row in rows for row in products):
        checks.fail("symmetries", "a group: each once, with all products", "rows that are none")
    return found
