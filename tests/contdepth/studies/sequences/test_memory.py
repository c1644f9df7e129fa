"""Kernels of linear nets against other ways to the same numbers; the loss and its flow against quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from contdepth.studies.sequences.memory import flow, kernels

RATES, WEIGHTS = np.array([0.5, 1.0, 2.0]), np.array([0.3, 0.5, 0.2])


def kernel(t: np.ndarray) -> np.ndarray:
    """The sum of three exponentials."""
    return (np.exp(-RATES * np.asarray(t)[..., None]) * WEIGHTS).sum(-1)


def test_singular_values_of_modes_are_those_of_the_operator() -> None:
    """Gramians against Gauss's rule for the operator itself; behind the rank there is rounding."""
    direct = kernels.hankel_of_values(kernel, 60.0)
    np.testing.assert_allclose(kernels.hankel_of_modes(RATES, WEIGHTS), direct[:3], rtol=1e-8)
    assert direct[3] < 1e-14


def test_the_trapezoidal_rule_is_the_power_law() -> None:
    t = np.logspace(-2, 4, 30)
    rates, weights = kernels.trapezoid(0.5, 0.25, -40.0, 4.0)
    found = (np.exp(-rates * t[:, None]) * weights).sum(1)
    np.testing.assert_allclose(found, (1 + t) ** -1.5, rtol=1e-10)


def test_the_area_is_that_of_a_quadrature() -> None:
    """One exponential against (1+t)^-2, whose tail behind 10⁴ counts twice at most."""
    exact = quad(lambda t: abs((1 + t) ** -2 - 0.7 * math.exp(-t)), 0, 60, limit=500, epsabs=1e-10)[0] + 1 / 61
    found = kernels.area_missed(1.0, np.array([1.0]), np.array([0.7]))
    assert exact < found < exact + 2.1e-4


def test_what_is_enough_is_not_too_few() -> None:
    """The two bounds hold for one kernel, and the singular value is below the area that any net misses."""
    for omega in (1.0, 0.5):
        rates, weights = kernels.trapezoid(omega, 0.25, -45.0 / omega, 3.5)
        values = kernels.hankel_of_modes(rates, weights)
        assert kernels.too_few(values, 1 / omega) < kernels.enough(omega)
        assert kernels.too_few(values, 1 / omega) == int((values * omega > 0.01).sum()) - 1
        few = kernels.trapezoid(omega, 2.0, -5.0)
        assert values[len(few[0])] * omega < kernels.area_missed(omega, *few)


def test_loss_and_slope() -> None:
    """The loss against quadrature, its slope against finite differences."""
    late, u = flow.Late(6.0), torch.tensor([0.4, 0.3, 0.9, 0.35], dtype=torch.float64)

    def square(t: float) -> float:
        bump = late.size * math.exp(-((t - late.delay) ** 2) / (2 * late.width**2))
        return (0.4 * math.exp(-0.9 * t) + 0.3 * math.exp(-0.35 * t) - math.exp(-t) - bump) ** 2

    exact = quad(square, 0, 60, points=[late.delay], limit=200)[0]
    assert float(late.loss(u)) == pytest.approx(exact, abs=1e-9)
    assert late.bump == pytest.approx(quad(lambda t: 0.09 * math.exp(-(t**2) / 0.25), -9, 9)[0])
    shift = 1e-6 * torch.eye(4, dtype=torch.float64)
    numeric = (late.loss(u + shift) - late.loss(u - shift)) / 2e-6
    torch.testing.assert_close(late.slope(u), numeric, rtol=1e-6, atol=1e-9)


def test_flows_fall_and_end_where_the_slope_does() -> None:
    """In rates and in their logarithms the flow falls to one loss, beyond the plateau; Adam comes there too."""
    late, u = flow.Late(6.0), flow.start([7], 2)
    both = [flow.flow(late, u, end=1e5, points=30, logs=logs) for logs in (False, True)]
    for one in both:
        assert (np.diff(one.losses[:, 0]) <= 1e-9).all()
        assert one.losses[-1, 0] == pytest.approx(0.7717 * late.bump, rel=1e-3)
    steps = flow.adam(late, u, 1500, 0.03)
    least = both[0].losses[-1]
    assert steps.losses[-1, 0] == pytest.approx(least[0], rel=1e-2)
    (when,) = both[0].escapes(late.bump, least)
    half = (late.bump + least[0]) / 2
    before, after = both[0].losses[both[0].times < when, 0], both[0].losses[both[0].times > when, 0]
    assert before.min() > half > after.max()


def test_bending_tells_exponentials_from_powers() -> None:
    grid = [6.0, 10.0, 14.0]
    assert flow.bending(grid, [np.exp([0.3 * x]) for x in grid]) == pytest.approx([1.0])
    assert flow.bending(grid, [np.array([x**7]) for x in grid]) == pytest.approx([0.6587], abs=1e-4)
    assert np.isnan(flow.Training(np.arange(1.0, 4.0), np.ones((3, 1))).escapes(1.0, np.array([0.5]))).all()
