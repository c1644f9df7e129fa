"""Tangent kernels, the linearised net and movement: torch.func, the explicit linear model, hand numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from contdepth.meanfield.block import Block
from contdepth.meanfield.ensemble import Ensemble, outputs
from contdepth.meanfield.lazy import movement, output_jacobian, tangent_kernel, train_linearised
from contdepth.meanfield.network import MeanFieldNet
from contdepth.meanfield.particles import WEIGHTINGS, Particles
from contdepth.meanfield.task import small_net, waves
from contdepth.meanfield.training import train
from contdepth.seeds import generator


def close(found: Tensor, expected: Tensor, rtol: float = 1e-10, atol: float = 1e-12) -> None:
    torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)


def one_net(net: MeanFieldNet, depth: int = 7, seed: int = 2, **options: object) -> Particles:
    return Ensemble.draw(net, [depth], [seed], **options).particles(0)


def jacobian(net: MeanFieldNet, particles: Particles, x: Tensor) -> Tensor:
    factors = particles.weights(net.weighting)

    def output(theta: Tensor) -> Tensor:
        state = x @ net.w2
        for one, factor in zip(theta, factors, strict=True):
            state = state + factor * net.block(one, state)
        return state @ net.w1

    return torch.func.jacrev(output)(particles.theta)


def slope(over: list[float], values: list[float]) -> float:
    logs = torch.tensor([[math.log(a), math.log(b)] for a, b in zip(over, values, strict=True)])
    centred = logs - logs.mean(0)
    return (centred[:, 0] @ centred[:, 1] / centred[:, 0].square().sum()).item()


# ------------------------------------------------------------------------------------------- Jacobian and kernel


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize(("weighting", "exponent"), [("equal", 1.0), ("equal", 0.5), ("gaps", 1.0)])
def test_output_jacobian(weighting: str, exponent: float, width: int) -> None:
    net, (x, _) = small_net(width, weighting), waves(6)
    particles = one_net(net, random_times=True, exponent=exponent)
    found = output_jacobian(net, particles, x)
    assert found.shape == (6, 7, net.block.size)
    close(found, jacobian(net, particles, x))


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_tangent_kernel_is_the_gram_matrix(weighting: str) -> None:
    net, (x, _), (other, _) = small_net(2, weighting), waves(6), waves(4, purpose="test")
    particles = one_net(net, random_times=True)
    here, there = (jacobian(net, particles, points) for points in (x, other))
    kernel = tangent_kernel(net, particles, x)
    close(kernel, 7 * torch.einsum("alk,blk->ab", here, here))
    close(kernel, kernel.T)
    eigenvalues = torch.linalg.eigvalsh(kernel)
    assert eigenvalues[0] > -1e-12 * eigenvalues[-1]
    assert eigenvalues[-1] > 0
    close(tangent_kernel(net, particles, x, other, scale=0.3), 0.3 * torch.einsum("alk,blk->ab", here, there))
    close(tangent_kernel(net, particles, other, x), tangent_kernel(net, particles, x, other).T)
    many = tangent_kernel(net, particles, waves(40)[0])
    assert torch.linalg.eigvalsh(many)[0] > -1e-12 * eigenvalues[-1]
    with pytest.raises(ValueError, match="scale: expected"):
        tangent_kernel(net, particles, x, scale=0.0)


def test_kernel_tends_to_a_limit_like_one_over_depth() -> None:
    net, (x, _) = small_net(), waves(6)
    theta = net.block.draw((1,), generator(3, "constant"))
    kernels = [tangent_kernel(net, Particles.on_grid(theta.expand(depth, -1)), x) for depth in (16, 64, 256, 1024)]
    gaps = [((a - b).norm() / b.norm()).item() for a, b in zip(kernels, kernels[1:], strict=False)]
    assert gaps[1] < 0.05
    assert [a / b for a, b in zip(gaps, gaps[1:], strict=False)] == pytest.approx([4, 4], rel=0.15)


def test_kernels_of_sampled_particles_approach_each_other() -> None:
    net, (x, _) = small_net(), waves(6)
    runs = Ensemble.draw(net, (16, 64, 256), range(6))
    mean = {d: [tangent_kernel(net, runs.particles(r), x) for r in range(18)[runs.rows(d)]] for d in (16, 64, 256)}
    spread = {d: torch.stack(ks).std(0).norm() / torch.stack(ks).mean(0).norm() for d, ks in mean.items()}
    assert 3 < spread[16] / spread[256] < 5.5  # Monte Carlo: (256 / 16)^(1/2) = 4
    means = [torch.stack(mean[depth]).mean(0) for depth in (64, 256)]
    assert (means[0] - means[1]).norm() < 0.15 * means[1].norm()


# ---------------------------------------------------------------------------------------------------- one step


@pytest.mark.parametrize(("weighting", "exponent", "scale"), [("equal", 1, 9), ("equal", 0.5, 1), ("gaps", 1, 9)])
def test_one_step_moves_outputs_by_the_kernel(weighting: str, exponent: float, scale: float) -> None:
    net, (x, y) = small_net(1, weighting), waves(10)
    start = Ensemble.draw(net, [9], [1], random_times=True, exponent=exponent)
    particles = start.particles(0)
    before = net(particles, x)
    change = -tangent_kernel(net, particles, x, scale=scale) @ (before - y) / 10
    rates, errors = [0.04, 0.02, 0.01, 0.005], []
    for rate in rates:
        after = outputs(net, train(net, start, x, y, steps=1, rate=rate, optimiser="gd").ensemble, x)[0]
        errors.append((after - before - rate * change).norm().item())
    assert errors[-1] < 0.05 * rates[-1] * change.norm()
    assert slope(rates, errors) == pytest.approx(2, abs=0.1)


# ---------------------------------------------------------------------------------------------- the linear model


@pytest.mark.parametrize(("weighting", "scale"), [("equal", None), ("equal", 2.5), ("gaps", None)])
def test_linearised_training_is_that_of_the_linear_model(weighting: str, scale: float | None) -> None:
    net, (x, y), (other, _) = small_net(1, weighting), waves(8), waves(5, purpose="test")
    particles = one_net(net, random_times=True)
    starts = net(particles, x), net(particles, other)
    slopes = jacobian(net, particles, x), jacobian(net, particles, other)
    theta, rate = particles.theta.clone(), 0.4

    def linear(which: int) -> Tensor:
        return starts[which] + torch.einsum("blk,lk->b", slopes[which], theta - particles.theta)

    for _ in range(12):
        theta.requires_grad_()
        gradient = torch.autograd.grad(0.5 * (linear(0) - y).square().mean(), theta)[0]
        theta = theta.detach() - rate * (7 if scale is None else scale) * gradient
    found = train_linearised(net, particles, x, y, other, steps=12, rate=rate, scale=scale)
    for which in (0, 1):
        close(found[which], linear(which))
        assert (found[which] - starts[which]).norm() > 0.01
    none = train_linearised(net, particles, x, y, other, steps=0, rate=rate)
    close(torch.cat(none), torch.cat(starts))


def test_linearised_training_follows_the_net_while_it_is_near() -> None:
    net, (x, y) = small_net(), waves(8)
    start = Ensemble.draw(net, [16], [0])
    particles = start.particles(0)
    before = net(particles, x)
    gaps, sizes = [], [1.0, 0.5, 0.25]
    for size in sizes:  # targets nearer and nearer to the outputs at the start
        targets = before + size * (y - before)
        end = train(net, start, x, targets, steps=20, rate=0.3, optimiser="gd")
        linear, _ = train_linearised(net, particles, x, targets, x, steps=20, rate=0.3)
        gaps.append((outputs(net, end.ensemble, x)[0] - linear).norm().item())
    assert slope(sizes, gaps) == pytest.approx(2, abs=0.3)


def test_linearised_training_refuses_rates_that_diverge() -> None:
    net, (x, y) = small_net(), waves(8)
    particles = one_net(net)
    largest = 2 * 8 / torch.linalg.eigvalsh(tangent_kernel(net, particles, x))[-1].item()
    with pytest.raises(ValueError, match=f"rate: expected at most {largest:.4g} for this kernel"):
        train_linearised(net, particles, x, y, x, steps=1, rate=1.001 * largest)
    train_loss = [
        (train_linearised(net, particles, x, y, x, steps=steps, rate=0.999 * largest)[0] - y).norm().item()
        for steps in (0, 50)
    ]
    assert train_loss[1] < train_loss[0]
    with pytest.raises(ValueError, match="rate: expected"):
        train_linearised(net, particles, x, y, x, steps=1, rate=-0.1)
    with pytest.raises(ValueError, match="steps: expected"):
        train_linearised(net, particles, x, y, x, steps=-1, rate=0.1)


# ------------------------------------------------------------------------------------------------------ movement


def test_no_movement() -> None:
    net, (x, _) = small_net(), waves(6)
    start = Ensemble.draw(net, (6, 3), (0, 1), random_times=True)
    found = movement(net, start, start, x)
    for values in (found.particles, found.features, found.kernel):
        assert values.tolist() == [0.0] * 4


def test_movement_by_hand() -> None:
    """One neuron, d = 1, L = 1: X_1 = X_0 + a tanh(w X_0 + b), whose slope in w is a (1 - tanh²) X_0."""
    net = MeanFieldNet(Block(1), torch.ones(1, 1, dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    points = [-0.5, 0.25, 1.0]
    x = torch.tensor(points, dtype=torch.float64)[:, None]
    before, after = (1.0, 0.5, 0.1), (1.3, 0.5, -0.3)
    one = torch.ones(1, 1, dtype=torch.float64)
    start, end = (Ensemble(torch.tensor([[p]], dtype=torch.float64), one, (1,), (0,)) for p in (before, after))

    def feature(p: tuple[float, float, float], z: float) -> float:
        return z + p[0] * math.tanh(p[1] * z + p[2])

    def gradient(p: tuple[float, float, float], z: float) -> tuple[float, float, float]:
        s = math.tanh(p[1] * z + p[2])
        return p[0] * (1 - s * s) * z, p[0] * (1 - s * s), s

    def kernel(p: tuple[float, float, float]) -> list[float]:
        g = [gradient(p, z) for z in points]
        return [sum(u * v for u, v in zip(a, b, strict=True)) for a in g for b in g]

    found = movement(net, start, end, x)
    assert found.particles.tolist() == pytest.approx([math.sqrt((0.3**2 + 0.4**2) / 3)])
    first, last = ([feature(p, z) for z in points] for p in (before, after))
    mean = sum(first) / 3
    moved = sum((b - a) ** 2 for a, b in zip(first, last, strict=True))
    assert found.features.tolist() == pytest.approx([math.sqrt(moved / sum((a - mean) ** 2 for a in first))])
    change = sum((b - a) ** 2 for a, b in zip(kernel(before), kernel(after), strict=True))
    assert found.kernel.tolist() == pytest.approx([math.sqrt(change / sum(a * a for a in kernel(before)))])


def test_movement_of_each_run_follows_each_particle() -> None:
    net, (x, _) = small_net(1, "gaps"), waves(6)
    start = Ensemble.draw(net, (6, 3), (0, 1), random_times=True)
    there = (~start.beyond)[..., None]
    shift = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)[:, None, None]
    found = movement(net, start, start.moved(start.theta + shift * there, start.t), x)
    close(found.particles, shift.flatten())
    assert (found.features > 0).all()
    assert (found.kernel > 0).all()
    crossed = start.moved(start.theta + shift * there, (1 - start.t) * there[..., 0])
    close(movement(net, start, crossed, x).particles, shift.flatten())
    for row in range(4):
        particles, other = start.particles(row), crossed.particles(row)
        features = [net.states(one, x)[-1] for one in (particles, other)]
        spread = (features[0] - features[0].mean(0)).norm()
        expected = (features[1] - features[0]).norm() / spread
        close(movement(net, start, crossed, x).features[row], expected)


# ------------------------------------------------------------------------------------------------- modest targets


@pytest.mark.parametrize("alpha", [0.5, 4.0])
def test_a_lazy_net_is_a_net_with_modest_targets(alpha: float) -> None:
    net, (x, y) = small_net(), waves(8)
    start = Ensemble.draw(net, (6, 4), (0, 1))
    begin = outputs(net, start, x)
    found = train(net, start, x, begin + y / alpha, steps=5, rate=0.2, optimiser="gd")
    depths = torch.tensor(start.depths, dtype=torch.float64)[:, None, None]
    theta = start.theta.clone()
    for _ in range(5):
        theta.requires_grad_()
        scaled = alpha * (outputs(net, start.moved(theta, start.t), x) - begin)
        loss = (0.5 * (scaled - y).square().mean(1) / alpha**2).sum()
        theta = (theta - 0.2 * depths * torch.autograd.grad(loss, theta)[0]).detach()
    close(found.ensemble.theta, theta)
    assert (theta - start.theta).norm() > 0.01
    end = alpha * (outputs(net, found.ensemble, x) - begin) - y
    close(found.losses, 0.5 * end.square().mean(1) / alpha**2)
