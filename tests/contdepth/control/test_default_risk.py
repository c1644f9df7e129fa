"""The price with default risk and tilted values, by quadrature, finite differences and Monte Carlo."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.special import ndtr
from torch import Tensor

from contdepth import control
from contdepth.control.bsde.feedback import Feedback, LeastFeedback
from contdepth.control.bsde.solve import draw, noise, residuals, rule, step_sizes
from contdepth.studies.control.no_gradient import least_moments, mean_over_shells, without_gradient
from contdepth.studies.control.picard import picard_estimates
from contdepth.studies.control.radial import radial_allen_cahn


def one_asset(price: float, points: int = 801) -> float:
    """u(0, ``price``) of one asset in its own price: lines in s, with the drift and the rates written out here.

    u_t + 0.02 s u_s + 0.02 s² u_ss - Q(u) u / 3 - 0.02 u = 0.
    """
    s = np.linspace(0, 4 * price, points)
    h = s[1]

    def slope(_: float, u: np.ndarray) -> np.ndarray:
        wide = np.concatenate([[2 * u[0] - u[1]], u, [2 * u[-1] - u[-2]]])
        first, second = (wide[2:] - wide[:-2]) / (2 * h), (wide[2:] - 2 * u + wide[:-2]) / h**2
        rate = np.interp(u, [50, 70], [0.2, 0.02])
        return 0.02 * s * first + 0.02 * s**2 * second - rate * u / 3 - 0.02 * u

    found = solve_ivp(slope, (0, 1), s, method="LSODA", rtol=1e-8, atol=1e-8, lband=2, uband=2)
    return float(np.interp(price, s, found.y[:, -1]))


@pytest.mark.parametrize("price", [45.0, 62.0, 90.0])
def test_one_asset_against_finite_differences(price: float) -> None:
    expected = one_asset(price)
    found = control.solve_bsde(control.default_risk(1, price), 20, 200, seed=(0, 1), rate=4e-2)
    assert found.value == pytest.approx([expected] * 2, rel=4e-4)
    assert float(found.spread.max()) < 0.1 * 0.2 * price  # a gradient has been learned
    each = picard_estimates(control.default_risk(1, price), 3, 8, 60)
    assert each.mean() == pytest.approx(expected, abs=4 * each.std() / math.sqrt(60) + 1e-3 * price)


def test_two_grids_agree() -> None:
    assert one_asset(62.0, 401) == pytest.approx(one_asset(62.0), rel=2e-4)


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_a_constant_rate_is_a_discount(rate: float) -> None:
    """u = e^{-(R + (1 - δ) γ) T} E min S; on the paths of the solver, and by Picard's estimates."""
    problem = control.default_risk(5, 80.0, intensities=(rate, rate))
    exact = math.exp(-0.02 - rate / 3) * least_moments(5, 80.0)[0]
    assert without_gradient(problem, least_moments(5, 80.0)[0]) == pytest.approx(exact, rel=1e-8)
    each = picard_estimates(problem, 4, 6, 30)
    assert each.mean() == pytest.approx(exact, abs=4 * each.std() / math.sqrt(30))
    found = control.solve_bsde(problem, 40, 40, seed=(0,), rate=3e-2)
    assert float(found.value) == pytest.approx(exact, abs=4 * float(found.spread) / 45 + 2e-3 * exact)


def test_driver_by_hand() -> None:
    driver = control.default_risk().driver
    y = torch.tensor([40.0, 50.0, 55.0, 60.0, 70.0, 90.0], dtype=torch.float64)
    rates = torch.tensor([0.2, 0.2, 0.155, 0.11, 0.02, 0.02], dtype=torch.float64)
    torch.testing.assert_close(driver(y, y), -(rates / 3 + 0.02) * y)
    terminal = control.default_risk(3, 100.0).terminal
    x = torch.tensor([[0.1, -0.2, 0.3], [0.0, 0.5, 0.5]], dtype=torch.float64)
    torch.testing.assert_close(terminal(x), 100 * torch.tensor([-0.2, 0.0], dtype=torch.float64).exp())


def test_moments_of_the_least_by_known_cases_and_monte_carlo() -> None:
    assert least_moments(1)[0] == pytest.approx(100 * math.exp(0.02), rel=1e-10)
    spread = 0.2 / math.sqrt(2)  # of half the difference of two logarithms
    two = 2 * 100 * math.exp(0.02) * float(ndtr(-spread))
    assert least_moments(2)[0] == pytest.approx(two, rel=1e-9)
    g = torch.Generator().manual_seed(0)
    least = control.default_risk().terminal(0.2 * torch.randn(50_000, 100, generator=g, dtype=torch.float64))
    mean, wide = least_moments(100)
    assert mean == pytest.approx(float(least.mean()), abs=4 * wide / math.sqrt(50_000))
    assert wide == pytest.approx(float(least.std()), rel=0.02)
    assert least_moments(1)[1] == pytest.approx(100 * math.exp(0.02) * math.sqrt(math.expm1(0.04)), rel=1e-8)


def test_without_a_gradient_the_value_is_that_of_the_mean() -> None:
    """By χ² quadrature where g depends on |x|; exact where f is linear or missing."""
    hjb = control.hamilton_jacobi_bellman(100, 1.0)
    assert mean_over_shells(hjb) == pytest.approx(control.hjb_value(100, 0.0), rel=1e-10)
    assert without_gradient(hjb, 4.6) == pytest.approx(4.6, rel=1e-14)
    cubic = control.allen_cahn(100)
    flat = without_gradient(cubic, mean_over_shells(cubic))
    closed = 1 / math.sqrt(1 + math.exp(-0.6) * (mean_over_shells(cubic) ** -2 - 1))  # of y' = y - y³
    assert flat == pytest.approx(closed, rel=1e-9)


def test_picard_estimates_of_an_equation_with_another_reference() -> None:
    """Allen-Cahn in ten dimensions; a level more brings it nearer by far."""
    exact = radial_allen_cahn(10)
    coarse = picard_estimates(control.allen_cahn(10), 1, 4000, 1)
    each = picard_estimates(control.allen_cahn(10), 4, 6, 40)
    assert each.mean() == pytest.approx(exact, abs=4 * each.std() / math.sqrt(40))
    assert abs(coarse[0] / exact - 1) > 0.1


def test_the_learned_least_is_a_gradient() -> None:
    """Its entries sum to σ s of the least asset, and near the end it is all that asset's."""
    sizes = torch.full((4,), 0.25, dtype=torch.float64)
    feedback = LeastFeedback((0,), sizes, 2, 0.2, lambda x: 50 * x.amin(-1).exp())
    torch.nn.init.constant_(feedback.gain, 1.0)
    x = torch.tensor([0.3, -0.4], dtype=torch.float64).expand(1, 4, 1, 2)
    z = feedback(x).detach()
    torch.testing.assert_close(z.sum(-1), torch.full((1, 4, 1), 10 * math.exp(-0.4), dtype=torch.float64))
    assert bool((z[..., 1] > z[..., 0]).all()) and float(z[0, 3, 0, 0]) < 1e-2 * float(z[0, 3, 0, 1])
    each = [feedback(x[:, n : n + 1], slice(n, n + 1)) for n in range(4)]
    torch.testing.assert_close(z, torch.cat(each, 1).detach())


def test_tilted_values_are_right_whatever_z_and_steps_are() -> None:
    """With a wrong Z on three coarse, shrinking steps the mean of the residual is off, the tilted value is not."""
    problem = replace(control.hamilton_jacobi_bellman(3, 2.0), symmetry="rotations")
    sizes = step_sizes(problem, 3, 0.5)
    feedback = rule(problem, (0,), sizes)
    assert isinstance(feedback, Feedback) and feedback.gain.shape == (1, 3, 1, 1)
    torch.nn.init.constant_(feedback.gain, 0.3)
    w = noise(3, sizes, 100_000, [torch.Generator().manual_seed(1)])
    for controlled in (False, True):
        x, dw = draw(problem, feedback, w, sizes, controlled)
        with torch.no_grad():
            r = residuals(problem, feedback(x[:, :-1]), x, dw, torch.zeros(1, dtype=torch.float64), sizes)[0]
        tilted = -math.log(float((-2 * r).exp().mean())) / 2
        exact = control.hjb_value(3, 2.0)
        assert (abs(tilted - exact) < 6e-3) == controlled  # Girsanov's density is that of paths under the control
        assert float(r.mean()) > exact + 0.03


def test_tilted_value_of_the_solver() -> None:
    problem = replace(control.hamilton_jacobi_bellman(50, 10.0), symmetry="rotations")
    found = control.solve_bsde(problem, 10, 120, seed=(0, 1), controlled=True, rate=2e-2, shrink=0.8, rounds=3)
    exact = control.hjb_value(50, 10.0)
    assert found.tilted == pytest.approx([exact] * 2, rel=5e-3)
    assert bool((found.value > found.tilted).all())
    free = control.solve_bsde(problem, 3, 2, seed=(0,), batch=4)
    assert torch.equal(free.value, free.tilted)


def test_steps_shrink_and_fill_the_time() -> None:
    problem: control.BSDE = control.allen_cahn(2)
    sizes: Tensor = step_sizes(problem, 5, 0.5)
    assert float(sizes.sum()) == pytest.approx(0.3, rel=1e-14)
    torch.testing.assert_close(sizes[1:] / sizes[:-1], torch.full((4,), 0.5, dtype=torch.float64))


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="levels: expected two increasing numbers"):
        control.default_risk(2, levels=(70.0, 50.0))
    with pytest.raises(ValueError, match="intensities: expected two numbers, found 3"):
        control.default_risk(2, intensities=(0.1, 0.2, 0.3))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="symmetry: expected one of 'axes', 'rotations', 'least'"):
        replace(control.allen_cahn(2), symmetry="none")
    with pytest.raises(ValueError, match="rounds: expected 1 where the driver depends on y"):
        control.solve_bsde(control.default_risk(2), 2, 1, rounds=2)
