"""Deep BSDE: exact values against other quadratures and Monte Carlo, Itô's correction, and learned values."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from contdepth import control
from contdepth.control.bsde.feedback import Feedback
from contdepth.control.bsde.solve import draw, noise, residuals, step_sizes
from contdepth.studies.control.exact_feedback import value_with_exact_gradient
from contdepth.studies.control.lq_link import costates_and_gradients
from contdepth.studies.control.per_step_nets import train_step_nets
from contdepth.studies.control.races import Course, seconds_to
from contdepth.studies.control.radial import radial_allen_cahn


@pytest.mark.parametrize(("dim", "strength"), [(2, 1.0), (3, 0.0), (100, 1.0), (100, 50.0)])
def test_value_by_adaptive_quadrature(dim: int, strength: float) -> None:
    def weight(q: float) -> float:
        return math.exp((dim / 2 - 1) * math.log(q) - q / 2 - dim / 2 * math.log(2) - math.lgamma(dim / 2))

    def integrand(q: float) -> float:
        g = math.log((1 + 2 * q) / 2)
        return weight(q) * (math.exp(-strength * g) if strength else g)

    pieces = [0, 1, 5, 10, 20, 50, 100, 150, 400]
    total = sum(quad(integrand, a, b, epsrel=1e-11, epsabs=0)[0] for a, b in zip(pieces, pieces[1:], strict=False))
    expected = -math.log(total) / strength if strength else total
    assert control.hjb_value(dim, strength) == pytest.approx(expected, rel=1e-8)


def test_value_by_monte_carlo() -> None:
    g = torch.Generator().manual_seed(0)
    x = math.sqrt(2) * torch.randn(100_000, 5, generator=g, dtype=torch.float64)
    each = (-3 * ((1 + x.square().sum(1)) / 2).log()).exp()
    error = float(each.std() / math.sqrt(len(each)) / each.mean()) / 3
    assert control.hjb_value(5, 3.0) == pytest.approx(-math.log(each.mean()) / 3, abs=4 * error)


def test_solution_has_the_equation_s_derivatives() -> None:
    dim, strength, e = 10, 4.0, 1e-3
    radius = torch.tensor([1.5 - e, 1.5, 1.5 + e], dtype=torch.float64)
    u, slope = control.hjb_solution(radius, 0.5, dim, strength)
    before, _ = control.hjb_solution(radius[1:2], 0.5 + e, dim, strength)
    after, _ = control.hjb_solution(radius[1:2], 0.5 - e, dim, strength)
    rate = (after - before)[0] / (2 * e)
    assert float(slope[1]) == pytest.approx(float(u[2] - u[0]) / (2 * e), rel=1e-5)
    second = (slope[2] - slope[0]) / (2 * e)
    assert abs(float(rate + second + (dim - 1) / 1.5 * slope[1] - strength * slope[1] ** 2)) < 1e-4
    at_zero, flat = control.hjb_solution(torch.zeros(1, dtype=torch.float64), 1.0, dim, strength)
    assert float(at_zero) == pytest.approx(control.hjb_value(dim, strength), rel=1e-9)
    assert abs(float(flat)) < 1e-9


def exact_residuals(steps: int, controlled: bool, strength: float = 3.0) -> Tensor:
    """Residuals with the exact Z of u(t, x) in one dimension, from u(0, 0) as it is."""
    problem = control.BSDE(
        1, 1.0, math.sqrt(2), lambda y, s: -strength / 2 * s, lambda x: x.squeeze(-1).sin(), False, strength
    )
    nodes = torch.linspace(-8, 8, 161, dtype=torch.float64)
    weights = (-nodes.square() / 2).exp()
    weights = weights / weights.sum()

    def u_and_slope(x: Tensor, left: float) -> tuple[Tensor, Tensor]:
        there = x[..., None] + math.sqrt(2 * left) * nodes
        w = (-strength * there.sin()).exp() * weights
        return -w.sum(-1).log() / strength, (w * there.cos()).sum(-1) / w.sum(-1)

    class Exact(torch.nn.Module):
        def forward(self, x: Tensor, at: slice = slice(None)) -> Tensor:
            times = range(steps)[at]
            each = [u_and_slope(x[:, k], 1 - n / steps)[1] for k, n in enumerate(times)]
            return math.sqrt(2) * torch.stack(each, 1)

    feedback = Exact()
    sizes = step_sizes(problem, steps, 1.0)
    dw = noise(1, sizes, 500, [torch.Generator().manual_seed(1)])
    x, moved = draw(problem, feedback, dw, sizes, controlled)
    start, _ = u_and_slope(torch.zeros(1, dtype=torch.float64), 1.0)
    return residuals(problem, feedback(x[:, :-1]), x, moved, start, sizes)


@pytest.mark.parametrize("controlled", [False, True])
def test_exact_feedback_leaves_a_residual_that_vanishes_with_the_step(controlled: bool) -> None:
    sizes = [float(exact_residuals(n, controlled).square().mean().sqrt()) for n in (10, 40, 160)]
    assert sizes[2] < 0.12
    for coarse, fine in zip(sizes, sizes[1:], strict=False):
        assert 1.6 < coarse / fine < 2.6  # order one half


def test_reference_of_allen_cahn_by_monte_carlo() -> None:
    """Picard's iteration from the linear equation bounds it; two grids agree; the published value is met."""
    fine = radial_allen_cahn(points=1200)
    assert radial_allen_cahn(points=600) == pytest.approx(fine, rel=1e-4)
    assert fine == pytest.approx(0.0528, rel=2e-3)
    g = torch.Generator().manual_seed(0)
    x = math.sqrt(0.6) * torch.randn(20_000, 100, generator=g, dtype=torch.float64)
    linear = math.exp(0.3) * float((1 / (2 + 0.4 * x.square().sum(1))).mean())
    assert 0.99 * linear < fine < linear  # u³ takes a little away


def test_learned_values() -> None:
    problem = control.hamilton_jacobi_bellman(20, 5.0)
    found = control.solve_bsde(problem, 20, 150, seed=(0, 1), controlled=True, rate=3e-3)
    assert found.value == pytest.approx([control.hjb_value(20, 5.0)] * 2, rel=0.02)
    assert control.hjb_value(20, 5.0) / control.hjb_value(20, 10.0) > 1.06  # λ doubled would be seen
    allen = control.solve_bsde(control.allen_cahn(20), 10, 60, seed=(0,))
    assert float(allen.value) == pytest.approx(radial_allen_cahn(20), rel=0.02)


def test_the_exact_gradient_on_coarse_steps() -> None:
    """Free paths cost little; with a strong control explicit steps do, less as they shrink."""
    exact = control.hjb_value(100, 50.0)
    free, _ = value_with_exact_gradient(50.0, 20, controlled=False, paths=200)
    coarse, _ = value_with_exact_gradient(50.0, 20, controlled=True, paths=100)
    fine, _ = value_with_exact_gradient(50.0, 40, controlled=True, paths=100)
    assert abs(free / exact - 1) < 0.01
    assert 0.02 < fine / exact - 1 < 0.8 * (coarse / exact - 1)


def test_seeds_do_not_depend_on_their_company() -> None:
    problem = control.hamilton_jacobi_bellman(3)
    alone = control.solve_bsde(problem, 3, 3, seed=(4,), batch=4).value
    both = control.solve_bsde(problem, 3, 3, seed=(1, 4), batch=4).value
    torch.testing.assert_close(alone[0], both[1])


def test_a_net_for_each_step_trains() -> None:
    seen = Course()
    train_step_nets(control.hamilton_jacobi_bellman(3), 3, 40, 0, seen, rate=0.1, batch=16)
    assert seen.values.shape == (40, 1)
    assert seen.values[-1] > seen.values[0] + 0.3
    assert math.isinf(seconds_to(seen, 100.0, 0.01))
    assert seconds_to(seen, 1.0, 100.0) == seen.times[0]


def test_costates_are_minus_the_gradient_of_the_value() -> None:
    costates, gradients, stationary = costates_and_gradients(6, 0)
    torch.testing.assert_close(costates, -gradients, rtol=1e-12, atol=1e-13)
    assert float(stationary.abs().max()) < 1e-13


def test_feedback_is_one_call_or_many() -> None:
    model = Feedback((0, 1), torch.full((4,), 0.25, dtype=torch.float64), 3, 1.0)
    torch.nn.init.normal_(model.gain)
    torch.nn.init.normal_(model.outer)
    x = torch.randn(2, 4, 5, 3, dtype=torch.float64)
    each = [model(x[:, n : n + 1], slice(n, n + 1)) for n in range(4)]
    torch.testing.assert_close(model(x), torch.cat(each, 1))


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="controlled: expected False for an equation without a control"):
        control.solve_bsde(control.allen_cahn(2), 2, 1, controlled=True)
    with pytest.raises(ValueError, match="seed: expected at least one seed"):
        control.solve_bsde(control.allen_cahn(2), 2, 1, seed=())
