"""Gaussian laws of a block's parameters along depth, with their drift ∫ f ρ dθ by one-dimensional quadrature."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.meanfield.block import Block
from contdepth.meanfield.particles import Particles

__all__ = ["TIMES", "GaussianDensity", "WindowedDensity"]

TIMES = ("uniform", "stratified", "grid")
REACH = 8.5
TINY = 1e-30
FLOAT64 = torch.empty(0, dtype=torch.float64)


class GaussianDensity:
    """ρ(θ, t) = N(θ; μ(t), Σ(t)) for t uniform on [0, 1], and blocks of width 1 with tanh.

    Since z = ⟨w, X⟩ + b is then a scalar Gaussian, F = ∫ f(X, θ) ρ(θ, t) dθ = E[a] E[σ(z)] + Cov(a, z) E[σ'(z)]
    (Stein's identity) is an integral over one number. It is taken by the trapezoidal rule, which on analytic
    integrands with Gaussian decay needs fewer nodes than Gauss-Hermite once z varies by more than about 1.

    Args:
        block: f, of width 1 with tanh.
        mean: μ, a tensor (k,) or a function of t (...) -> (..., k).
        deviation: a number or (k,), the standard deviations of independent entries; (k, k), a factor S with
            Σ = S Sᵀ; or a function of t (...) -> (..., k) for independent entries.
        nodes: of the quadrature on ±8.5 standard deviations of z; 128 give an error of about 1e-10 while that
            deviation is below 3, of 1e-5 at 5.
        device: where the law is; that of ``mean`` and ``deviation`` unless both are functions or numbers.

    Raises:
        TypeError, ValueError: another block, shapes that do not fit, negative deviations.
    """

    jumps: tuple[float, ...] = ()

    def __init__(
        self,
        block: Block,
        mean: Tensor | Callable[[Tensor], Tensor],
        deviation: float | Tensor | Callable[[Tensor], Tensor] = 1.0,
        nodes: int = 128,
        device: str | torch.device | None = None,
    ) -> None:
        checks.instance("block", block, Block)
        if block.width != 1 or block.activation != "tanh":
            checks.fail("block", "width 1 and tanh", block, "the drift of other blocks has no such formula here")
        self.block, self.mean = block, mean
        k = block.size
        tensors = {
            name: part for name, part in (("mean", mean), ("deviation", deviation)) if isinstance(part, Tensor)
        }
        where = (
            devices.common(**tensors) if tensors else devices.named("device", "cpu" if device is None else device)
        )
        if isinstance(deviation, (int, float)):
            deviation = torch.full(
                (k,), checks.real("deviation", deviation, at_least=0), dtype=torch.float64, device=where
            )
        if not callable(deviation):
            shape = (k,) if checks.reals("deviation", deviation, like=FLOAT64).ndim == 1 else (k, k)
            checks.finite("deviation", checks.same_shape("deviation", deviation, shape))
            if deviation.ndim == 1 and bool((deviation < 0).any()):
                checks.fail("deviation", "standard deviations >= 0", deviation.min().item())
        self.deviation = deviation
        if not callable(mean):
            checks.finite("mean", checks.same_shape("mean", checks.reals("mean", mean, like=FLOAT64), (k,)))
        probe = torch.zeros(2, dtype=torch.float64, device=where)
        checks.same_shape("mean(t)", self.centre(probe), (2, k), "one row for each t")
        checks.same_shape("deviation(t)", self.factor(probe), (2, k, k), "one row of deviations for each t")
        count = checks.integer("nodes", nodes, at_least=8, at_most=100_000)
        z = torch.linspace(-REACH, REACH, count, dtype=torch.float64, device=where)
        weight = torch.exp(-z.square() / 2)
        self.nodes, self.node_weights = z, weight / weight.sum()

    def centre(self, t: Tensor) -> Tensor:
        """μ(t): t (...) -> (..., k)."""
        return self.mean(t) if callable(self.mean) else self.mean.expand(*t.shape, -1)

    def factor(self, t: Tensor) -> Tensor:
        """S(t) with Σ = S Sᵀ: t (...) -> (..., k, k)."""
        if callable(self.deviation):
            return torch.diag_embed(self.deviation(t))
        factor = self.deviation if self.deviation.ndim == 2 else torch.diag(self.deviation)
        return factor.expand(*t.shape, -1, -1)

    def scalar(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What f(X, ·) sees of the law: z at the nodes (..., batch, nodes), its deviation (..., batch), Cov(a, z)
        (..., batch, d), E[a] (..., d), Cov(a) (..., d, d).
        """
        checks.reals("t", t, like=self.nodes)
        if checks.reals("x", x, like=self.nodes).ndim < 2 or x.shape[-1] != self.block.dimension:
            raise ValueError(f"x: expected shape (batch, {self.block.dimension}), found shape {tuple(x.shape)}")
        try:
            torch.broadcast_shapes(x.shape[:-2], t.shape)
        except RuntimeError:
            raise ValueError(
                f"t: expected one time, or one for each leading axis of x, found {tuple(t.shape)}"
            ) from None
        d = self.block.dimension
        mean, factor = self.centre(t), self.factor(t)
        covariance = factor @ factor.mT
        u = torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)
        variance = ((u @ covariance[..., d:, d:]) * u).sum(-1)
        deviation = variance.clamp_min(TINY).sqrt()
        z = (u @ mean[..., d:, None]) + deviation[..., None] * self.nodes
        return z, deviation, u @ covariance[..., d:, :d], mean[..., :d], covariance[..., :d, :d]

    def drift(self, x: Tensor, t: Tensor) -> Tensor:
        """F(X, t) = ∫ f(X, θ) ρ(θ | t) dθ: X (..., batch, d) and t (...) -> (..., batch, d)."""
        z, _, cross, a, _ = self.scalar(x, t)
        sigma = torch.tanh(z)
        value, slope = sigma @ self.node_weights, (1 - sigma.square()) @ self.node_weights
        return a[..., None, :] * value[..., None] + cross * slope[..., None]

    def second_moment(self, x: Tensor, v: Tensor, t: Tensor) -> Tensor:
        """E⟨v, f(X, θ)⟩² under ρ(· | t): X and v (..., batch, d), t (...) -> (..., batch)."""
        checks.same_shape("v", checks.reals("v", v, like=self.nodes), checks.tensor("x", x).shape)
        z, deviation, cross, a, covariance = self.scalar(x, t)
        along = (cross * v).sum(-1) / deviation
        mean = (v @ a[..., None]) + along[..., None] * self.nodes
        rest = ((v @ covariance) * v).sum(-1) - along.square()
        return (torch.tanh(z).square() * (mean.square() + rest.clamp_min(0)[..., None])) @ self.node_weights

    def times(self, shape: tuple[int, ...], source: torch.Generator, kind: str = "uniform") -> Tensor:
        """Sorted times, ``shape`` (..., L): "uniform" iid, "stratified" one in each [(l-1)/L, l/L], "grid" l/L.

        Drawn on the device of ``source`` and moved to that of the law.
        """
        checks.one_of("kind", kind, TIMES)
        checks.instance("source", source, torch.Generator, "contdepth.seeds.generator makes one")
        shape = tuple(checks.integer("shape", n, at_least=1) for n in shape)
        checks.affordable("shape", *shape)
        if not shape:
            raise ValueError("shape: expected at least one number, found none")
        count = shape[-1]
        grid = torch.arange(1, count + 1, dtype=torch.float64, device=self.nodes.device) / count
        if kind == "grid":
            return grid.expand(shape).clone()
        drawn = torch.rand(shape, generator=source, dtype=torch.float64, device=source.device).to(grid)
        return drawn.sort(dim=-1).values if kind == "uniform" else grid - drawn / count

    def draw(self, t: Tensor, source: torch.Generator) -> Tensor:
        """One θ from ρ(· | t) for every t (...): (..., k)."""
        checks.reals("t", t)
        checks.instance("source", source, torch.Generator, "contdepth.seeds.generator makes one")
        size = (*t.shape, self.block.size)
        noise = torch.randn(size, generator=source, dtype=torch.float64, device=source.device).to(self.nodes)
        if callable(self.deviation):
            return self.centre(t) + self.deviation(t) * noise
        return self.centre(t) + (noise @ self.deviation.T if self.deviation.ndim == 2 else noise * self.deviation)

    def sample(self, count: int, source: torch.Generator, times: str = "uniform") -> Particles:
        """``count`` particles (θ_l, t_l), independent given the times (see ``times``), sorted by time."""
        t = self.times((checks.integer("count", count, at_least=1),), source, times)
        return Particles(self.draw(t, source), t)

    def windowed(self, windows: int, nodes: int = 12) -> WindowedDensity:
        """The law after blocks have changed places at random inside each of ``windows`` equal parts of [0, 1]."""
        return WindowedDensity(self, windows, nodes)


class WindowedDensity:
    """ρ(θ | t) replaced by its mean over the window that holds t: the law of a net whose blocks were shuffled.

    ``drift`` as in ``GaussianDensity``, by Gauss-Legendre quadrature with ``nodes`` in each window; it jumps at
    the edges of the windows, ``jumps``.

    Raises:
        TypeError, ValueError: less than one window or node.
    """

    def __init__(self, density: GaussianDensity, windows: int = 1, nodes: int = 12) -> None:
        self.density, self.block = density, density.block
        self.windows = checks.integer("windows", windows, at_least=1, at_most=10_000)
        points, weights = np.polynomial.legendre.leggauss(checks.integer("nodes", nodes, at_least=1, at_most=1000))
        where = density.nodes
        self.points, self.weights = (torch.from_numpy(v / 2).to(where) for v in (points + 1, weights))
        self.jumps = tuple(n / windows for n in range(1, windows))

    def drift(self, x: Tensor, t: Tensor) -> Tensor:
        """Mean of F(X, ·) over the window of t: X (batch, d), t a single time -> (batch, d)."""
        window = (t.detach() * self.windows).floor().clamp(0, self.windows - 1)
        each = self.density.drift(x.expand(len(self.points), *x.shape), (window + self.points) / self.windows)
        return torch.einsum("n,nbd->bd", self.weights, each)
