"""The two-layer net inside a deep one: every branch fed with X_0, and how far the deep net is from it."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks
from contdepth.meanfield.bounds import adjoint_bounds
from contdepth.meanfield.network import Along, MeanFieldNet, check_data
from contdepth.meanfield.particles import Particles

__all__ = [
    "scale_branches",
    "removal",
    "sensitivities",
    "shallow_states",
    "shallow_variation",
    "state_bounds",
    "variation_bounds",
]


@torch.no_grad()
def shallow_states(net: MeanFieldNet, particles: Particles, x: Tensor) -> Tensor:
    """X_0 + Σ_{j<l} c_j f(X_0, θ_j), l = 0 … L, (L + 1, batch, d): the two-layer net of the same particles.

    Linear in ρ, the order of the blocks plays no part. The ensemble that Lu et al. 2020 (arXiv 2003.05508) compare
    a deep net with, from memory.
    """
    checks.instance("net", net, MeanFieldNet)
    start, weights = net.initial(x), net.factors(particles)
    parts = weights[:, None, None] * net.block(particles.theta, start)
    return start + torch.cat([torch.zeros_like(start)[None], parts.cumsum(0)])


@torch.no_grad()
def state_bounds(net: MeanFieldNet, particles: Particles) -> tuple[Tensor, Tensor]:
    """Bounds of ‖X_l - X_0‖ and ‖X_l - X^sh_l‖ for every input, l = 0 … L: R and D, both (L + 1,).

    R_l = Σ_{j<l} |c_j| b_j and D_l = Σ_{j<l} |c_j| Λ_j R_j with b_j = ``Block.bound``, Λ_j = ``Block.lipschitz``,
    as X_l - X_0 = Σ_{j<l} c_j f(X_j, θ_j) and X_l - X^sh_l = Σ_{j<l} c_j (f(X_j, θ_j) - f(X_0, θ_j)) with terms of
    at most |c_j| Λ_j ‖X_j - X_0‖.

    Raises:
        ValueError: blocks without a bound (ReLU), unsorted particles.
    """
    checks.instance("net", net, MeanFieldNet)
    if net.block.ceiling == float("inf"):
        checks.fail("net", "blocks with a bounded activation", net.block.activation)
    weights = net.factors(particles).abs()
    zero = weights.new_zeros(1)
    reach = torch.cat([zero, (weights * net.block.bound(particles.theta)).cumsum(0)])
    apart = torch.cat([zero, (weights * net.block.lipschitz(particles.theta) * reach[:-1]).cumsum(0)])
    return reach, apart


@torch.no_grad()
def shallow_variation(net: MeanFieldNet, particles: Particles, x: Tensor, y: Tensor, theta: Tensor) -> Tensor:
    """δE^sh/δρ(θ) = mean (⟨w1, X^sh_L⟩ - y)⟨f(X_0, θ), w1⟩ of candidates θ (n, k): (n,); it knows no t."""
    checks.instance("net", net, MeanFieldNet)
    check_data(x, y)
    residual = shallow_states(net, particles, x)[-1] @ net.w1 - y
    return (net.block(theta, net.initial(x)) @ net.w1 * residual).mean(-1)


@torch.no_grad()
def variation_bounds(net: MeanFieldNet, along: Along, theta: Tensor, t: Tensor) -> Tensor:
    """Bound of |δE/δρ(θ, t) - δE^sh/δρ(θ)| for candidates θ (n, k), t (n,): (n,).

    With U_l the upper bound of ‖p_l‖/‖p_L‖, and R, D of ``state_bounds``, at the place l of t:
    mean‖p_L‖ (Λ_θ R_l U_l + b_θ (U_l - 1)) + b_θ ‖w1‖² D_L. The first term is the state, moved from X_0; the
    second the co-state, ‖p_l - p_L‖ <= Σ_{j>=l} c_jΛ_j‖p_{j+1}‖ <= (U_l - 1)‖p_L‖; the third the residual of the
    shallow net.
    """
    checks.instance("net", net, MeanFieldNet)
    checks.instance("along", along, Along)
    checks.reals("t", t, ndim=1, like=along.particles.t)
    checks.same_shape("theta", theta, (len(t), net.block.size), "one candidate for each time")
    reach, apart = state_bounds(net, along.particles)
    upper = adjoint_bounds(net, along.particles).upper
    place = torch.searchsorted(along.particles.t.detach().contiguous(), t.detach().contiguous(), right=True)
    slope, size, final = net.block.lipschitz(theta), net.block.bound(theta), along.costates[-1].norm(dim=-1).mean()
    moved = slope * reach[place] * upper[place] + size * (upper[place] - 1)
    return final * moved + size * net.w1.square().sum() * apart[-1]


def sensitivities(net: MeanFieldNet, particles: Particles, x: Tensor) -> Tensor:
    """q_l = ∂output/∂X_l, (L + 1, batch, d): the co-states of a unit residual."""
    with torch.no_grad():
        return net.along(particles, x, net(particles, x) - 1).costates


@torch.no_grad()
def removal(net: MeanFieldNet, particles: Particles, x: Tensor) -> tuple[Tensor, Tensor]:
    """Output minus the output with c_l = 0, l = 1 … L: exact, and c_l ⟨q_{l+1}, f(X_l, θ_l)⟩, both (L, batch).

    The ensemble view of residual nets (Veit et al. 2016, arXiv 1605.06431) with the co-state as the measure of
    what a block counts. They differ by at most ½ c_l² b_l² times the Lipschitz constant of q_{l+1} in the
    state.
    """
    checks.instance("net", net, MeanFieldNet)
    states, weights = net.states(particles, x), net.factors(particles)
    first = net.block(particles.theta, states[:-1]) * sensitivities(net, particles, x)[1:]
    exact = []
    for block in range(len(particles)):
        without = weights.clone()
        without[block] = 0
        exact.append((states[-1] - net.trajectory(particles.theta, without, net.initial(x))[-1]) @ net.w1)
    return torch.stack(exact), weights[:, None] * first.sum(-1)


def scale_branches(net: MeanFieldNet, particles: Particles, factor: float) -> Particles:
    """All f multiplied by ``factor``, through their a."""
    checks.instance("net", net, MeanFieldNet)
    checks.instance("particles", particles, Particles)
    factors = torch.ones(net.block.size, dtype=particles.theta.dtype, device=particles.theta.device)
    factors[: net.block.width * net.block.dimension] = checks.real("factor", factor)
    return Particles(particles.theta * factors, particles.t, particles.mass)
