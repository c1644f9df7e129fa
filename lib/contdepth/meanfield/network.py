"""The residual net of a set of particles: states, co-states, first variation and gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.meanfield.block import Block
from contdepth.meanfield.particles import WEIGHTINGS, Particles

__all__ = ["Along", "MeanFieldNet", "check_data", "lift"]


def lift(inputs: int, dimension: int, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Fixed maps around the flow: w2 (``inputs``, d) with N(0, 1/inputs) entries, w1 (d,) of norm 1, float64.

    On the device of ``source``.
    """
    checks.integer("inputs", inputs, at_least=1)
    checks.integer("dimension", dimension, at_least=1)
    checks.instance("source", source, torch.Generator, "contdepth.seeds.generator makes one")
    checks.affordable("dimension", inputs, dimension)
    w2 = torch.randn(inputs, dimension, generator=source, dtype=torch.float64, device=source.device) / inputs**0.5
    w1 = torch.randn(dimension, generator=source, dtype=torch.float64, device=source.device)
    return w2, w1 / w1.norm()


def check_data(x: Tensor, y: Tensor, runs: int | None = None) -> None:
    """Refuse values that are not finite, and y that is neither (batch,) nor (``runs``, batch)."""
    each = () if runs is None or checks.tensor("y", y).ndim == 1 else (runs,)
    checks.same_shape("y", checks.tensor("y", y), (*each, len(checks.tensor("x", x))))
    checks.reals("y", y)
    devices.common(x=x, y=y)
    checks.finite("x", x.detach())
    checks.finite("y", y.detach())


@dataclass(frozen=True)
class Along:
    """What one forward and one backward sweep leave: ``states`` and ``costates`` (L + 1, batch, d), c_l (L,).

    ``costates`` are p_l = ∂/∂X_l of ½(⟨w1, X_L⟩ - y)², sample by sample, without 1/batch.
    """

    particles: Particles
    weights: Tensor
    states: Tensor
    costates: Tensor


class MeanFieldNet:
    """X_0 = w2ᵀx, X_{l+1} = X_l + c_l f(X_l, θ_l), output ⟨w1, X_L⟩, E(ρ) = mean ½(output - y)².

    Lu et al. 2020 (arXiv 2003.05508): the Euler scheme, by particles, of Ẋ = ∫ f(X, θ) ρ(θ, t) dθ on [0, 1]. w1
    and w2 are fixed, as in the paper's analysis. ``weighting`` chooses c_l, see ``Particles.weights``.

    Args:
        block: the branch f.
        w2: (inputs, d). w1: (d,).
        weighting: "equal" (c_l = m_l) or "gaps" (c_l = t_l - t_{l-1}).

    Data are x (batch, inputs) and y (batch,), at least one sample, in the dtype and on the device of w2. All
    methods want sorted particles and say so.

    Raises:
        TypeError, ValueError: shapes that do not fit the block, maps of two dtypes, an unknown weighting.
    """

    def __init__(self, block: Block, w2: Tensor, w1: Tensor, weighting: str = "equal") -> None:
        self.block = checks.instance("block", block, Block)
        self.w2 = checks.reals("w2", w2, ndim=2)
        self.w1 = checks.same_shape("w1", checks.reals("w1", w1, ndim=1, like=w2), (block.dimension,))
        checks.same_shape("w2", w2, (len(w2), block.dimension), "its columns are the state's coordinates")
        devices.common(w2=w2, w1=w1)
        self.weighting = checks.one_of("weighting", weighting, WEIGHTINGS)

    def initial(self, x: Tensor) -> Tensor:
        """X_0, (batch, d)."""
        checks.reals("x", x, ndim=2, like=self.w2)
        if len(x) == 0:
            raise ValueError("x: expected at least one sample, found none")
        if x.shape[1] != len(self.w2):
            checks.fail("x", f"{len(self.w2)} numbers a sample", f"shape {tuple(x.shape)}")
        devices.common(w2=self.w2, x=x)
        return x @ self.w2

    def factors(self, particles: Particles) -> Tensor:
        """c_l of sorted particles that fit the block and the dtype of the net, (L,)."""
        checks.instance("particles", particles, Particles)
        theta = checks.reals("particles.theta", particles.theta, like=self.w2)
        if theta.shape[1] != self.block.size:
            raise ValueError(
                f"theta: expected {self.block.size} numbers a particle, found shape {tuple(theta.shape)}"
            )
        return particles.weights(self.weighting)

    def states(self, particles: Particles, x: Tensor) -> Tensor:
        """X_0 … X_L, (L + 1, batch, d)."""
        weights = self.factors(particles)
        return torch.stack(self.trajectory(particles.theta, weights, self.initial(x)))

    def trajectory(self, theta: Tensor, weights: Tensor, start: Tensor) -> list[Tensor]:
        """X_0 … X_L from θ (L, k) in order of depth, c (L,) and X_0 (batch, d): no checks, for ``torch.func``."""
        return self.block.chain(theta, weights, start)

    def __call__(self, particles: Particles, x: Tensor) -> Tensor:
        """Outputs, (batch,)."""
        return self.states(particles, x)[-1] @ self.w1

    def loss(self, particles: Particles, x: Tensor, y: Tensor) -> Tensor:
        """E(ρ), a tensor without dimensions."""
        checks.same_shape("y", checks.reals("y", y), (len(x),))
        return 0.5 * (self(particles, x) - y).square().mean()

    @torch.no_grad()
    def along(self, particles: Particles, x: Tensor, y: Tensor) -> Along:
        """States forward, co-states backward: p_L = (⟨w1, X_L⟩ - y) w1, p_l = p_{l+1} + c_l (∂f/∂X)ᵀ p_{l+1}.

        The recursion is the exact adjoint of the finite net and the Euler scheme of the paper's
        ṗ = -(∫ ∂_X f ρ dθ)ᵀ p.
        """
        checks.same_shape("y", checks.reals("y", y), (len(x),))
        states, weights = self.states(particles, x), self.factors(particles)
        p = (states[-1] @ self.w1 - y)[:, None] * self.w1
        backwards = [p]
        for theta, c, state in reversed(list(zip(particles.theta, weights, states[:-1], strict=True))):
            p = p + c * torch.func.vjp(lambda s, theta=theta: self.block(theta, s), state)[1](p)[0]
            backwards.append(p)
        return Along(particles, weights, states, torch.stack(backwards[::-1]))

    def first_variation(self, along: Along, theta: Tensor, t: Tensor) -> Tensor:
        """δE/δρ(θ, t) = mean over x of ⟨f(X(t), θ), p(t)⟩ for candidates θ (n, k), t (n,): (n,).

        X and p are taken behind all particles with t_l <= t, so for weighting "equal" this is exactly the
        derivative of E in the mass of a new block at (θ, t); with "gaps" a new block would also shorten the step
        of the next. Differentiable in θ.
        """
        checks.instance("along", along, Along)
        checks.reals("t", t, ndim=1, like=along.particles.t)
        checks.same_shape("theta", theta, (len(t), self.block.size), "one candidate for each time")
        place = torch.searchsorted(along.particles.t.detach().contiguous(), t.detach().contiguous(), right=True)
        return (self.block(theta, along.states[place]) * along.costates[place]).sum(-1).mean(-1)

    def mass_gradient(self, along: Along) -> Tensor:
        """∂E/∂c_l = mean ⟨f(X_l, θ_l), p_{l+1}⟩, (L,): the first variation at the particles themselves."""
        checks.instance("along", along, Along)
        f = self.block(along.particles.theta, along.states[:-1])
        return (f * along.costates[1:]).sum(-1).mean(-1)

    def gradients(self, along: Along) -> tuple[Tensor, Tensor]:
        """(∂E/∂θ (L, k), ∂E/∂t (L,)) through the co-states.

        ∂E/∂θ_l = c_l mean ∇_θ ⟨f(X_l, θ_l), p_{l+1}⟩ for both weightings. ∂E/∂t_l is g_l - g_{l+1} with
        g = ``mass_gradient`` (g_{L+1} = 0) for "gaps", and 0 for "equal", where E is piecewise constant in t.
        """
        checks.instance("along", along, Along)
        with torch.enable_grad():
            theta = along.particles.theta.detach().requires_grad_()
            f = self.block(theta, along.states[:-1])
            each = (f * along.costates[1:]).sum(-1).mean(-1)
            in_theta = torch.autograd.grad((along.weights.detach() * each).sum(), theta)[0]
        if self.weighting == "equal":
            return in_theta, torch.zeros_like(along.particles.t)
        g = self.mass_gradient(along)
        return in_theta, g - torch.cat([g[1:], g.new_zeros(1)])
