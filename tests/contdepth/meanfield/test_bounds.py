"""Bounds of co-states along depth, and the distance of a deep net from the two-layer net of its particles."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from contdepth.meanfield.bounds import adjoint_bounds, attaining
from contdepth.meanfield.network import MeanFieldNet
from contdepth.meanfield.particles import WEIGHTINGS, Particles
from contdepth.meanfield.shallow import (
    removal,
    scale_branches,
    sensitivities,
    shallow_states,
    shallow_variation,
    state_bounds,
    variation_bounds,
)
from contdepth.meanfield.task import small_net, waves
from contdepth.seeds import generator


def random_particles(net: MeanFieldNet, count: int, purpose: str, scale: float = 1.0) -> Particles:
    source = generator(11, purpose)
    t = torch.rand(count, generator=source, dtype=torch.float64).sort().values
    return Particles(net.block.draw((count,), source, scale=scale), t)


def ratios(net: MeanFieldNet, particles: Particles, x: Tensor, y: Tensor) -> Tensor:
    size = net.along(particles, x, y).costates.norm(dim=-1)
    return size / size[-1]


def slope(h: Tensor, values: Tensor) -> float:
    h, values = h.log(), values.log()
    return ((h - h.mean()) * (values - values.mean())).sum().item() / (h - h.mean()).square().sum().item()


# ------------------------------------------------------------------------------------------------------- co-states


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("width", [1, 3])
def test_costates_stay_inside(width: int, activation: str, weighting: str) -> None:
    net, (x, y) = small_net(width, weighting, activation=activation), waves()
    for k in range(12):
        particles = random_particles(net, 1 + 2 * k, f"inside/{k}", (0.3, 1.0, 4.0)[k % 3])
        bounds, ratio = adjoint_bounds(net, particles), ratios(net, particles, x, y)
        assert (ratio <= bounds.upper[:, None] * (1 + 1e-12)).all()
        assert (ratio >= bounds.lower[:, None] * (1 - 1e-12)).all()
        assert bounds.upper[0] <= bounds.exponent.exp() * (1 + 1e-12)
        assert bounds.upper[-1] == bounds.lower[-1] == 1


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("width", [1, 3])
def test_bounds_are_attained(width: int, sign: int, weighting: str) -> None:
    net, (x, y) = small_net(width, weighting), waves(1)
    growth = torch.rand(9, generator=generator(0, "growth"), dtype=torch.float64)
    particles = attaining(net, x, growth, sign)
    bounds = adjoint_bounds(net, particles)
    torch.testing.assert_close(
        particles.weights(weighting) * net.block.lipschitz(particles.theta), growth, rtol=1e-12, atol=0
    )
    goal = bounds.lower if sign < 0 else bounds.upper
    torch.testing.assert_close(ratios(net, particles, x, y)[:, 0], goal, rtol=1e-11, atol=0)


def test_exponential_is_no_lower_bound_of_a_finite_net() -> None:
    net, (x, y) = small_net(), waves(1)
    particles = attaining(net, x, torch.tensor([0.5], dtype=torch.float64))
    ratio = ratios(net, particles, x, y)[0, 0].item()
    assert ratio == pytest.approx(0.5)
    assert ratio < math.exp(-adjoint_bounds(net, particles).exponent.item())


def test_a_strong_block_can_end_a_costate() -> None:
    net, (x, y) = small_net(), waves(1)
    growth = torch.tensor([0.3, 1.0, 0.2], dtype=torch.float64)
    particles = attaining(net, x, growth)
    torch.testing.assert_close(
        adjoint_bounds(net, particles).lower, torch.tensor([0, 0, 0.8, 1], dtype=torch.float64), rtol=0, atol=1e-15
    )
    assert ratios(net, particles, x, y)[:2].max() < 1e-15
    beyond = attaining(net, x, torch.tensor([1.5], dtype=torch.float64))
    assert adjoint_bounds(net, beyond).lower[0] == 0


@pytest.mark.parametrize("total", [0.5, 2.0])
def test_gap_closes_like_one_over_depth_and_inside_its_bound(total: float) -> None:
    net, (x, y) = small_net(), waves(1)
    depths = torch.tensor([8.0, 16, 32, 64, 128, 256], dtype=torch.float64)
    gaps = []
    for depth in depths.int().tolist():
        particles = attaining(net, x, torch.full((depth,), total / depth, dtype=torch.float64))
        gaps.append(math.exp(-total) - ratios(net, particles, x, y)[0, 0].item())
        assert 0 < gaps[-1] <= math.exp(-total) * total**2 / (2 * (depth - total))
    assert slope(depths, torch.tensor(gaps, dtype=torch.float64)) == pytest.approx(-1, abs=0.08)


def test_attaining_input_errors() -> None:
    net, (x, _) = small_net(), waves(3)
    growth = torch.full((2,), 0.1, dtype=torch.float64)
    for call in (
        lambda: attaining(net, x, growth),
        lambda: attaining(net, x[:1], -growth),
        lambda: attaining(net, x[:1], growth, 2),
        lambda: attaining(small_net(activation="relu"), x[:1], growth),
        lambda: state_bounds(small_net(activation="relu"), random_particles(net, 3, "relu")),
    ):
        with pytest.raises((TypeError, ValueError), match="expected"):
            call()


# ---------------------------------------------------------------------------------------------------- shallow nets


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_shallow_net_is_the_sum_over_blocks_at_the_start(weighting: str) -> None:
    net, (x, _) = small_net(2, weighting), waves(5)
    particles = random_particles(net, 6, "sum")
    start, found = x @ net.w2, shallow_states(net, particles, x)
    total = start.clone()
    for l, c in enumerate(particles.weights(weighting)):
        torch.testing.assert_close(found[l], total, rtol=1e-13, atol=1e-14)
        total = total + c * net.block(particles.theta[l], start)
    torch.testing.assert_close(found[-1], total, rtol=1e-13, atol=1e-14)


def test_shallow_net_is_linear_in_the_measure_and_blind_to_order() -> None:
    net, (x, _) = small_net(), waves(5)
    first, second = random_particles(net, 4, "first"), random_particles(net, 7, "second")
    ends = [shallow_states(net, one, x)[-1] for one in (first, second)]
    mixed = shallow_states(net, first.mixed(second, 0.3), x)[-1]
    torch.testing.assert_close(mixed, 0.7 * ends[0] + 0.3 * ends[1], rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(shallow_states(net, first.permute([3, 1, 0, 2]), x)[-1], ends[0])
    deep = net.states(first.mixed(second, 0.3), x)[-1]
    assert (deep - 0.7 * net.states(first, x)[-1] - 0.3 * net.states(second, x)[-1]).abs().max() > 1e-3


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("width", [1, 3])
def test_deep_is_near_shallow(width: int, weighting: str) -> None:
    net, (x, y) = small_net(width, weighting), waves()
    candidates = net.block.draw((30,), generator(1, "candidates"), scale=2.0)
    times = torch.rand(30, generator=generator(1, "times"), dtype=torch.float64)
    for k in range(12):
        particles = random_particles(net, 1 + 2 * k, f"near/{k}", (0.1, 1.0, 3.0)[k % 3])
        reach, apart = state_bounds(net, particles)
        states = net.states(particles, x)
        assert ((states - states[0]).norm(dim=-1) <= reach[:, None] * (1 + 1e-12)).all()
        assert ((states - shallow_states(net, particles, x)).norm(dim=-1) <= apart[:, None] + 1e-14).all()
        along = net.along(particles, x, y)
        moved = (along.costates - along.costates[-1]).norm(dim=-1)
        upper = adjoint_bounds(net, particles).upper[:, None]
        assert (moved <= (upper - 1) * along.costates[-1].norm(dim=-1) + 1e-14).all()
        deep = net.first_variation(along, candidates, times)
        shallow = shallow_variation(net, particles, x, y, candidates)
        assert ((deep - shallow).abs() <= variation_bounds(net, along, candidates, times)).all()


def test_a_perfect_deep_net_leaves_the_residual_of_the_shallow_one() -> None:
    net, (x, _) = small_net(), waves()
    particles = random_particles(net, 6, "perfect", 3.0)
    y = net(particles, x)
    candidates = net.block.draw((30,), generator(1, "candidates"))
    along = net.along(particles, x, y)
    limit = variation_bounds(net, along, candidates, torch.full((30,), 0.5, dtype=torch.float64))
    expected = net.block.bound(candidates) * net.w1.square().sum() * state_bounds(net, particles)[1][-1]
    torch.testing.assert_close(limit, expected)
    shallow = shallow_variation(net, particles, x, y, candidates).abs()
    assert (shallow <= limit).all() and shallow.max() > 0


def test_distance_bound_is_sharp_to_second_order() -> None:
    """Two blocks along one direction: the second sees the step of the first through its full slope."""
    net, (x, _) = small_net(), waves(1)
    v, start = net.w1, (x @ net.w2)[0]
    size = 1e-4
    first = torch.cat([size * v, torch.zeros(4), torch.full((1,), 40.0)])  # tanh(40) = 1: a constant step
    second = torch.cat([v, v, -(start @ v)[None]])
    particles = Particles.on_grid(torch.stack([first, second]))
    gap = (net.states(particles, x)[-1] - shallow_states(net, particles, x)[-1]).norm().item()
    assert gap == pytest.approx(state_bounds(net, particles)[1][-1].item(), rel=1e-6)


def test_shallow_variation_is_the_derivative_of_the_shallow_loss() -> None:
    net, (x, y) = small_net(2), waves()
    particles = random_particles(net, 5, "derivative")
    candidates = net.block.draw((3,), generator(2, "candidates"))
    found = shallow_variation(net, particles, x, y, candidates)
    for theta, value in zip(candidates, found, strict=True):

        def loss(mass: float, theta: Tensor = theta) -> float:
            final = shallow_states(net, particles, x)[-1] + mass * net.block(theta, x @ net.w2)
            return 0.5 * (final @ net.w1 - y).square().mean().item()

        assert value.item() == pytest.approx((loss(1e-4) - loss(-1e-4)) / 2e-4, rel=1e-7)


@pytest.mark.parametrize("width", [1, 2])
def test_distance_is_of_second_order_in_the_branches(width: int) -> None:
    net, (x, _) = small_net(width), waves()
    particles = random_particles(net, 16, "scale")
    factors = 2.0 ** torch.arange(-8.0, -2.0, dtype=torch.float64)
    gaps, limits = [], []
    for factor in factors.tolist():
        one = scale_branches(net, particles, factor)
        torch.testing.assert_close(
            net.block(one.theta, x @ net.w2), factor * net.block(particles.theta, x @ net.w2)
        )
        gaps.append((net.states(one, x)[-1] - shallow_states(net, one, x)[-1]).norm())
        limits.append(state_bounds(net, one)[1][-1])
    assert slope(factors, torch.stack(gaps)) == pytest.approx(2, abs=0.05)
    assert slope(factors, torch.stack(limits)) == pytest.approx(2, abs=1e-9)


def test_sensitivities_are_gradients_of_the_output() -> None:
    net, (x, _) = small_net(2), waves(6)
    particles = random_particles(net, 5, "gradient")
    start = net.initial(x).requires_grad_()
    output = net.trajectory(particles.theta, particles.masses, start)[-1] @ net.w1
    expected = torch.autograd.grad(output.sum(), start)[0]
    torch.testing.assert_close(sensitivities(net, particles, x)[0], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_removal(weighting: str) -> None:
    net, (x, _) = small_net(2, weighting), waves(6)
    particles = random_particles(net, 5, "removal")
    exact, first = removal(net, particles, x)
    if weighting == "equal":  # with gaps a dropped block makes the next one wider, which is another question
        for l in range(5):
            expected = net(particles, x) - net(particles.drop(l), x)
            torch.testing.assert_close(exact[l], expected, rtol=1e-10, atol=1e-14)
    assert (exact - first).norm() < 0.3 * exact.norm()


def test_removal_error_is_of_second_order_in_the_mass() -> None:
    net, (x, _) = small_net(), waves()
    particles = random_particles(net, 8, "mass")
    masses = 2.0 ** torch.arange(-10.0, -4.0, dtype=torch.float64)
    for place in (0, 4):
        errors = []
        for mass in masses:
            changed = particles.masses.clone()
            changed[place] = mass
            exact, first = removal(net, Particles(particles.theta, particles.t, changed), x)
            errors.append((exact - first)[place].norm())
        assert slope(masses, torch.stack(errors)) == pytest.approx(2, abs=0.1)
    last = (removal(net, particles, x)[0] - removal(net, particles, x)[1])[-1]
    assert last.abs().max() < 1e-14  # the output is affine in the last block's weight


def test_a_costate_that_vanishes_attains_the_lower_bound_zero() -> None:
    net, (x, y) = small_net(), waves(1)
    particles = attaining(net, x, torch.tensor([0.5, 1.5, 0.3], dtype=torch.float64))
    found = ratios(net, particles, x, y)[:, 0]
    assert torch.allclose(found, adjoint_bounds(net, particles).lower, atol=1e-12)
    assert found[1].abs() < 1e-12 < found[2]
