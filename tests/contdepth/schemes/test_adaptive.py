"""Embedded pairs with steps of their own choice: orders, oracles, batches, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from schemes.fields import times
from scipy.integrate import RK45
from torchdiffeq import odeint

from contdepth import errors, schemes
from contdepth.problems import Pendulum, TimeDependent
from contdepth.schemes.adaptive.setting import Tolerances, prepared

PAIRS = [schemes.DORMAND_PRINCE, schemes.TSITOURAS]
ALL = [*PAIRS, schemes.RODAS5P]


def fixed(problem, scheme, steps):
    """Errors at the end, of the largest estimate, and at two shares of the first step, for equal steps."""
    t, h = times(0.0, problem.T), problem.T / steps
    setting = prepared(
        problem.f, problem.u0, t, scheme, Tolerances(1e-6, 1e-9, None, 9), own=False, recorded=False
    )
    u, estimates = problem.u0, []
    theta = times(0.3, 0.7)
    for n in range(steps):
        after, estimate = setting.steps.attempt(t[0] + n * h, u, h)
        if n == 0:
            inside = setting.steps.inside(u, after, theta) - problem.solution(theta * h)
        estimates.append(estimate.abs().max())
        setting.steps.accept()
        u = after
    return [float(x) for x in ((u - problem.solution(problem.T)).abs().max(), max(estimates), inside.abs().max())]


@pytest.mark.parametrize("problem", [Pendulum(T=4.0), TimeDependent()], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
def test_orders(scheme, problem):
    """State 5, estimate 5, states inside a step 4: their error in one step falls with h^5."""
    orders = np.log2(np.array(fixed(problem, scheme, 20)) / np.array(fixed(problem, scheme, 40)))
    assert orders[0] > 4.5 and abs(orders[1] - 5) < 0.5 and orders[2] > 4.5


@pytest.mark.parametrize("part", ["a", "error", "dense"])
@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: p.name)
def test_a_wrong_coefficient_is_refused(pair, part):
    rows = getattr(pair, part)
    row = 3 if part == "dense" else len(rows) - 1
    spoiled = 1.1 * rows[row] if part == "error" else tuple(1.1 * x for x in rows[row])
    wrong = (*rows[:row], spoiled, *rows[row + 1 :])
    with pytest.raises(ValueError, match="expected"):
        schemes.EmbeddedPair(**{**vars(pair), part: wrong})


def test_coefficients_are_those_of_scipy():
    """SciPy's estimate is Dormand and Prince's, one and a half times as large."""
    pair = schemes.DORMAND_PRINCE
    np.testing.assert_allclose(pair.a[-1], RK45.B, rtol=1e-15)
    np.testing.assert_allclose(np.array(pair.error) * 1.5, -RK45.E, rtol=1e-13)
    np.testing.assert_allclose(pair.dense, RK45.P, rtol=1e-15)


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
@pytest.mark.parametrize("rtol", [1e-4, 1e-7, 1e-10])
def test_the_error_follows_the_tolerance(scheme, rtol):
    problem, t = TimeDependent(), times(0.0, 0.2, 0.21, 0.9, 1.0)
    found = schemes.solve(problem.f, problem.u0, t, scheme, rtol=rtol, atol=rtol)
    assert float((found.u - problem.solution(t)).abs().max()) < 10 * rtol


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
def test_backwards_in_time(scheme):
    problem, t = TimeDependent(), times(1.0, 0.5, 0.0)
    found = schemes.solve(problem.f, problem.solution(1.0), t, scheme, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(found.u, problem.solution(t), rtol=0, atol=1e-7)


def test_the_grid_of_outputs_does_not_move_the_steps():
    problem, few, many = Pendulum(T=6.0), times(0.0, 6.0), torch.linspace(0, 6, 200, dtype=torch.float64)
    one, two = (schemes.solve(problem.f, problem.u0, t) for t in (few, many))
    assert one.statistics == two.statistics
    assert torch.equal(one.u[-1], two.u[-1])
    assert float((two.u - problem.solution(many)).abs().max()) < 1e-5


def counted(f):
    def counting(t, u):
        counting.calls += 1
        return f(t, u)

    counting.calls = 0
    return counting


def van_der_pol(t, u):
    x, y = u.unbind(-1)
    return torch.stack([y, 2 * (1 - x**2) * y - x], -1)


def ring(t, u):
    """A ring of coupled pendulums."""
    q, p = u.chunk(2, -1)
    return torch.cat([p, q.roll(1, -1) + q.roll(-1, -1) - 2 * q - q.sin()], -1)


@pytest.mark.parametrize("name", ["van der Pol", "ring"])
def test_evaluations_are_at_most_those_of_torchdiffeq(name):
    """Within 5 % at equal tolerance, and at equal error: a scheme of order 5 pays an error by its fifth root."""
    waves = torch.sin(torch.arange(16.0)).double()
    f, u0 = (van_der_pol, times(2.0, 0.0)) if name == "van der Pol" else (ring, waves)
    t = torch.linspace(0, 20, 41, dtype=torch.float64)
    exact, shares, at_equal_error = schemes.solve(f, u0, t, rtol=1e-12, atol=1e-13).u, [], []
    for tolerance in (1e-4, 1e-5, 1e-6, 1e-7, 1e-8):
        ours, theirs = counted(f), counted(f)
        found = schemes.solve(ours, u0, t, rtol=tolerance, atol=tolerance)
        other = odeint(theirs, u0, t, method="dopri5", rtol=tolerance, atol=tolerance)
        assert found.statistics.evaluations == ours.calls
        errors = [float((u - exact).square().mean().sqrt()) for u in (found.u, other)]
        shares.append(ours.calls / theirs.calls)
        at_equal_error.append(shares[-1] * (errors[0] / errors[1]) ** 0.2)
    assert max(np.mean(shares), np.mean(at_equal_error)) <= 1.05


def test_statistics_count():
    f = counted(van_der_pol)
    cost = schemes.solve(f, times(2.0, 0.0), times(0.0, 10.0)).statistics
    assert cost.rejected > 0 and cost.jacobians == 0
    assert cost.evaluations == f.calls == 2 + 6 * (cost.accepted + cost.rejected)


def oscillators(rates):
    def f(t, u):
        q, p = u.chunk(2, -1)
        return torch.cat([p, -(rates**2) * q.sin() + torch.cos(t)], -1)

    return f


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
def test_members_step_as_if_alone(scheme):
    rates = times(0.3, 3.0, 30.0).unsqueeze(-1)
    u0, t = torch.tensor([[1.0, 0.5]]).double().expand(3, 2), times(0.0, 0.1, 1.0, 1.1, 3.0)
    found = schemes.solve(oscillators(rates), u0, t, scheme, steps="own")
    assert found.statistics.accepted[2] > 5 * found.statistics.accepted[0]
    for n in range(3):
        alone = schemes.solve(oscillators(rates[n]), u0[n], t, scheme)
        torch.testing.assert_close(found.u[:, n], alone.u, rtol=0, atol=1e-7 * float(rates[n]))
        assert abs(int(found.statistics.accepted[n]) - alone.statistics.accepted) <= 1
        assert abs(int(found.statistics.rejected[n]) - alone.statistics.rejected) <= 1


def test_own_steps_of_a_batch_of_any_shape_and_backwards():
    u0 = torch.sin(torch.arange(12.0)).double().reshape(2, 3, 2)
    t = times(0.0, -0.7, -2.0)
    found = schemes.solve(Pendulum().f, u0, t, steps="own", rtol=1e-8, atol=1e-10)
    assert found.statistics.accepted.shape == (2, 3)
    exact = schemes.solve(Pendulum().f, u0, t, rtol=1e-11, atol=1e-12).u
    torch.testing.assert_close(found.u, exact, rtol=0, atol=1e-6)


def test_complex_states():
    f = lambda t, u: (1j - 0.1 * t) * u  # noqa: E731
    t = times(0.0, 1.0, 3.0)
    for steps in ("common", "own"):
        found = schemes.solve(f, torch.ones(1, 1, dtype=torch.complex128), t, rtol=1e-9, atol=1e-11, steps=steps)
        torch.testing.assert_close(found.u[:, 0, 0], torch.exp(1j * t - 0.05 * t**2), rtol=0, atol=1e-7)


def test_single_precision():
    found = schemes.solve(Pendulum().f, Pendulum().u0.float(), times(0.0, 2.0).float(), rtol=1e-5, atol=1e-6)
    assert found.u.dtype == torch.float32
    assert (found.u[-1] - Pendulum().solution(2.0)).abs().max() < 1e-4


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
@pytest.mark.parametrize("steps", ["common", "own"])
def test_a_solution_that_ends_is_named(scheme, steps):
    """u' = u² from 1 ends at t = 1."""
    with pytest.raises(
        errors.IntegrationError, match=r"at t = (1|0\.99999)\S*, step .*: expected a step"
    ) as caught:
        schemes.solve(
            lambda t, u: u**2, torch.ones(1, 1).double(), times(0.0, 2.0), scheme, steps=steps, rtol=1e-7
        )
    error = caught.value
    assert (
        abs(error.time - 1) < 1e-6 and bool(torch.isfinite(error.state).all()) and float(error.state.max()) > 1e5
    )


@pytest.mark.parametrize("recorded", [False, True], ids=["values", "gradients"])
@pytest.mark.parametrize("scheme", [schemes.TSITOURAS, schemes.RODAS5P], ids=lambda s: s.name)
@pytest.mark.parametrize("steps", ["common", "own"])
def test_values_that_are_not_numbers_are_named(steps, scheme, recorded):
    u0 = torch.ones(1, 1).double().requires_grad_(recorded)
    f = lambda t, u: -u + torch.log(1 - t)  # noqa: E731
    with pytest.raises(errors.IntegrationError, match="expected a step whose error is allowed, found") as caught:
        schemes.solve(f, u0, times(0.0, 2.0), scheme, steps=steps)
    assert 0.9 < caught.value.time <= 1 and bool(torch.isfinite(caught.value.state).all())


@pytest.mark.parametrize("steps", ["common", "own"])
def test_too_many_steps_are_named(steps):
    f = lambda t, u: -1e5 * (u - torch.cos(t))  # noqa: E731
    with pytest.raises(errors.IntegrationError, match="expected the end in 50 steps, found .*RODAS5P") as caught:
        schemes.solve(f, torch.ones(1, 1).double(), times(0.0, 10.0), steps=steps, most=50)
    assert 0 < caught.value.time < 1 and math.isfinite(caught.value.step)
