"""Tangent kernels and the linearised net: what training would do if features did not move."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import grad, vmap

from contdepth import checks
from contdepth.meanfield.ensemble import Ensemble
from contdepth.meanfield.network import MeanFieldNet, check_data
from contdepth.meanfield.particles import Particles
from contdepth.meanfield.shallow import sensitivities

__all__ = ["Movement", "movement", "output_jacobian", "tangent_kernel", "train_linearised"]


@torch.no_grad()
def output_jacobian(net: MeanFieldNet, particles: Particles, x: Tensor) -> Tensor:
    """∂output/∂θ, (batch, L, k): c_l ∇_θ ⟨f(X_l, θ_l), q_{l+1}⟩ with the co-states q of the output, q_L = w1."""
    checks.instance("net", net, MeanFieldNet)
    states, weights = net.states(particles, x)[:-1], net.factors(particles)
    costates = sensitivities(net, particles, x)[1:]

    def of_block(theta: Tensor, c: Tensor, states: Tensor, costates: Tensor) -> Tensor:
        return vmap(lambda s, p: c * grad(lambda one: net.block(one, s[None])[0] @ p)(theta))(states, costates)

    each = vmap(of_block)(particles.theta, weights, states, costates)
    return each.transpose(0, 1)


def tangent_kernel(
    net: MeanFieldNet, particles: Particles, x: Tensor, other: Tensor | None = None, *, scale: float | None = None
) -> Tensor:
    """K(x, x') = s Σ_l ⟨∂output(x)/∂θ_l, ∂output(x')/∂θ_l⟩, (batch, batch'), with s = ``scale``, L by default.

    The neural tangent kernel (Jacot et al. 2018) for the learning rate s · η: with weights 1/L and s = L it tends
    to ∫ ⟨∇_θ⟨f, q⟩(x), ∇_θ⟨f, q⟩(x')⟩ dρ.
    """
    checks.instance("particles", particles, Particles)
    scale = float(len(particles)) if scale is None else checks.real("scale", scale, above=0)
    here = output_jacobian(net, particles, x).flatten(1)
    there = here if other is None else output_jacobian(net, particles, other).flatten(1)
    return scale * here @ there.T


@torch.no_grad()
def train_linearised(
    net: MeanFieldNet,
    particles: Particles,
    x: Tensor,
    y: Tensor,
    x_test: Tensor,
    *,
    steps: int,
    rate: float,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Outputs on x (batch, inputs) and ``x_test`` of the net linearised at ``particles`` after gradient descent.

    o ← o - (rate/batch) K (o_train - y), ``steps`` times: the same full-batch steps that ``train`` takes with
    ``optimiser="gd"``, if the Jacobian stayed what it is. ``scale`` is the s of ``train``: L by default, 1 for
    weights L^-1/2.

    Raises:
        TypeError, ValueError: bad data, or the steps diverge (rate > 2 batch / largest eigenvalue of K).
    """
    checks.finite("x", checks.reals("x", x, ndim=2))
    checks.finite("x_test", checks.reals("x_test", x_test, ndim=2))
    checks.real("rate", rate, above=0)
    check_data(x, y)
    kernel = tangent_kernel(net, particles, x, scale=scale)
    cross = tangent_kernel(net, particles, x_test, x, scale=scale)
    largest = torch.linalg.eigvalsh(kernel)[-1].item()
    if rate * largest > 2 * len(x):
        checks.fail("rate", f"at most {2 * len(x) / largest:.4g} for this kernel", rate)
    on_train, on_test = net(particles, x), net(particles, x_test)
    for _ in range(checks.integer("steps", steps, at_least=0)):
        residual = (rate / len(x)) * (on_train - y)
        on_train, on_test = on_train - kernel @ residual, on_test - cross @ residual
    return on_train, on_test


@dataclass(frozen=True)
class Movement:
    """How far training went, each (R,): root mean squares over entries, and a relative Frobenius norm.

    ``particles``: of θ - θ_0, over particles and parameters. ``features``: of X_L - X_L at the start, relative to
    the spread of X_L at the start (over samples). ``kernel``: ‖K - K_0‖ / ‖K_0‖.
    """

    particles: Tensor
    features: Tensor
    kernel: Tensor


@torch.no_grad()
def movement(net: MeanFieldNet, start: Ensemble, end: Ensemble, x: Tensor) -> Movement:
    """Movement of every run between two states of one ensemble, seen on x (batch, inputs)."""
    checks.instance("net", net, MeanFieldNet)
    checks.instance("start", start, Ensemble)
    checks.instance("end", end, Ensemble)
    checks.same_shape("end.theta", end.theta, start.theta.shape, "give two states of one ensemble")
    rows = []
    for row in range(len(start)):
        before, after = start.particles(row), end.particles(row)
        first, last = net.states(before, x)[-1], net.states(after, x)[-1]
        kernels = [tangent_kernel(net, one, x) for one in (before, after)]
        rows.append(
            (
                (end.theta - start.theta)[row, : len(before)].square().mean().sqrt(),
                ((last - first).square().mean() / (first - first.mean(0)).square().mean()).sqrt(),
                (kernels[1] - kernels[0]).norm() / kernels[0].norm(),
            )
        )
    return Movement(*(torch.stack(column) for column in zip(*rows, strict=True)))
