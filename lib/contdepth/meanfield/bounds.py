"""How far a co-state can grow or shrink along depth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks
from contdepth.meanfield.network import MeanFieldNet
from contdepth.meanfield.particles import Particles

__all__ = ["AdjointBounds", "adjoint_bounds", "attaining"]


@dataclass(frozen=True)
class AdjointBounds:
    """``lower`` <= ‖p_l‖/‖p_L‖ <= ``upper``, l = 0 … L, both (L + 1,), and ``exponent`` C = Σ |c_l| Λ_l."""

    lower: Tensor
    upper: Tensor
    exponent: Tensor


def behind(factors: Tensor) -> Tensor:
    """Π_{j >= l} of ``factors`` (L,), l = 0 … L, with 1 at the end: (L + 1,)."""
    products = factors.flip(0).cumprod(0).flip(0)
    return torch.cat([products, products.new_ones(1)])


@torch.no_grad()
def adjoint_bounds(net: MeanFieldNet, particles: Particles) -> AdjointBounds:
    """Bounds of ‖p_l‖/‖p_L‖ for every input: Π (1 - c_jΛ_j) and Π (1 + c_jΛ_j) over the blocks j >= l.

    Λ_j = ``Block.lipschitz``. p_l = (I + c_l J_lᵀ) p_{l+1} with ‖J_l‖ <= Λ_l gives
    (1 - c_lΛ_l)‖p_{l+1}‖ <= ‖p_l‖ <= (1 + c_lΛ_l)‖p_{l+1}‖. Where c_lΛ_l >= 1 the block can send a co-state to 0,
    and the lower bound is 0 from there on. Lu et al. 2020 (arXiv 2003.05508, from memory) have e^{-C} and e^C for
    the ODE. Of the finite net e^C is a bound too, as 1 + x <= e^x; e^{-C} is not, as 1 - x < e^{-x}.

    Raises:
        ValueError: unsorted particles.
    """
    checks.instance("net", net, MeanFieldNet)
    growth = net.factors(particles).abs() * net.block.lipschitz(particles.theta)
    return AdjointBounds(behind((1 - growth).clamp_min(0)), behind(1 + growth), growth.sum())


@torch.no_grad()
def attaining(net: MeanFieldNet, x: Tensor, growth: Tensor, sign: int = -1) -> Particles:
    """Particles on the grid whose co-states attain the lower (``sign`` -1) or upper (+1) bound at the one input x.

    Block l has J = ±(growth_l/c_l) v vᵀ at X_0 (with sign -1, growth_l above 1 is cut to 1: the co-state is 0
    then), v = w1/‖w1‖, and f(X_0) = 0, so that the state stays where the slope of σ = tanh is 1. Ours.

    Args:
        net: with tanh blocks.
        x: (1, inputs).
        growth: wanted c_lΛ_l, (L,), >= 0.
        sign: -1 or 1.

    Raises:
        TypeError, ValueError: another activation, more than one input, a negative growth, another sign.
    """
    checks.one_of("sign", sign, (-1, 1))
    checks.instance("net", net, MeanFieldNet)
    checks.reals("growth", growth, ndim=1, like=net.w2)
    checks.reals("x", x, ndim=2, like=net.w2)
    if net.block.activation != "tanh":
        checks.fail("net", "tanh blocks, of slope 1 at 0", net.block.activation)
    if len(x) != 1:
        checks.fail("x", "one sample", f"{len(x)}")
    if not bool((growth >= 0).all()):
        checks.fail("growth", "numbers >= 0", growth.tolist())
    growth = growth.clamp_max(1) if sign < 0 else growth
    m, v = net.block.width, net.w1 / net.w1.norm()
    w = v.repeat(m)
    b = -(net.initial(x)[0] @ v).repeat(m)
    steps = Particles.on_grid(growth[:, None]).weights(net.weighting)
    theta = torch.stack([torch.cat([sign * size * v.repeat(m), w, b]) for size in growth / steps])
    return Particles.on_grid(theta)
