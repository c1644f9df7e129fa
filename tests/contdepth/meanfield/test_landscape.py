"""Directions of descent, growth, paths and curvature of the landscape, against differences and brute force."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from contdepth.meanfield.hessian import curvature
from contdepth.meanfield.landscape import Descent, descend, descent_direction, escape, places
from contdepth.meanfield.network import MeanFieldNet
from contdepth.meanfield.particles import WEIGHTINGS, Particles
from contdepth.meanfield.paths import barrier, bezier_path, linear_path, measure_path, path_losses
from contdepth.meanfield.task import small_net, waves
from contdepth.seeds import generator


def random_particles(net: MeanFieldNet, count: int, purpose: str = "init", scale: float = 1.0) -> Particles:
    source = generator(21, purpose)
    t = torch.rand(count, generator=source, dtype=torch.float64).sort().values
    return Particles(net.block.draw((count,), source, scale=scale), t)


def found_in(net: MeanFieldNet, particles: Particles, **options: object) -> Descent:
    return descent_direction(net, particles, *waves(), generator(3, "search"), **options)


# -------------------------------------------------------------------------------------------- direction of descent


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("count", [1, 4, 16])
def test_slope_is_the_derivative_along_the_mixture(count: int, width: int) -> None:
    net, (x, y) = small_net(width), waves()
    particles = random_particles(net, count)
    found = found_in(net, particles)
    eps = 1e-5
    at = [net.loss(particles.mixed(found.particles, k * eps), x, y).item() for k in (0, 1, 2)]
    forward = (-3 * at[0] + 4 * at[1] - at[2]) / (2 * eps)  # second order, from one side
    assert found.slope == pytest.approx(forward, rel=1e-5, abs=1e-9)
    along = net.along(particles, x, y)
    value = net.first_variation(along, found.particles.theta, found.particles.t).item()
    assert found.value == pytest.approx(value, rel=1e-10)
    assert found.slope < 0
    assert found.particles.masses.tolist() == [1.0]


def test_the_search_beats_random_blocks_and_stays_in_its_ball() -> None:
    net, (x, y) = small_net(), waves()
    particles = random_particles(net, 6)
    radii = (2.0, 3.0, 1.5)
    found = found_in(net, particles, radii=radii)
    parts = net.block.parts(found.particles.theta[0])
    for part, radius in zip(parts, radii, strict=True):
        assert part.norm() <= radius * (1 + 1e-12)
    assert parts[0].norm().item() == pytest.approx(radii[0])
    source = generator(4, "brute")
    theta = torch.randn(20000, 9, generator=source, dtype=torch.float64)
    a, w, b = (part.clone() for part in theta.split((4, 4, 1), dim=1))
    a *= radii[0] / a.norm(dim=1, keepdim=True)
    w *= radii[1] * torch.rand(20000, 1, generator=source, dtype=torch.float64) / w.norm(dim=1, keepdim=True)
    b = b.clamp(-radii[2], radii[2])
    t = torch.rand(20000, generator=source, dtype=torch.float64)
    brute = net.first_variation(net.along(particles, x, y), torch.cat([a, w, b], dim=1), t)
    assert found.value <= brute.min().item()
    assert found.value <= found_in(net, particles, radii=radii, steps=0).value


def test_the_search_improves_candidates_to_a_local_minimum() -> None:
    net = small_net()
    particles = random_particles(net, 6)
    radii = (1.0, 5.0, 3.0)
    far = found_in(net, particles, radii=radii, candidates=2000, steps=300).value
    few = found_in(net, particles, radii=radii, candidates=64)
    raw = found_in(net, particles, radii=radii, candidates=64, steps=0)
    assert far <= few.value + 1e-4 * abs(far)
    assert abs(few.value / far - 1) < 0.005 and abs(raw.value / far - 1) > 0.05


def test_slope_is_bounded_by_the_blocks_of_rho() -> None:
    net, (x, y) = small_net(), waves()
    for k in range(6):
        particles = random_particles(net, 1 + k, f"ball/{k}", 2.0)
        along = net.along(particles, x, y)
        behind = net.first_variation(along, particles.theta, particles.t)
        limit = (particles.masses * (behind - net.mass_gradient(along))).sum().item()
        found = found_in(net, particles, candidates=1, steps=0)
        assert found.slope <= limit + 1e-12 * abs(found.value)


def test_units_of_rho_are_among_the_candidates() -> None:
    net = small_net()
    particles = random_particles(net, 6)
    best = found_in(net, particles, steps=300)
    with_best = particles.mixed(best.particles, 1e-6)
    again = found_in(net, with_best, candidates=1, steps=0)
    assert again.value == pytest.approx(best.value, rel=1e-3)


def test_sign_of_a_turns_the_first_variation() -> None:
    net, (x, y) = small_net(), waves()
    particles = random_particles(net, 5)
    along = net.along(particles, x, y)
    theta = net.block.draw((6,), generator(5, "odd"))
    turned = torch.cat([-theta[:, :4], theta[:, 4:]], dim=1)
    t = torch.linspace(0, 1, 6, dtype=torch.float64)
    torch.testing.assert_close(net.first_variation(along, turned, t), -net.first_variation(along, theta, t))


def test_nothing_to_gain_at_zero_loss() -> None:
    net, (x, _) = small_net(), waves()
    particles = random_particles(net, 5)
    found = descent_direction(net, particles, x, net(particles, x), generator(3, "search"))
    assert abs(found.slope) < 1e-14 and abs(found.value) < 1e-14


def test_mass_derivative_of_rho_vanishes_where_a_is_stationary() -> None:
    net, (x, y) = small_net(), waves()
    particles, _ = descend(net, random_particles(net, 2), x, y, 3000, rate=0.05)
    along = net.along(particles, x, y)
    in_theta, _ = net.gradients(along)
    total = (along.weights * net.mass_gradient(along)).sum()
    torch.testing.assert_close((in_theta * particles.theta)[:, :4].sum(), total, rtol=1e-9, atol=1e-15)
    assert abs(total.item()) < 1e-4
    found = found_in(net, particles)
    assert net.loss(particles, x, y) > 1e-3 and found.slope < -1e-2  # stuck as a net, not as a measure


def test_places_cover_every_gap_once() -> None:
    particles = Particles(torch.zeros(4, 9, dtype=torch.float64), torch.tensor([0.0, 0.5, 0.5, 1.0]).double())
    times, before = places(particles)
    assert before.tolist() == [1, 3, 4] and ((times >= 0) & (times <= 1)).all()
    times, before = places(random_particles(small_net(), 5))
    assert before.tolist() == [0, 1, 2, 3, 4, 5]
    assert places(Particles.on_grid(torch.zeros(3, 9, dtype=torch.float64)))[1].tolist() == [0, 1, 2, 3]


def test_landscape_input_errors() -> None:
    net, (x, y) = small_net(), waves()
    particles = random_particles(net, 3)
    for call in (
        lambda: found_in(small_net(weighting="gaps"), particles),
        lambda: escape(small_net(weighting="gaps"), particles, x, y, generator(0, "e")),
        lambda: found_in(net, particles, candidates=0),
        lambda: found_in(net, particles, steps=-1),
        lambda: found_in(net, particles, radii=(1.0, 0.0, 1.0)),
        lambda: descend(net, particles, x, y, -1),
        lambda: descend(net, particles, x, y, 1, rate=0.0),
        lambda: linear_path(particles, random_particles(net, 4)),
        lambda: path_losses(net, measure_path(particles, particles), x, y, 1),
        lambda: curvature(net, particles, x, y[:3]),
        lambda: curvature(net, random_particles(net, 600), x, y),
    ):
        with pytest.raises((TypeError, ValueError), match="expected"):
            call()


# ---------------------------------------------------------------------------------------------------------- growth


def test_descend_is_adam_and_stops() -> None:
    net, (x, y) = small_net(), waves()
    particles = random_particles(net, 4)
    theta = particles.theta.clone().requires_grad_()
    rule = torch.optim.Adam([theta], lr=0.02)
    expected = []
    for step in range(6):
        rule.param_groups[0]["lr"] = 0.02 * (1 - 0.95 * step / 5)
        loss = net.loss(Particles(theta, particles.t), x, y)
        expected.append(loss.item())
        theta.grad = torch.autograd.grad(loss, theta)[0]
        rule.step()
    after, losses = descend(net, particles, x, y, 5)
    assert losses.tolist() == pytest.approx(expected, rel=1e-10)
    assert net.loss(after, x, y).item() == losses[-1].item()
    assert torch.equal(after.t, particles.t) and len(losses) == 6
    early, losses = descend(net, particles, x, y, 200, threshold=0.5 * expected[0])
    assert losses[-1] <= 0.5 * expected[0] < losses[-2]
    assert net.loss(early, x, y).item() == losses[-1].item()


def test_growth_leaves_stationary_points() -> None:
    net, (x, y) = small_net(), waves()
    result = escape(
        net, random_particles(net, 1), x, y, generator(0, "escape"), threshold=2e-3, rounds=8, steps=400
    )
    assert result.reached and result.losses[0] > 0.02
    assert all(slope < 0 for slope in result.slopes)
    assert len(result.losses) == len(result.shares) + 1 == len(result.slopes) + 1
    assert len(result.particles) == 1 + len(result.shares)
    assert result.particles.masses.sum().item() == pytest.approx(1)
    assert result.particles.is_sorted
    assert net.loss(result.particles, x, y).item() == pytest.approx(result.losses[-1])
    assert sorted(result.losses, reverse=True) == result.losses


def test_growth_without_rounds_is_training() -> None:
    net, (x, y) = small_net(), waves()
    start = random_particles(net, 2)
    result = escape(net, start, x, y, generator(0, "escape"), rounds=0, steps=20)
    assert torch.equal(result.particles.theta, descend(net, start, x, y, 20)[0].theta)
    assert not result.reached and len(result.losses) == 1


# ----------------------------------------------------------------------------------------------------------- paths


@pytest.fixture(scope="module")
def ends() -> tuple[Particles, Particles]:
    net, (x, y) = small_net(), waves()
    return tuple(descend(net, random_particles(net, 8, f"end/{k}"), x, y, 300)[0] for k in (0, 1))


def test_paths_start_and_end_where_they_should(ends: tuple[Particles, Particles]) -> None:
    net, (x, y) = small_net(), waves()
    wanted = [net.loss(end, x, y).item() for end in ends]
    bezier = bezier_path(net, *ends, x, y, generator(0, "path"), steps=3)
    for path in (linear_path(*ends), measure_path(*ends), bezier):
        positions, losses = path_losses(net, path, x, y, 9)
        assert positions.tolist() == pytest.approx([k / 8 for k in range(9)])
        assert losses[[0, -1]].tolist() == pytest.approx(wanted, rel=1e-9)
        assert barrier(losses) == losses.max().item() - max(losses[0].item(), losses[-1].item()) >= 0
    assert barrier(torch.tensor([1.0, 0.2, 3.0])) == 0
    assert barrier(torch.tensor([1.0, 5.0, 3.0])) == 2


def test_untrained_bezier_is_the_line_and_training_lowers_it(ends: tuple[Particles, Particles]) -> None:
    net, (x, y) = small_net(), waves()
    line = path_losses(net, linear_path(*ends), x, y)[1]
    untrained = bezier_path(net, *ends, x, y, generator(0, "path"), steps=0)
    torch.testing.assert_close(path_losses(net, untrained, x, y)[1], line, rtol=1e-9, atol=1e-12)
    trained = bezier_path(net, *ends, x, y, generator(0, "path"), steps=200)
    losses = path_losses(net, trained, x, y)[1]
    assert losses.mean() < 0.5 * line.mean() and barrier(losses) < barrier(line)


def test_bezier_is_quadratic(ends: tuple[Particles, Particles]) -> None:
    net, (x, y) = small_net(), waves()
    path = bezier_path(net, *ends, x, y, generator(0, "path"), steps=5)
    theta = torch.stack([path(s / 4).theta for s in range(5)])
    third = theta[3:] - 3 * theta[2:-1] + 3 * theta[1:-2] - theta[:-3]
    assert third.abs().max() < 1e-12
    assert (theta[2:] - 2 * theta[1:-1] + theta[:-2]).abs().max() > 1e-3


def test_linear_path_matches_blocks_in_the_order_of_depth(ends: tuple[Particles, Particles]) -> None:
    shuffled = Particles(ends[1].theta.flip(0), ends[1].t.flip(0))
    path, wanted = linear_path(ends[0], shuffled), linear_path(*ends)
    assert torch.equal(path(0.3).theta, wanted(0.3).theta) and torch.equal(path(0.3).t, wanted(0.3).t)


# ------------------------------------------------------------------------------------------------------- curvature


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_hessian_is_the_derivative_of_the_gradient(weighting: str) -> None:
    net, (x, y) = small_net(2, weighting), waves()
    particles = random_particles(net, 3)
    found = curvature(net, particles, x, y)
    direction = torch.randn(particles.theta.shape, generator=generator(1, "way"), dtype=torch.float64)

    def gradient(s: float) -> Tensor:
        moved = Particles(particles.theta + s * direction, particles.t)
        return net.gradients(net.along(moved, x, y))[0].flatten()

    wanted = (gradient(1e-5) - gradient(-1e-5)) / 2e-5
    product = found.hessian @ direction.flatten()
    assert ((product - wanted).norm() / wanted.norm()).item() < 1e-7
    outputs = net(particles, x)
    step = 1e-6 * direction
    moved = net(Particles(particles.theta + step, particles.t), x)
    torch.testing.assert_close(found.jacobian @ step.flatten(), moved - outputs, rtol=1e-4, atol=1e-9)


def test_hessian_splits_into_gauss_newton_and_residuals() -> None:
    net, (x, y) = small_net(), waves()
    particles = random_particles(net, 4)
    found = curvature(net, particles, x, y)
    exact = curvature(net, particles, x, net(particles, x).detach())  # the same net at zero loss
    torch.testing.assert_close(exact.hessian, found.gauss_newton, rtol=1e-9, atol=1e-13)
    half = curvature(net, particles, x, 0.5 * (y + net(particles, x)))  # residuals halved
    left, right = 2 * (half.hessian - half.gauss_newton), found.hessian - found.gauss_newton
    torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("samples", [3, 7])
def test_rank_at_zero_loss_is_at_most_the_number_of_samples(samples: int) -> None:
    net, (x, y) = small_net(), waves(samples)
    particles = random_particles(net, 5)
    assert curvature(net, particles, x, net(particles, x)).rank() == samples
    assert curvature(net, particles, x, y).rank() > samples


def test_spectra_along_depth() -> None:
    net, (x, y) = small_net(), waves()
    particles = random_particles(net, 4)
    found = curvature(net, particles, x, y)
    k = net.block.size
    for block, values in enumerate(found.block_eigenvalues()):
        part = found.hessian[block * k : (block + 1) * k, block * k : (block + 1) * k]
        torch.testing.assert_close(values.flip(0), torch.linalg.eigvalsh(part), rtol=1e-10, atol=1e-13)
    assert (found.eigenvalues.diff() <= 0).all()
    assert found.eigenvalues.sum().item() == pytest.approx(found.block_eigenvalues().sum().item())


def test_largest_eigenvalue_falls_like_one_over_depth() -> None:
    net, (x, y) = small_net(), waves()
    depths = torch.tensor([4.0, 8, 16, 32], dtype=torch.float64)
    means = []
    for depth in depths.int().tolist():
        tops = [curvature(net, random_particles(net, depth, f"depth/{k}"), x, y).eigenvalues[0] for k in range(6)]
        means.append(torch.stack(tops).log().mean())
    centred = depths.log() - depths.log().mean()
    fitted = (centred * torch.stack(means)).sum() / centred.square().sum()
    assert fitted.item() == pytest.approx(-1, abs=0.2)
