"""The bench of corrections: data, slopes, gradients and climates against what is known of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from contdepth import problems
from contdepth.studies.control import calibration, forecasts, lorenz
from contdepth.studies.control.black_box import by_scipy
from contdepth.studies.control.contest import best, contest
from contdepth.studies.control.corrections import Corrections, Hybrid
from contdepth.studies.control.costs import bytes_kept
from contdepth.studies.control.gradient_errors import gradient_errors, slope

PLAN = calibration.Plan(seeds=(0, 1), steps=5, batch=16)


def start(count=16):
    return lorenz.trajectories(count, 2, 0.01, seed=5)[:, 0].expand(2, count, 3).contiguous()


def test_trajectories_are_those_of_the_equations():
    found = lorenz.trajectories(2, 21, 0.05, seed=3)
    times = 0.05 * torch.arange(21, dtype=torch.float64)
    for one in found:
        exact = problems.reference(lorenz.lorenz, one[0], times, tolerance=1e-11)
        torch.testing.assert_close(one, exact, rtol=0, atol=1e-6)
    missing = lorenz.lorenz(times[0], found) - lorenz.core(times[0], found)
    torch.testing.assert_close(missing[..., 2], -8 / 3 * found[..., 2])


def test_windows_are_stretches_of_one_trajectory():
    states = torch.arange(30.0).reshape(2, 5, 3)
    found = lorenz.windows(states, 2)
    assert found.shape == (6, 3, 3)
    assert torch.equal(found[1], states[0, 1:4]) and torch.equal(found[3], states[1, :3])


@pytest.mark.parametrize("order", [1, 2, 4, 6, "spline"])
def test_slopes_have_their_order(order):
    errors = []
    for h in (0.1, 0.05):
        t = h * torch.arange(200, dtype=torch.float64)
        data = torch.stack([t.sin(), t.cos(), (2 * t).sin()], -1).unsqueeze(0)
        states, rates = calibration.slopes(data, h, order)
        exact = torch.stack([states[:, 1], -states[:, 0]], -1)
        errors.append(float((rates[:, :2] - exact).norm(dim=1).max()))
    seen = np.log2(errors[0] / errors[1])
    wanted = 6 if order == "spline" else order  # at the knots of a quintic spline one more than between them
    assert abs(seen - wanted) < 0.25, seen


def test_seeds_train_as_if_alone():
    data = lorenz.trajectories(2, 30, 0.01, seed=7)
    together, losses = calibration.online(data, PLAN, "euler")
    for k, seed in enumerate(PLAN.seeds):
        alone, own = calibration.online(data, replace(PLAN, seeds=(seed,)), "euler")
        torch.testing.assert_close(losses[:, k], own[:, 0], rtol=1e-9, atol=0)
        for a, b in zip(together.weights, alone.weights, strict=True):
            torch.testing.assert_close(a[k], b[0], rtol=1e-6, atol=1e-9)


def test_the_exact_gradient_is_that_of_differences():
    model, plan = Hybrid(lorenz.core, Corrections((0, 1))), replace(PLAN, intervals=3, interval=0.02, inner=2)
    weight = model.correction.weights[2]
    loss = calibration.through(model, start(), plan, "exact").square().mean()
    found = torch.autograd.grad(loss, weight)[0][1, 2, 0]
    with torch.no_grad():
        ends = []
        for d in (1e-4, -2e-4):
            weight[1, 2, 0] += d
            ends.append(float(calibration.through(model, start(), plan, "exact").square().mean()))
    assert float(found) == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-6)


def test_orders_of_the_gradients():
    """At a fixed time 1 with Jacobians and 0 without; at a fixed number of steps 2 for all."""
    kinds = ("jacobian", "euler", "straight", "static")
    h, errors, norms = gradient_errors([200, 400], kinds, size=16)
    seen = {one: slope(h, errors[one] / norms) for one in kinds}
    assert 0.95 < seen["jacobian"] < 1.05 and 0.9 < seen["euler"] < 1.1, seen
    assert max(abs(seen["straight"]), abs(seen["static"])) < 0.1, seen
    h, errors, _ = gradient_errors([800, 1600], kinds, time=None, size=16)
    assert all(abs(slope(h, errors[one]) - 2) < 0.15 for one in kinds)


def test_scipy_finds_the_states_of_small_steps():
    model, t = Hybrid(lorenz.core, Corrections((0, 1))), torch.linspace(0, 0.2, 21, dtype=torch.float64)
    found = by_scipy(model, start(), t)
    plan = replace(PLAN, intervals=20)
    with torch.no_grad():
        torch.testing.assert_close(found, calibration.through(model, start(), plan, "exact"), rtol=0, atol=2e-4)
    assert torch.equal(found[0], start())


def test_one_call_is_static_where_the_model_steps_once():
    model = Hybrid(lorenz.core, Corrections((0, 1)))
    grads = []
    for how in ("static", "one call"):
        loss = calibration.through(model, start(), PLAN, how).square().mean()
        grads.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]))
    assert torch.equal(*grads)


def test_climate_of_the_equations():
    """The exponent 0.906 is known from many sources; the distance to itself is 0."""
    truth = forecasts.climate(lambda t, u: lorenz.lorenz(t, u), 1, starts=32, seed=11, time=20.0)
    assert truth.exponent == pytest.approx(0.906, abs=0.04)
    assert truth.distance(truth) == 0
    aside = replace(truth, z=truth.z + 1.5)
    assert aside.distance(truth) == pytest.approx(1.5)


def test_a_forecast_by_the_equations_holds():
    told = forecasts.skill(lambda t, u: lorenz.lorenz(t, u), 2, starts=4, seed=12)
    assert (told.near < 1e-4).all() and (told.lyapunov_times > 7).all()
    core = forecasts.skill(lambda t, u: lorenz.core(t, u), 1, starts=4, seed=12)
    assert core.near > 1 and core.lyapunov_times < 1


def test_a_small_contest():
    truth = forecasts.climate(lambda t, u: lorenz.lorenz(t, u), 1, starts=4, seed=11, time=2.0)
    arms = contest(
        PLAN, 0.01, ("static",), (1, 6), truth, solvers={"SciPy": by_scipy}, starts=6, time=2.0, seed=20
    )
    assert list(arms) == ["static", "SciPy", "offline 1", "offline 6"]
    assert all(
        np.isfinite(value).all() and value.shape == (2,) for arm in arms.values() for value in vars(arm).values()
    )
    np.testing.assert_allclose(arms["static"].loss, arms["SciPy"].loss, rtol=1e-2)
    means = {name: np.log(arm.near).mean() for name, arm in arms.items() if name.startswith("offline")}
    assert best(arms, "near") == min(means, key=means.get)


def test_a_graph_of_four_stages_keeps_more():
    ratio = bytes_kept(PLAN, "exact") / bytes_kept(PLAN, "euler")
    assert 3 < ratio < 4.5
