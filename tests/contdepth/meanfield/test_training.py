"""Many nets in one batch and their training: plain loops, the particle net's own gradients, the cost's signs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from contdepth.meanfield.density import GaussianDensity
from contdepth.meanfield.ensemble import Ensemble, outputs
from contdepth.meanfield.hessian import curvature
from contdepth.meanfield.landscape import descend, descent_direction
from contdepth.meanfield.lazy import train_linearised
from contdepth.meanfield.limit import MeanFieldODE
from contdepth.meanfield.network import MeanFieldNet
from contdepth.meanfield.particles import WEIGHTINGS, Particles, reflect
from contdepth.meanfield.paths import bezier_path
from contdepth.meanfield.shallow import shallow_variation
from contdepth.meanfield.task import small_net, waves
from contdepth.meanfield.training import train
from contdepth.seeds import generator
from contdepth.training.loop import DivergenceError

DEPTHS, SEEDS = (3, 9, 5), (4, 0)
RATE = 0.2


def data(count: int = 12) -> tuple[Tensor, Tensor]:
    return waves(count)


def close(found: Tensor, expected: Tensor, rtol: float = 1e-11, atol: float = 1e-12) -> None:
    torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)


def ensemble(net: MeanFieldNet, **options: object) -> Ensemble:
    return Ensemble.draw(net, DEPTHS, SEEDS, **options)


def plain(
    net: MeanFieldNet,
    particles: Particles,
    x: Tensor,
    y: Tensor,
    optimiser: str,
    steps: int,
    rate: float,
    scale: float,
) -> Tensor:
    """θ after ``steps`` steps of one net, block by block, with hand-written gradient descent or Adam."""
    theta, (first, second) = particles.theta.clone(), torch.zeros(2, *particles.theta.shape, dtype=torch.float64)
    factors = particles.weights(net.weighting)
    for step in range(1, steps + 1):
        theta.requires_grad_()
        state = x @ net.w2
        for one, factor in zip(theta, factors, strict=True):
            state = state + factor * net.block(one, state)
        g = torch.autograd.grad(0.5 * (state @ net.w1 - y).square().mean(), theta)[0]
        theta = theta.detach()
        if optimiser == "gd":
            theta = theta - rate * scale * g
        else:
            first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
            unbiased = (second / (1 - 0.999**step)).sqrt() + 1e-8
            theta = theta - rate * first / (1 - 0.9**step) / unbiased
    return theta


# ------------------------------------------------------------------------------------------------------- the draw


def test_draw_depends_on_its_own_seed_and_depth_alone() -> None:
    net = small_net()
    many = ensemble(net, random_times=True, scale=0.7, mean=0.2)
    assert many.depths == (9, 9, 5, 5, 3, 3)
    assert many.seeds == (4, 0, 4, 0, 4, 0)
    for row in range(len(many)):
        depth, seed = many.depths[row], many.seeds[row]
        alone = Ensemble.draw(net, [depth], [seed], random_times=True, scale=0.7, mean=0.2)
        assert torch.equal(many.theta[row, :depth], alone.theta[0])
        assert torch.equal(many.t[row, :depth], alone.t[0])
        assert not many.theta[row, depth:].any()
        assert not many.t[row, depth:].any()
    drawn = many.theta[~many.beyond]
    assert len(drawn.unique()) == drawn.numel()


def test_draw_has_the_moments_and_times_asked_for() -> None:
    net = small_net()
    one = Ensemble.draw(net, [4000], [1], scale=0.5, mean=-2.0, random_times=True)
    assert one.theta.mean().item() == pytest.approx(-2.0, abs=0.015)
    assert one.theta.std().item() == pytest.approx(0.5, rel=0.02)
    assert one.theta.dtype == one.t.dtype == torch.float64
    ladder = (torch.arange(4000) + 0.5) / 4000
    assert (one.t[0].sort().values - ladder).abs().max().item() < 0.03
    grid = ensemble(net)
    for row, depth in enumerate(grid.depths):
        close(grid.t[row, :depth], torch.arange(1, depth + 1, dtype=torch.float64) / depth)


@pytest.mark.parametrize(
    ("depths", "seeds", "message"),
    [
        ((3, 3), (0,), "depths: expected at least one, none twice"),
        ((), (0,), "depths: expected at least one"),
        ((3,), (), "seeds: expected at least one"),
        ((3,), (1, 1), "seeds: expected at least one, none twice"),
        ((3, 0), (0,), "depths: expected"),
        (8, (0,), "depths: expected a sequence, found 8"),
        ((8,), 3, "seeds: expected a sequence, found 3"),
        ("8", (0,), "depths: expected a sequence"),
        ((3,), (-1,), "seeds: expected"),
    ],
)
def test_draw_refuses(depths: tuple[int, ...], seeds: tuple[int, ...], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        Ensemble.draw(small_net(), depths, seeds)


def test_ensemble_refuses_what_does_not_fit() -> None:
    theta, t = torch.zeros(2, 5, 9), torch.zeros(2, 5)
    for depths in ((3, 5), (4, 3), (6, 3)):
        with pytest.raises(ValueError, match="depths: expected depths that fall from 5"):
            Ensemble(theta, t, depths, (0, 1))
    with pytest.raises(ValueError, match="depths: expected depths that fall"):
        Ensemble(theta[:0], t[:0], (), ())
    with pytest.raises(ValueError, match="depths: expected 2 depths and seeds"):
        Ensemble(theta, t, (5, 3), (0,))
    with pytest.raises(ValueError, match="t: expected shape"):
        Ensemble(theta, t[:, :4], (5, 3), (0, 1))
    with pytest.raises(TypeError, match="depths: expected an integer"):
        Ensemble.draw(small_net(), [2.5], [0])
    for depths, seeds, message in (
        ((5, 3), 3, "seeds: expected a sequence, found 3"),
        (5, (0, 1), "depths: expected a sequence, found 5"),
        (("5", "3"), (0, 1), "depths: expected an integer"),
        ((5, 3), (0, 1.5), "seeds: expected an integer"),
    ):
        with pytest.raises(TypeError, match=message):
            Ensemble(theta, t, depths, seeds)
    with pytest.raises(TypeError, match="particles: expected a Sequence, found int"):
        Ensemble.of(3, (0,))
    with pytest.raises(TypeError, match="seeds: expected an Iterable, found int"):
        Ensemble.of([Particles.on_grid(theta[0])], 0)
    assert Ensemble(theta, t, [5, 3], range(2)).depths == (5, 3)


# ---------------------------------------------------------------------------------------------- rows and outputs


def test_rows_order_and_particles() -> None:
    many = ensemble(small_net(), random_times=True)
    assert [many.rows(depth) for depth in (9, 5, 3)] == [slice(0, 2), slice(2, 4), slice(4, 6)]
    with pytest.raises(ValueError, match="depth: expected one of 3, 5, 9"):
        many.rows(4)
    assert list(many.segments()) == [(0, 3, 6), (3, 5, 4), (5, 9, 2)]
    for row, (depth, order) in enumerate(zip(many.depths, many.order(), strict=True)):
        times = many.t[row, :depth].tolist()
        expected = sorted(range(depth), key=lambda i, times=times: times[i])
        assert order.tolist() == [*expected, *range(depth, 9)]
        one = many.particles(row)
        close(one.t, many.t[row][expected])
        close(one.theta, many.theta[row][expected])
        close(one.masses, torch.full((depth,), 1 / depth, dtype=torch.float64))
    half = ensemble(small_net(), exponent=0.5).particles(3)
    close(half.masses, torch.full((5,), 5**-0.5, dtype=torch.float64))


def test_repeated_runs_stand_side_by_side() -> None:
    many = ensemble(small_net(), random_times=True, exponent=0.5)
    thrice = many.repeated(3)
    assert len(thrice) == 18
    assert thrice.exponent == 0.5
    for row in range(18):
        assert (thrice.depths[row], thrice.seeds[row]) == (many.depths[row // 3], many.seeds[row // 3])
        assert torch.equal(thrice.theta[row], many.theta[row // 3])
        assert torch.equal(thrice.t[row], many.t[row // 3])
    with pytest.raises(ValueError, match="times"):
        many.repeated(0)


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize(("weighting", "exponent"), [("equal", 1.0), ("equal", 0.5), ("gaps", 1.0)])
@pytest.mark.parametrize("random_times", [False, True])
def test_outputs_are_those_of_each_net(random_times: bool, weighting: str, exponent: float, width: int) -> None:
    net, (x, _) = small_net(width, weighting), data()
    many = ensemble(net, random_times=random_times, exponent=exponent, scale=1.5)
    found = outputs(net, many, x)
    assert found.shape == (6, 12)
    for row in range(6):
        close(found[row], net(many.particles(row), x))
    deep = [many.particles(row) for row in range(2)]
    theta = torch.stack([p.theta for p in deep])
    factors = torch.stack([p.weights(weighting) for p in deep])
    mapped = torch.func.vmap(lambda a, c: net.block.chain(a, c, net.initial(x))[-1] @ net.w1)(theta, factors)
    close(found[:2], mapped)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_outputs_have_the_gradients_of_the_particle_net(weighting: str) -> None:
    net, (x, y) = small_net(2, weighting), data()
    many = ensemble(net, random_times=True)
    theta, t = many.theta.clone().requires_grad_(), many.t.clone().requires_grad_()
    losses = 0.5 * (outputs(net, many.moved(theta, t), x) - y).square().mean(1)
    inputs = (theta, t) if weighting == "gaps" else (theta,)
    found = torch.autograd.grad(losses.sum(), inputs)
    order = many.order()
    for row, depth in enumerate(many.depths):
        expected = net.gradients(net.along(many.particles(row), x, y))
        for one, other in zip(found, expected, strict=False):
            close(one[row][order[row, :depth]], other)
            assert not one[row, depth:].any()


# ------------------------------------------------------------------------------------------- every run by itself


@pytest.mark.parametrize("depth_scaled", [False, True])
@pytest.mark.parametrize("exponent", [1.0, 0.5])
@pytest.mark.parametrize("optimiser", ["gd", "adam"])
def test_every_run_ends_as_if_alone(optimiser: str, exponent: float, depth_scaled: bool) -> None:
    net, (x, y) = small_net(), data()
    start = ensemble(net, exponent=exponent)
    kept = start.theta.clone()
    rate = RATE if optimiser == "gd" else 0.01
    done = train(net, start, x, y, steps=6, rate=rate, optimiser=optimiser, depth_scaled=depth_scaled)
    assert torch.equal(start.theta, kept)
    assert not done.ensemble.theta.requires_grad
    for row, depth in enumerate(start.depths):
        scale = {1.0: float(depth), 0.5: 1.0}[exponent] if depth_scaled else 1.0
        expected = plain(net, start.particles(row), x, y, optimiser, 6, rate, scale)
        assert (expected - start.theta[row, :depth]).norm() > 1e-3
        close(done.ensemble.theta[row, :depth], expected, rtol=1e-9, atol=1e-10)
        close(done.losses[row], net.loss(done.ensemble.particles(row), x, y), rtol=1e-9)
        assert not done.ensemble.theta[row, depth:].any()
    assert torch.equal(done.ensemble.t, start.t)


@pytest.mark.parametrize("width", [1, 2])
def test_a_batch_trains_like_its_rows_with_times(width: int) -> None:
    net, (x, y) = small_net(width, "gaps"), data()
    many = ensemble(net, random_times=True)
    options = {"steps": 15, "rate": 0.03, "train_times": True, "time_rate": 0.7, "keep": [0, 15]}
    done = train(net, many, x, y, **options)
    assert (done.reordered > 0).any()
    for row in range(len(many)):
        alone = Ensemble.draw(net, [many.depths[row]], [many.seeds[row]], random_times=True)
        single, depth = train(net, alone, x, y, **options), many.depths[row]
        close(done.ensemble.theta[row, :depth], single.ensemble.theta[0], rtol=1e-8, atol=1e-10)
        close(done.ensemble.t[row, :depth], single.ensemble.t[0], rtol=1e-8, atol=1e-10)
        close(done.losses[row], single.losses[0], rtol=1e-8)
        assert done.reordered[row].item() == pytest.approx(single.reordered[0].item())
        assert not done.ensemble.t[row, depth:].any()


def test_rates_and_targets_of_each_run() -> None:
    net, (x, y) = small_net(), data()
    start = ensemble(net)
    rates = torch.linspace(0.05, 0.3, 6, dtype=torch.float64)
    targets = y + torch.linspace(-1, 1, 6, dtype=torch.float64)[:, None]
    done = train(net, start, x, targets, steps=4, rate=rates, optimiser="gd")
    for row, depth in enumerate(start.depths):
        expected = plain(net, start.particles(row), x, targets[row], "gd", 4, rates[row].item(), depth)
        close(done.ensemble.theta[row, :depth], expected, rtol=1e-10)
    one = train(net, start, x, targets, steps=4, rate=0.1, optimiser="gd")
    same = train(net, start, x, targets, steps=4, rate=torch.full((6,), 0.1, dtype=torch.float64), optimiser="gd")
    assert torch.equal(one.ensemble.theta, same.ensemble.theta)
    with_adam = train(net, start, x, targets, steps=3, rate=0.01)
    for row, depth in enumerate(start.depths):
        expected = plain(net, start.particles(row), x, targets[row], "adam", 3, 0.01, 1.0)
        close(with_adam.ensemble.theta[row, :depth], expected, rtol=1e-9, atol=1e-10)


# ---------------------------------------------------------------------------------------------- the paper's flow


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_scaled_step_is_the_euler_step_of_the_flow(weighting: str) -> None:
    net, (x, y) = small_net(2, weighting), data()
    start = ensemble(net)  # times i/L: both weightings give 1/L
    done = train(net, start, x, y, steps=1, rate=RATE, optimiser="gd")
    for row, depth in enumerate(start.depths):
        particles = start.particles(row)
        along = net.along(particles, x, y)
        flow = net.gradients(along)[0] / along.weights[:, None]
        close(done.ensemble.theta[row, :depth], particles.theta - RATE * flow)


def test_the_step_tends_to_the_gradient_of_the_first_variation() -> None:
    net, (x, y) = small_net(2), data()
    start = Ensemble.draw(net, (16, 64), (0, 1, 2))
    done = train(net, start, x, y, steps=1, rate=RATE, optimiser="gd")
    errors = []
    for row, depth in enumerate(start.depths):
        particles = start.particles(row)
        theta = particles.theta.clone().requires_grad_()
        before = particles.t - 0.5 / depth  # the state a block acts on is that before it
        variation = net.first_variation(net.along(particles, x, y), theta, before)
        slope = torch.autograd.grad(variation.sum(), theta)[0]
        velocity = (done.ensemble.theta[row, :depth] - particles.theta) / RATE
        errors.append(((velocity + slope).norm() / slope.norm()).item())
    assert max(errors) < 0.5
    deep, shallow = sum(errors[:3]), sum(errors[3:])
    assert 2.5 < shallow / deep < 6  # 64 / 16


@pytest.mark.parametrize("depth_scaled", [False, True])
def test_the_first_step_of_the_times(depth_scaled: bool) -> None:
    net, (x, y) = small_net(1, "gaps"), data()
    start = ensemble(net, random_times=True)
    time_rate, left = 12.0, 0
    done = train(
        net,
        start,
        x,
        y,
        steps=1,
        rate=RATE,
        optimiser="gd",
        depth_scaled=depth_scaled,
        train_times=True,
        time_rate=time_rate,
    )
    order = start.order()
    for row, depth in enumerate(start.depths):
        particles, place = start.particles(row), order[row, :depth]
        scale = depth if depth_scaled else 1
        by_theta, by_time = net.gradients(net.along(particles, x, y))
        moved = particles.t - RATE * time_rate * by_time
        left += int(((moved < 0) | (moved > 1)).sum())
        close(done.ensemble.t[row][place], reflect(moved))
        close(done.ensemble.theta[row][place], particles.theta - RATE * scale * by_theta)
        assert not done.ensemble.t[row, depth:].any()
    assert left > 0  # some times had to be folded back
    assert ((done.ensemble.t >= 0) & (done.ensemble.t <= 1)).all()


def test_adam_moves_times_at_their_own_rate() -> None:
    net, (x, y) = small_net(1, "gaps"), data()
    start = ensemble(net, random_times=True)
    done = train(net, start, x, y, steps=1, rate=0.01, train_times=True, time_rate=0.2)
    order = start.order()
    for row, depth in enumerate(start.depths):
        particles, place = start.particles(row), order[row, :depth]
        by_theta, by_time = net.gradients(net.along(particles, x, y))
        close(done.ensemble.theta[row][place], particles.theta - 0.01 * by_theta / (by_theta.abs() + 1e-8))
        close(done.ensemble.t[row][place], reflect(particles.t - 0.002 * by_time / (by_time.abs() + 1e-8)))


def test_particles_that_cross_change_places() -> None:
    net, (x, y) = small_net(1, "gaps"), data()
    theta = net.block.draw((1, 3), generator(0, "crossing"), scale=1.5)
    start = Ensemble(theta, torch.tensor([[0.3, 0.3002, 0.8]], dtype=torch.float64), (3,), (0,))
    slope = net.gradients(net.along(start.particles(0), x, y))[1]
    assert slope[0] < slope[1]  # the first two run towards each other
    options = {"rate": 0.05, "optimiser": "gd", "train_times": True, "time_rate": 1.0}
    done = train(net, start, x, y, steps=1, **options)
    place = done.ensemble.order()[0]
    assert place.tolist() == [1, 0, 2]
    assert done.reordered.tolist() == [1.0]
    after = done.ensemble.particles(0)
    close(done.losses[0], net.loss(after, x, y))
    state = net.initial(x)
    for one, factor in zip(done.ensemble.theta[0], done.ensemble.t[0].diff(prepend=torch.zeros(1)), strict=True):
        state = state + factor * net.block(one, state)
    as_they_stand = 0.5 * (state @ net.w1 - y).square().mean()
    assert abs(as_they_stand - done.losses[0]) > 1e-6
    resorted = Ensemble(after.theta[None], after.t[None], (3,), (0,))
    more = train(net, done.ensemble, x, y, steps=3, **options).ensemble
    expected = train(net, resorted, x, y, steps=3, **options).ensemble
    close(more.theta[0][place], expected.theta[0])
    close(more.t[0][place], expected.t[0])


def by_hand(
    net: MeanFieldNet, particles: Particles, x: Tensor, y: Tensor, steps: int, rate: float
) -> tuple[list[Particles], int]:
    """Algorithm 1 with the net's own gradients, sorted after every step; how often that changed the order."""
    path, changed = [particles], 0
    for _ in range(steps):
        by_theta, by_time = net.gradients(net.along(particles, x, y))
        theta = particles.theta - rate * len(particles) * by_theta
        moved = Particles(theta, reflect(particles.t - 2.0 * rate * by_time))
        changed += not moved.is_sorted
        particles = moved.sorted()
        path.append(particles)
    return path, changed


def test_training_with_times_is_algorithm_1() -> None:
    net, (x, y) = small_net(1, "gaps"), data()
    start = ensemble(net, random_times=True)
    done = train(
        net, start, x, y, steps=20, rate=0.05, optimiser="gd", train_times=True, time_rate=2.0, keep=range(21)
    )
    counts = []
    for row, depth in enumerate(start.depths):
        path, changed = by_hand(net, start.particles(row), x, y, 20, 0.05)
        counts.append(changed / 20)
        end = done.ensemble.particles(row)
        close(end.theta, path[-1].theta, rtol=1e-8, atol=1e-9)
        close(end.t, path[-1].t, rtol=1e-8, atol=1e-9)
        for step, particles in enumerate(path):
            close(done.times[step][row, :depth].sort().values, particles.t, rtol=1e-8, atol=1e-9)
            close(done.history[step][row], net.loss(particles, x, y), rtol=1e-8)
    assert done.reordered.tolist() == pytest.approx(counts)
    assert 0 < max(counts) < 1


# ------------------------------------------------------------------------------------------- what is left behind


def test_kept_steps() -> None:
    net, (x, y) = small_net(), data()
    start = ensemble(net)
    done = train(net, start, x, y, steps=5, rate=RATE, optimiser="gd", keep=(0, 2, 5, 9))
    assert list(done.history) == list(done.outputs) == list(done.times) == [0, 2, 5]
    for step in (0, 2, 5):
        there = train(net, start, x, y, steps=step, rate=RATE, optimiser="gd")
        found = outputs(net, there.ensemble, x)
        close(done.outputs[step], found)
        close(done.history[step], 0.5 * (found - y).square().mean(1))
        close(done.history[step], there.losses)
        assert torch.equal(done.times[step], start.t)
    assert torch.equal(done.history[5], done.losses)
    assert torch.equal(done.history[0], train(net, start, x, y, steps=0, rate=RATE).losses)
    assert done.reordered.tolist() == [0.0] * 6


@pytest.mark.parametrize("train_times", [False, True])
def test_the_loss_falls_at_a_small_rate(train_times: bool) -> None:
    net, (x, y) = small_net(1, "gaps" if train_times else "equal"), data()
    done = train(
        net,
        ensemble(net),
        x,
        y,
        steps=60,
        rate=0.02,
        optimiser="gd",
        train_times=train_times,
        time_rate=0.01,
        keep=range(61),
    )
    losses = torch.stack(list(done.history.values()))
    assert (losses.diff(dim=0) < 0).all()
    assert (losses[-1] < 0.9 * losses[0]).any()


def test_loss_falls_by_the_squared_gradient() -> None:
    net, (x, y) = small_net(), data()
    start = ensemble(net)
    done = train(net, start, x, y, steps=1, rate=1e-5, optimiser="gd", keep=(0, 1))
    for row, depth in enumerate(start.depths):
        gradient = net.gradients(net.along(start.particles(row), x, y))[0]
        rate = ((done.history[1] - done.history[0])[row] / 1e-5).item()
        assert rate == pytest.approx(-depth * gradient.square().sum().item(), rel=1e-3)


# --------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"train_times": True}, ValueError, 'train_times: expected a net with weighting="gaps"'),
        ({"optimiser": "lbfgs"}, ValueError, "optimiser: expected one of 'gd', 'adam'"),
        ({"rate": torch.full((6,), 0.1)}, TypeError, "rate: expected a real number"),
        ({"rate": torch.full((6,), 0.1), "optimiser": "adam"}, TypeError, "one rate a run is for"),
        ({"rate": torch.full((5,), 0.1), "optimiser": "gd"}, ValueError, "rate: expected shape"),
        ({"rate": torch.tensor([0.1] * 5 + [0.0]), "optimiser": "gd"}, ValueError, "rate: expected rates > 0"),
        ({"rate": torch.full((6,), torch.nan), "optimiser": "gd"}, ValueError, "rate: expected finite"),
        ({"rate": 0.0}, ValueError, "rate: expected"),
        ({"rate": -0.1, "optimiser": "gd"}, ValueError, "rate: expected"),
        ({"time_rate": 0.0}, ValueError, "time_rate: expected"),
        ({"steps": -1}, ValueError, "steps: expected"),
        ({"y": torch.zeros(11)}, ValueError, "y: expected shape"),
        ({"y": torch.zeros(5, 12)}, ValueError, "y: expected shape"),
    ],
)
def test_train_refuses(options: dict[str, object], error: type[Exception], message: str) -> None:
    net, (x, y) = small_net(), data()
    settings = {"y": y, "steps": 1, "rate": 0.1} | options
    with pytest.raises(error, match=message):
        train(net, ensemble(net), x, **settings)


NET = small_net()
ONE = Ensemble.draw(NET, [3], [0]).particles(0)
LAW = GaussianDensity(NET.block, torch.zeros(9, dtype=torch.float64))
LOOPS = {
    "train": lambda x, y: train(NET, ensemble(NET), x, y, steps=1, rate=0.1),
    "descend": lambda x, y: descend(NET, ONE, x, y, 1),
    "descent_direction": lambda x, y: descent_direction(NET, ONE, x, y, generator(0, "search")),
    "curvature": lambda x, y: curvature(NET, ONE, x, y),
    "shallow_variation": lambda x, y: shallow_variation(NET, ONE, x, y, ONE.theta),
    "train_linearised": lambda x, y: train_linearised(NET, ONE, x, y, x, steps=1, rate=1e-3),
    "bezier_path": lambda x, y: bezier_path(NET, ONE, ONE, x, y, generator(0, "path"), steps=1),
}
DOORS = LOOPS | {
    "loss": lambda x, y: NET.loss(ONE, x, y),
    "along": lambda x, y: NET.along(ONE, x, y),
    "MeanFieldODE.loss": lambda x, y: MeanFieldODE(LAW, NET.w2, NET.w1).loss(x, y),
}
PRECISION = r"x: expected dtype (torch\.float32 or )?torch\.float64, found torch\.float"
UNFIT = {
    "float32 x": (lambda x, y: (x.float(), y), TypeError, PRECISION),
    "float32 x and y": (lambda x, y: (x.float(), y.float()), TypeError, PRECISION),
    "float16 x": (lambda x, y: (x.half(), y), TypeError, PRECISION),
    "whole x": (lambda x, y: (x.long(), y), TypeError, "x: expected a floating-point tensor, found dtype"),
    "an array": (lambda x, y: (x.numpy(), y), TypeError, "x: expected a torch.Tensor, found ndarray"),
    "no sample": (lambda x, y: (x[:0], y[:0]), ValueError, "x: expected at least one sample, found none"),
    "a target short": (lambda x, y: (x, y[:-1]), ValueError, r"y: expected shape \(12,\), found shape \(11,\)"),
    "a column": (lambda x, y: (x, y[:, None]), ValueError, "y: expected shape"),
}
BAD = {
    "a list of targets": (lambda x, y: (x, y.tolist()), "y: expected a torch.Tensor, found list"),
    "nan in x": (lambda x, y: (x.where(x != x[3, 1], torch.nan), y), r"x: expected finite .* at index \(3, 1\)"),
    "inf in x": (lambda x, y: (x.where(x != x[3, 1], torch.inf), y), "x: expected finite values, found inf"),
    "nan in y": (lambda x, y: (x, y.where(y != y[2], torch.nan)), r"y: expected finite .* at index \(2,\)"),
}


@pytest.mark.parametrize(("change", "error", "message"), UNFIT.values(), ids=UNFIT)
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_data_that_do_not_fit_are_refused_at_every_door(
    door, change, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^{message}") as caught:
        door(*change(*data()))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_values_that_are_not_finite_are_refused_where_something_is_trained_or_solved(
    loop, change, message
) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        loop(*change(*data()))


def test_data_in_the_precision_of_the_net_are_taken_at_every_door() -> None:
    for door in DOORS.values():
        door(*data())
    w2, w1 = NET.w2.float(), NET.w1.float()
    x, y = (part.float() for part in data())
    single = MeanFieldNet(NET.block, w2, w1)
    particles = Particles(ONE.theta.float(), ONE.t.float())
    assert single(particles, x).dtype == torch.float32
    assert train(single, ensemble(single), x, y, steps=1, rate=0.1).losses.isfinite().all()


def test_maps_of_two_precisions_are_refused() -> None:
    with pytest.raises(TypeError, match=r"^w1: expected dtype torch\.float64, found torch\.float32"):
        MeanFieldNet(NET.block, NET.w2, NET.w1.float())


@pytest.mark.parametrize("other", [small_net(width=2), small_net(dimension=3)], ids=["width", "dimension"])
def test_an_ensemble_of_another_net_is_refused(other: MeanFieldNet) -> None:
    x, y = data()
    message = r"^theta of the ensemble: expected shape \(6, 9, 9\), found shape .*; draw it for this net$"
    for call in (lambda many: train(NET, many, x, y, steps=1, rate=0.1), lambda many: outputs(NET, many, x)):
        with pytest.raises(ValueError, match=message):
            call(ensemble(other))


def test_a_loss_that_is_infinite_at_once_does_not_blame_the_rate() -> None:
    x, y = data()
    with pytest.raises(DivergenceError, match="at step 0 .*; scale the data or the particles$"):
        train(NET, ensemble(NET), x, 1e200 * y, steps=1, rate=0.1)


def test_divergence_names_the_run() -> None:
    net, (x, y) = small_net(activation="relu"), data()
    start = ensemble(net)
    rates = torch.full((6,), 1e-3, dtype=torch.float64)
    rates[3] = 1e200
    with pytest.raises(DivergenceError, match=r"at step 1 \(depth 5, seed 0\)"):
        train(net, start, x, y, steps=5, rate=rates, optimiser="gd")
    theta = start.theta.clone()
    theta[4, 2] = torch.nan
    with pytest.raises(DivergenceError, match=r"found nan at step 0 \(depth 3, seed 4\)"):
        train(net, start.moved(theta, start.t), x, y, steps=5, rate=0.1)


# ----------------------------------------------------------------------------------------------------------- cost


def test_some_runs_keep_their_times() -> None:
    net, (x, y) = small_net(1, "gaps"), data()
    grid, loose = (Ensemble.draw(net, (3, 5), (s, s + 1), random_times=s > 0) for s in (0, 2))
    start = Ensemble.together(grid, loose)
    assert start.depths == (5, 5, 5, 5, 3, 3, 3, 3)
    assert start.seeds == (0, 1, 2, 3, 0, 1, 2, 3)
    moving = torch.tensor([False, False, True, True] * 2)
    done = train(net, start, x, y, steps=8, rate=0.02, train_times=moving)
    alone = train(net, loose, x, y, steps=8, rate=0.02, train_times=True)
    still = train(net, grid, x, y, steps=8, rate=0.02)
    assert torch.equal(done.ensemble.t[~moving], start.t[~moving])
    for mixed, single in ((moving, alone), (~moving, still)):
        close(done.ensemble.theta[mixed], single.ensemble.theta)
        close(done.ensemble.t[mixed], single.ensemble.t)


def test_only_ensembles_of_equal_depths_go_together() -> None:
    net = small_net()
    with pytest.raises(ValueError, match=r"^parts: expected ensembles of the same depths"):
        Ensemble.together(Ensemble.draw(net, (3,), (0,)), Ensemble.draw(net, (4,), (0,)))
