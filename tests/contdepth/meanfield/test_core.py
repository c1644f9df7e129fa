"""Blocks, particles and the residual net of particles: hand formulas, differences, invariants, input errors."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from contdepth.meanfield.block import Block
from contdepth.meanfield.network import MeanFieldNet, lift
from contdepth.meanfield.particles import WEIGHTINGS, Particles, reflect
from contdepth.meanfield.task import small_net, waves
from contdepth.seeds import generator

DIM = 4


def draw(block: Block, count: int, purpose: str = "theta") -> Tensor:
    return block.draw((count,), generator(5, purpose), scale=1.5, mean=0.3)


def uneven(block: Block, count: int) -> Particles:
    """Particles at random times, sorted, with masses of their own."""
    source = generator(6, "times")
    t = torch.rand(count, generator=source, dtype=torch.float64).sort().values
    mass = 0.1 + torch.rand(count, generator=source, dtype=torch.float64)
    return Particles(draw(block, count), t, mass / mass.sum())


def error(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


# ------------------------------------------------------------------------------------------------------- the block


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("width", [1, 3])
def test_block_is_the_formula(width: int, activation: str) -> None:
    block = Block(DIM, width, activation)
    theta, x = draw(block, 1)[0], torch.randn(7, DIM, generator=generator(1, "x"), dtype=torch.float64)
    a, w, b = theta[: width * DIM], theta[width * DIM : 2 * width * DIM], theta[2 * width * DIM :]
    sigma = math.tanh if activation == "tanh" else lambda z: max(z, 0.0)
    for sample, found in zip(x, block(theta, x), strict=True):
        for k in range(DIM):
            terms = [
                a[j * DIM + k].item() * sigma((w[j * DIM : (j + 1) * DIM] @ sample + b[j]).item())
                for j in range(width)
            ]
            assert found[k].item() == pytest.approx(sum(terms) / width, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_lipschitz_and_bound_hold_and_are_sharp(width: int, activation: str) -> None:
    block = Block(DIM, width, activation)
    thetas = draw(block, 20)
    x = 3 * torch.randn(30, DIM, generator=generator(2, "x"), dtype=torch.float64)
    for theta in thetas:
        jacobian = torch.func.vmap(torch.func.jacrev(lambda s, theta=theta: block(theta, s[None])[0]))(x)
        assert (torch.linalg.matrix_norm(jacobian, 2) <= block.lipschitz(theta) * (1 + 1e-12)).all()
        assert (block(theta, x).norm(dim=1) <= block.bound(theta)).all()
    a, w, _ = block.parts(thetas[0])
    same = torch.cat([a[:1].expand(width, DIM).flatten(), w[:1].expand(width, DIM).flatten(), torch.zeros(width)])
    at_zero = torch.func.jacrev(lambda s: block(same, s[None])[0])(torch.full((DIM,), 1e-9) * w[0].sign())
    assert torch.linalg.matrix_norm(at_zero, 2).item() == pytest.approx(block.lipschitz(same).item(), rel=1e-9)
    rest = torch.zeros((width - 1) * DIM, dtype=torch.float64)
    single = torch.cat([a[0], rest, w[0], rest, torch.zeros(width)])  # one neuron, the others silent
    assert block.lipschitz(single).item() == pytest.approx((a[0].norm() * w[0].norm()).item() / width)
    if activation == "tanh":
        far = block(same, 1e3 * w[:1]).norm().item()
        assert far == pytest.approx(block.bound(same).item(), rel=1e-9)


def test_chain_and_broadcasts_agree_with_the_loop() -> None:
    block = Block(DIM, 2)
    thetas = draw(block, 6)
    x = torch.randn(6, 9, DIM, generator=generator(3, "x"), dtype=torch.float64)
    looped = torch.stack([block(theta, one) for theta, one in zip(thetas, x, strict=True)])
    torch.testing.assert_close(block(thetas, x), looped, rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(torch.func.vmap(block)(thetas, x), looped, rtol=1e-13, atol=1e-14)
    shared = torch.stack([block(theta, x[0]) for theta in thetas])
    torch.testing.assert_close(block(thetas, x[0]), shared, rtol=1e-13, atol=1e-14)
    weights = torch.linspace(0.05, 0.3, 6, dtype=torch.float64)
    states = [x[0]]
    for theta, c in zip(thetas, weights, strict=True):
        states.append(states[-1] + c * block(theta, states[-1]))
    for found, expected in zip(block.chain(thetas, weights, x[0]), states, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("width", [1, 2])
def test_chain_of_many_agrees_with_chain(width: int) -> None:
    block = Block(DIM, width)
    theta = block.draw((5, 3), generator(4, "many"))
    weights = torch.rand(5, 3, generator=generator(4, "weights"), dtype=torch.float64)
    start = torch.randn(3, 8, DIM, generator=generator(4, "start"), dtype=torch.float64)
    many = block.chain_of_many(theta.movedim(1, 2), weights, start.permute(2, 1, 0))
    for run in range(3):
        alone = block.chain(theta[:, run], weights[:, run], start[run])[-1]
        torch.testing.assert_close(many[:, :, run].T, alone, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Block(0),
        lambda: Block(2, 0),
        lambda: Block(2, 1, "gelu"),
        lambda: Block(2)(torch.zeros(4), torch.zeros(1, 2)),
    ],
)
def test_block_input_errors(make) -> None:
    with pytest.raises((TypeError, ValueError), match="expected"):
        make()


# --------------------------------------------------------------------------------------------------- the particles


def test_reflect_is_the_zigzag() -> None:
    t = torch.linspace(-3, 3, 241, dtype=torch.float64)
    folded = reflect(t)
    assert ((folded >= 0) & (folded <= 1)).all()
    inside = (t >= 0) & (t <= 1)
    torch.testing.assert_close(folded[inside], t[inside], rtol=0, atol=1e-15)
    for mirror in (-t, 2 - t, t + 2):
        torch.testing.assert_close(reflect(mirror), folded, rtol=0, atol=1e-14)
    assert folded.diff().abs().max() <= t.diff().max() * (1 + 1e-9)


def test_particles_input_errors() -> None:
    theta, t = torch.zeros(3, 9, dtype=torch.float64), torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    good = Particles(theta, t)
    bad = {
        "theta: expected at least one particle": lambda: Particles(theta[:0], t[:0]),
        "t: expected times in": lambda: Particles(theta, t + 0.2),
        "at particle 1": lambda: Particles(theta, t * torch.tensor([1, -1, 1])),
        "nan at particle 2": lambda: Particles(theta, torch.tensor([0.1, 0.2, math.nan], dtype=torch.float64)),
        "t: expected shape": lambda: Particles(theta, t[:2]),
        "theta: expected a tensor with 2": lambda: Particles(theta[0], t),
        "theta: expected finite": lambda: Particles(theta + math.inf, t),
        "mass: expected shape": lambda: Particles(theta, t, t[:1]),
        "mass: expected finite": lambda: Particles(theta, t, t * math.nan),
        "theta: expected a floating": lambda: Particles(theta.long(), t),
        "weighting: expected one of": lambda: good.weights("mass"),
        "order: expected a permutation": lambda: good.permute([0, 0, 1]),
        "order: expected": lambda: good.permute([0, 1]),
        "j: expected": lambda: good.swap(0, 3),
        "i: expected": lambda: good.drop(-1),
        "at least two": lambda: good.pick([1]).drop(0),
        "which: expected": lambda: good.pick([0, 3]),
        "other: expected": lambda: good.mixed(Particles(theta[:, :5], t), 0.5),
        "share: expected": lambda: good.mixed(good, 1.5),
    }
    for message, call in bad.items():
        with pytest.raises((TypeError, ValueError)) as caught:
            call()
        assert message in str(caught.value), (message, str(caught.value))


def test_unsorted_particles_are_refused_where_order_counts() -> None:
    net = small_net()
    x, y = waves(5)
    wrong = Particles(draw(net.block, 3), torch.tensor([0.1, 0.9, 0.5], dtype=torch.float64))
    for call in (
        lambda: net(wrong, x),
        lambda: net.loss(wrong, x, y),
        lambda: net.along(wrong, x, y),
        lambda: wrong.weights("gaps"),
    ):
        with pytest.raises(ValueError, match="sorted"):
            call()
    assert wrong.order.tolist() == [0, 2, 1]
    assert wrong.sorted().is_sorted and not wrong.is_sorted
    assert torch.equal(wrong.sorted().theta, wrong.theta[[0, 2, 1]])


def test_rearrangements() -> None:
    particles = uneven(Block(DIM), 5)
    swapped = particles.swap(1, 3)
    assert torch.equal(swapped.theta, particles.theta[[0, 3, 2, 1, 4]])
    assert torch.equal(swapped.t, particles.t) and torch.equal(swapped.masses, particles.masses)
    assert torch.equal(swapped.swap(1, 3).theta, particles.theta)
    order = [4, 2, 0, 1, 3]
    assert torch.equal(particles.permute(order).theta, particles.theta[order])
    dropped = particles.drop(2)
    assert torch.equal(dropped.theta, particles.theta[[0, 1, 3, 4]])
    assert torch.equal(dropped.masses, particles.masses[[0, 1, 3, 4]])
    plain = Particles.on_grid(particles.theta)
    assert plain.drop(0).masses.tolist() == [0.2] * 4  # 1/L of the five, not of the four
    assert plain.t.tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert Particles.on_grid(particles.theta).sorted().mass is None


def test_a_mixture_is_one() -> None:
    first, second = uneven(Block(DIM), 4), Particles.on_grid(draw(Block(DIM), 3, "other"))
    mixed = first.mixed(second, 0.3)
    assert mixed.is_sorted and len(mixed) == 7
    assert mixed.masses.sum().item() == pytest.approx(1)
    for ends, whole in ((0.0, first), (1.0, second)):
        kept = first.mixed(second, ends)
        kept = kept.pick(kept.masses.nonzero()[:, 0])
        assert torch.equal(kept.theta, whole.theta) and torch.equal(kept.t, whole.t)
        torch.testing.assert_close(kept.masses, whole.masses, rtol=1e-15, atol=0)
    for row, mass in zip(first.theta, first.masses, strict=True):
        where = (mixed.theta == row).all(1).nonzero()[0, 0]
        assert mixed.masses[where].item() == pytest.approx(0.7 * mass.item())


def test_gaps_are_steps_of_time_and_ignore_masses() -> None:
    particles = uneven(Block(DIM), 6)
    gaps = particles.weights("gaps")
    assert gaps.sum().item() == pytest.approx(particles.t[-1].item())
    assert gaps[0] == particles.t[0]
    torch.testing.assert_close(gaps.cumsum(0), particles.t, rtol=1e-14, atol=0)
    heavier = Particles(particles.theta, particles.t, 3 * particles.masses)
    assert torch.equal(heavier.weights("gaps"), gaps)
    torch.testing.assert_close(heavier.weights("equal"), 3 * particles.masses)
    grid = Particles.on_grid(particles.theta)
    torch.testing.assert_close(grid.weights("gaps"), grid.weights("equal"), rtol=1e-14, atol=0)


# --------------------------------------------------------------------------------------------------------- the net


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_the_net_is_the_recursion(weighting: str) -> None:
    net, (x, y) = small_net(2, weighting), waves(6)
    particles = uneven(net.block, 5)
    state = x @ net.w2
    before = 0.0
    for l in range(5):
        c = particles.masses[l] if weighting == "equal" else particles.t[l] - before
        before = particles.t[l]
        state = state + c * net.block(particles.theta[l], state)
    torch.testing.assert_close(net.states(particles, x)[-1], state, rtol=1e-13, atol=1e-14)
    expected = 0.5 * ((state * net.w1).sum(1) - y).square().mean()
    torch.testing.assert_close(net.loss(particles, x, y), expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_gradients_are_those_of_autograd(weighting: str, activation: str) -> None:
    net, (x, y) = small_net(2, weighting, activation=activation), waves()
    particles = uneven(net.block, 7)
    theta, t = particles.theta.clone().requires_grad_(), particles.t.clone().requires_grad_()
    loss = net.loss(Particles(theta, t, particles.mass), x, y)
    in_theta, in_t = torch.autograd.grad(loss, (theta, t), allow_unused=True, materialize_grads=True)
    found_theta, found_t = net.gradients(net.along(particles, x, y))
    assert error(found_theta, in_theta) < 1e-13
    if weighting == "gaps":
        assert error(found_t, in_t) < 1e-12
    else:
        assert not found_t.any() and not in_t.any()


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_gradients_are_central_differences(weighting: str) -> None:
    net, (x, y) = small_net(1, weighting), waves()
    particles = uneven(net.block, 6)
    in_theta, in_t = net.gradients(net.along(particles, x, y))
    direction = torch.randn(particles.theta.shape, generator=generator(8, "way"), dtype=torch.float64)
    eps = 1e-5

    def moved(s: float) -> Tensor:
        return net.loss(Particles(particles.theta + s * direction, particles.t, particles.mass), x, y)

    difference = (moved(eps) - moved(-eps)) / (2 * eps)
    assert (in_theta * direction).sum().item() == pytest.approx(difference.item(), rel=1e-7)
    for l in range(len(particles)):
        shift = torch.zeros_like(particles.t)
        shift[l] = 1e-6
        up, down = (
            net.loss(Particles(particles.theta, particles.t + s * shift, particles.mass), x, y) for s in (1, -1)
        )
        assert in_t[l].item() == pytest.approx(((up - down) / 2e-6).item(), rel=1e-5, abs=1e-9)


def test_costates_are_derivatives_in_the_state() -> None:
    net, (x, y) = small_net(2), waves(5)
    particles = uneven(net.block, 6)
    along = net.along(particles, x, y)
    for l in range(7):
        state = along.states[l].clone().requires_grad_()
        final = state
        for theta, c in zip(particles.theta[l:], along.weights[l:], strict=True):
            final = final + c * net.block(theta, final)
        half_square = 0.5 * (final @ net.w1 - y).square().sum()
        expected = torch.autograd.grad(half_square, state)[0]
        assert error(along.costates[l], expected) < 1e-13


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_mass_gradient_is_the_derivative_in_every_weight(weighting: str) -> None:
    net, (x, y) = small_net(2, weighting), waves()
    particles = uneven(net.block, 6)
    along = net.along(particles, x, y)
    weights = along.weights.clone().requires_grad_()
    output = net.trajectory(particles.theta, weights, net.initial(x))[-1] @ net.w1
    expected = torch.autograd.grad(0.5 * (output - y).square().mean(), weights)[0]
    assert error(net.mass_gradient(along), expected) < 1e-13


def test_first_variation_is_the_derivative_in_an_inserted_mass() -> None:
    net, (x, y) = small_net(2), waves()
    particles = uneven(net.block, 6)
    along = net.along(particles, x, y)
    candidates = draw(net.block, 5, "new")
    times = torch.tensor([0.0, particles.t[2].item(), 0.4, 0.7, 1.0], dtype=torch.float64)
    found = net.first_variation(along, candidates, times)
    for theta, t, value in zip(candidates, times, found, strict=True):
        place = int((particles.t <= t).sum())
        thetas = torch.cat([particles.theta[:place], theta[None], particles.theta[place:]])

        def loss(mass: float, thetas: Tensor = thetas, place: int = place) -> Tensor:
            weights = torch.cat(
                [particles.masses[:place], torch.tensor([mass], dtype=torch.float64), particles.masses[place:]]
            )
            return 0.5 * (net.trajectory(thetas, weights, net.initial(x))[-1] @ net.w1 - y).square().mean()

        difference = (loss(1e-5) - loss(-1e-5)) / 2e-5
        assert value.item() == pytest.approx(difference.item(), rel=1e-7)
    at_particles = net.first_variation(along, particles.theta, particles.t)
    assert (at_particles - net.mass_gradient(along)).abs().max() > 1e-3  # behind the block, not in its place


def test_first_variation_is_differentiable_in_theta() -> None:
    net, (x, y) = small_net(), waves()
    along = net.along(uneven(net.block, 4), x, y)
    candidate = draw(net.block, 3, "new").requires_grad_()
    times = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda theta: net.first_variation(along, theta, times), candidate)


def test_order_of_blocks_counts_and_equal_times_do_not() -> None:
    net, (x, _) = small_net(), waves()
    particles = uneven(net.block, 5)
    assert (net(particles.swap(0, 4), x) - net(particles, x)).abs().max() > 1e-4
    squeezed = Particles(particles.theta, particles.t**3, particles.mass)
    assert torch.equal(net(squeezed, x), net(particles, x))
    assert not torch.equal(small_net(1, "gaps")(squeezed, x), small_net(1, "gaps")(particles, x))


def test_lift_is_seeded_and_scaled() -> None:
    w2, w1 = lift(3, 2000, generator(0, "lift"))
    again = lift(3, 2000, generator(0, "lift"))
    assert torch.equal(w2, again[0]) and torch.equal(w1, again[1])
    assert w1.norm().item() == pytest.approx(1)
    assert w2.std().item() == pytest.approx(3**-0.5, rel=0.05)


def test_net_input_errors() -> None:
    w2, w1 = lift(2, 4, generator(0, "lift"))
    net, (x, y) = MeanFieldNet(Block(4), w2, w1), waves(5)
    particles = uneven(net.block, 3)
    bad = {
        "w1: expected shape": lambda: MeanFieldNet(Block(3), w2, w1),
        "w2: expected shape": lambda: MeanFieldNet(Block(4), w2[:, :3], w1),
        "weighting: expected one of": lambda: MeanFieldNet(Block(4), w2, w1, "mass"),
        "x: expected 2 numbers": lambda: net(particles, torch.zeros(5, 3, dtype=torch.float64)),
        "x: expected a tensor": lambda: net(particles, x[0]),
        "y: expected shape": lambda: net.loss(particles, x, y[:2]),
        "theta: expected 9": lambda: net(Particles(particles.theta[:, :5], particles.t), x),
    }
    for message, call in bad.items():
        with pytest.raises((TypeError, ValueError)) as caught:
            call()
        assert message in str(caught.value), (message, str(caught.value))
