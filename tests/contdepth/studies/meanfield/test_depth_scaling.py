"""Order of blocks: each change against the Lie bracket or the first variation that predicts it."""

import math

import pytest
import torch

from contdepth.meanfield.density import GaussianDensity
from contdepth.meanfield.limit import MeanFieldODE
from contdepth.meanfield.network import MeanFieldNet
from contdepth.meanfield.particles import Particles
from contdepth.meanfield.task import small_net, waves
from contdepth.seeds import generator
from contdepth.studies.meanfield.depth_scaling import Batch, law, sampled, scaling

NET = small_net()
X, Y = waves(6)


def nets(name="constant mean", depths=(32,), count=8, weighting="equal", deviation=1.0):
    ensemble = sampled(law(name, NET.block, deviation=deviation), depths, range(count))
    return [Batch.of(ensemble, depth, weighting) for depth in depths]


def bracket(first, second, states):
    """J_g f - J_f g for f, g at θ = ``first``, ``second``, by central differences."""
    f, g, h = NET.block(first, states), NET.block(second, states), 1e-5

    def along(theta, direction):
        return (NET.block(theta, states + h * direction) - NET.block(theta, states - h * direction)) / (2 * h)

    return along(second, f) - along(first, g)


@pytest.mark.parametrize("weighting", ["equal", "gaps"])
def test_batch_gives_the_outputs_of_single_nets(weighting):
    ensemble = sampled(law("moving mean", NET.block), (12, 5), range(3))
    batch = Batch.of(ensemble, 5, weighting)
    net = MeanFieldNet(NET.block, NET.w2, NET.w1, weighting)
    single = torch.stack([net(ensemble.particles(row), X) for row in range(3, 6)])
    torch.testing.assert_close(batch.outputs(net, X), single, rtol=0, atol=1e-13)


def test_a_draw_depends_on_its_own_depth_and_seed():
    density = law("moving mean", NET.block)
    alone, among = sampled(density, (7,), (2,)), sampled(density, (9, 7), (0, 1, 2))
    assert torch.equal(alone.theta[0], among.theta[5, :7])
    assert torch.equal(alone.t[0], among.t[5, :7])


def test_rearranging_keeps_the_blocks():
    batch = nets(depths=(12,), weighting="gaps")[0]
    source = generator(0, "order")
    rows = torch.arange(8)[:, None]
    for windows in (1, 3, 12):
        moved = batch.shuffled(source, windows)
        for part in range(windows):
            cut = slice(part * 12 // windows, (part + 1) * 12 // windows)
            assert torch.equal(moved.theta[:, cut, 0].sort(1).values, batch.theta[:, cut, 0].sort(1).values)
        assert torch.equal(moved.weights, batch.weights)
        assert (windows == 12) == torch.equal(moved.theta, batch.theta)
    moved = batch.swapped(source)
    where = (moved.theta != batch.theta).any(-1)
    assert bool((where.sum(1) == 2).all())
    first = where.int().argmax(1)[:, None]
    assert torch.equal(moved.theta[rows, first], batch.theta[rows, first + 1])
    assert torch.equal(moved.theta[rows, first + 1], batch.theta[rows, first])
    pairs = batch.permuted(torch.arange(11, -1, -1).repeat(8, 1), with_weights=True)
    assert torch.equal(pairs.weights, batch.weights.flip(1))
    assert torch.equal(pairs.theta, batch.theta.flip(1))
    dropped = batch.dropped(source)
    assert bool(((dropped.weights == 0).sum(1) == 1).all())


def test_shuffle_is_uniform():
    """All 24 orders of four blocks, each within 5 standard errors."""
    theta = torch.arange(4, dtype=torch.float64).repeat(24_000, 1)[..., None].expand(-1, -1, 9)
    batch = Batch(theta, torch.ones(24_000, 4, dtype=torch.float64))
    code = batch.shuffled(generator(0, "order")).theta[..., 0] @ torch.tensor([64.0, 16, 4, 1]).double()
    counts = code.unique(return_counts=True)[1]
    assert len(counts) == 24
    assert float((counts - 1000).abs().max()) < 5 * 1000**0.5


def test_dropping_a_block_agrees_with_particles():
    density, depth = law("constant mean", NET.block), 9
    particles = density.sample(depth, generator(0, "one"))
    batch = Batch(particles.theta[None], particles.weights()[None])
    found = batch.dropped(generator(5, "drop"))
    i = int((found.weights[0] == 0).nonzero()[0])
    torch.testing.assert_close(found.outputs(NET, X)[0], NET(particles.drop(i), X), rtol=0, atol=1e-14)


@pytest.mark.parametrize("depth, tolerance", [(64, 0.05), (1024, 0.003)])
def test_swap_is_the_bracket(depth, tolerance):
    """Output after minus before is c²⟨λ, J_f g - J_g f⟩ for f in front of g, up to the next order in c."""
    theta = law("constant mean", NET.block).draw(torch.zeros(depth, dtype=torch.float64), generator(0, "net"))
    particles, first = Particles.on_grid(theta), depth // 3
    along = NET.along(particles, X, NET(particles, X) - 1)
    change = NET(particles.swap(first, first + 1), X) - NET(particles, X)
    lie = bracket(theta[first], theta[first + 1], along.states[first])
    predicted = -(lie * along.costates[first + 2]).sum(-1) / depth**2
    assert float((change - predicted).norm() / change.norm()) < tolerance


def test_drop_is_the_first_variation():
    depth = 512
    theta = NET.block.draw((depth,), generator(0, "net"))
    particles = Particles.on_grid(theta)
    along = NET.along(particles, X, NET(particles, X) - 1)
    change = NET(particles.drop(100), X) - NET(particles, X)
    predicted = -(NET.block(theta[100], along.states[100]) * along.costates[101]).sum(-1) / depth
    assert float((change - predicted).norm() / change.norm()) < 0.01


def slope(change, name="constant mean", depths=(16, 32, 64, 128, 256), weighting="equal", count=300):
    batches = nets(name, depths, count, weighting)
    sources = [generator(0, f"change/{depth}") for depth in depths]
    found = scaling(
        depths,
        [
            batch.change(NET, X, lambda b, source=source: change(b, source))
            for batch, source in zip(batches, sources, strict=True)
        ],
    )
    assert found.slope_error < 0.1
    return found.slope


@pytest.mark.parametrize("name", ["zero mean", "constant mean", "moving mean"])
def test_slopes_of_small_changes(name):
    assert slope(Batch.swapped, name) == pytest.approx(-2, abs=0.25)
    assert slope(Batch.dropped, name) == pytest.approx(-1, abs=0.1)
    assert slope(lambda b, source: b.shuffled(source, b.depth // 4), name) == pytest.approx(-1.5, abs=0.1)


def test_slopes_of_full_permutations():
    assert slope(Batch.shuffled, "zero mean") == pytest.approx(-1, abs=0.1)
    assert slope(Batch.shuffled, "constant mean") == pytest.approx(-0.5, abs=0.1)
    assert slope(Batch.shuffled, "moving mean", (128, 256, 512, 1024)) == pytest.approx(0, abs=0.1)


def test_gap_weights_make_a_swap_first_order():
    """The factor stays where it was unless it moves along: (c_i - c_j)(f_j - f_i) is of order 1/L."""
    assert slope(Batch.swapped, weighting="gaps") == pytest.approx(-1, abs=0.15)
    assert slope(lambda b, source: b.swapped(source, True), weighting="gaps") == pytest.approx(-2, abs=0.3)


def test_zero_drift_permutation_has_the_predicted_constant():
    """L · RMS tends to ½ √E⟨w1, [f, g]⟩² at X_0, for independent f and g with E f = 0."""
    density, depth, count = law("zero mean", NET.block, deviation=0.5), 128, 400
    batch = Batch.of(sampled(density, (depth,), range(count)), depth)
    change = batch.change(NET, X, lambda b: b.shuffled(generator(0, "order")))
    one, other = (density.draw(torch.zeros(4000, dtype=torch.float64), generator(n, "pair")) for n in (0, 1))
    lie = bracket(one, other, NET.initial(X)) @ NET.w1
    predicted = 0.5 * float(lie.square().mean().sqrt())
    assert depth * float(change.square().mean().sqrt()) == pytest.approx(predicted, rel=0.1)


def test_permutation_with_drift_has_the_predicted_constant():
    """√L · RMS tends to √(2 E_θ Var_t q), q(θ, t) = ⟨λ(t), f(X(t), θ)⟩, where the law does not move."""
    mean = torch.randn(9, generator=generator(2, "mean"), dtype=torch.float64)
    density, depth, count = GaussianDensity(NET.block, mean, 0.3), 256, 300
    batch = Batch.of(sampled(density, (depth,), range(count)), depth)
    change = batch.change(NET, X, lambda b: b.shuffled(generator(0, "order")))
    t = (torch.arange(20, dtype=torch.float64) + 0.5) / 20
    states, v = MeanFieldODE(density, NET.w2, NET.w1).sensitivities(X, t)
    theta = density.draw(torch.zeros(2000, 1, dtype=torch.float64), generator(0, "theta"))
    q = (NET.block(theta, states) * v).sum(-1)
    predicted = math.sqrt(2 * float(q.var(dim=1, correction=0).mean()))
    assert depth**0.5 * float(change.square().mean().sqrt()) == pytest.approx(predicted, rel=0.1)


def test_shuffled_nets_of_a_moving_law_follow_the_averaged_ode():
    density, depth, count = law("moving mean", NET.block), 256, 200
    for windows in (1, 4):
        batch = Batch.of(sampled(density, (depth,), range(count), "grid"), depth)
        mean = batch.shuffled(generator(0, "order"), windows).outputs(NET, X).mean(0)
        averaged = MeanFieldODE(density.windowed(windows), NET.w2, NET.w1)(X)
        plain = MeanFieldODE(density, NET.w2, NET.w1)(X)
        assert float((mean - averaged).abs().max()) < 0.04
        if windows == 1:
            assert float((plain - averaged).abs().max()) > 0.3


def test_input_errors_name_the_argument():
    batch = nets()[0]
    with pytest.raises(ValueError, match="windows: expected a divisor of the depth 32, found 5"):
        batch.shuffled(generator(0, "order"), 5)
