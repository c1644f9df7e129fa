"""Members of a batch with steps of their own: the quick way against the recorded one, counts, and how they end."""

from __future__ import annotations

import math

import pytest
import torch
from schemes.fields import times

from contdepth import errors, schemes
from contdepth.problems import Pendulum
from contdepth.schemes.adaptive.control import CONTROL, Allowance
from contdepth.schemes.adaptive.own.control import OwnControl
from contdepth.schemes.adaptive.own.walk import OwnWalk
from contdepth.schemes.adaptive.setting import Tolerances, prepared

ALL = [schemes.DORMAND_PRINCE, schemes.TSITOURAS, schemes.RODAS5P]


def oscillators(rates):
    def f(t, u):
        q, p = u.chunk(2, -1)
        return torch.cat([p, -(rates**2) * q.sin() + torch.cos(t)], -1)

    return f


@pytest.mark.parametrize("t", [times(0.0, 0.1, 1.0, 2.0), times(1.0, -0.5)], ids=["forward", "backward"])
@pytest.mark.parametrize("pair", ALL[:2], ids=lambda s: s.name)
def test_few_kernels_take_the_steps_of_the_recorded_way(pair, t):
    rates = torch.logspace(0, 1.5, 7, dtype=torch.float64).unsqueeze(-1)
    u0 = torch.tensor([[1.0, 0.5]]).double().expand(7, 2)
    quick = schemes.solve(oscillators(rates), u0, t, pair, steps="own")
    setting = prepared(
        oscillators(rates), u0, t, pair, Tolerances(1e-6, 1e-9, None, 9999), own=True, recorded=True
    )
    walk = OwnWalk(setting.flow, setting.steps, setting.course, setting.offsets)
    again = schemes.solve(oscillators(rates), u0.clone().requires_grad_(), t, pair, steps="own")
    for states in (torch.stack(walk(u0)), again.u[1:].detach()):
        torch.testing.assert_close(quick.u[1:], states, rtol=1e-9, atol=1e-9)
    for name in ("accepted", "rejected"):
        one, other = (getattr(found.statistics, name) for found in (quick, again))
        assert torch.equal(one, other) and torch.equal(one, getattr(walk.counts, name)[:, 0]) and one.sum() > 0


def test_the_controller_of_a_batch_is_that_of_one():
    """Over errors of all kinds, for three coordinates: the same judgement and the same next step."""
    allowed = Allowance(1e-6, times(1e-9)[0], True)
    control = OwnControl(allowed, torch.ones(1, 1).double(), torch.full((1, 1), 1e9).double(), 3)
    last, again, rejected = CONTROL.aim, False, 0
    for error in (
        0.5,
        3.0,
        0.9,
        0.95,
        1.01,
        0.2,
        1e-3,
        0.0,
        0.5,
        math.nan,
        0.5,
        0.5,
        math.inf,
        1.0,
        0.99,
        1.02,
        0.7,
    ):
        step, left = control.h.clone(), float(control.left)
        good = bool(control.judge(times(error * 3**0.5).view(1, 1), step))
        factor = CONTROL.factor(error, last, again)
        assert good == (error <= 1.0)
        assert float(control.h) == pytest.approx(float(step) * factor, rel=1e-12)
        assert float(control.left) == left - (float(step) if good else 0.0)
        again, last, rejected = not good, error if good else last, rejected + (not good)
    assert rejected == 5


def test_what_f_is_given_is_its_own_to_keep():
    """States and times that f stores are not overwritten by later steps."""
    kept = []

    def f(t, u):
        kept.append((t, u, t.clone(), u.clone()))
        return oscillators(3.0)(t, u)

    schemes.solve(f, torch.ones(2, 2).double(), times(0.0, 2.0), steps="own")
    assert all(torch.equal(t, s) and torch.equal(u, v) for t, u, s, v in kept)


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        (lambda t, u: u.float(), "f.t, u.: expected dtype torch.float64"),
        (lambda t, u: u[:1], "f.t, u.: expected shape .2, 2."),
        (lambda t, u: u.mul_(1.0), "f: expected a function that leaves t and u as they are"),
        (lambda t, u: t.mul_(1.0) * u, "f: expected a function that leaves t and u as they are"),
        (lambda t, u: None, "f.t, u.: expected a torch.Tensor"),
    ],
    ids=["dtype", "shape", "state written", "time written", "None"],
)
def test_a_late_wrong_value_of_f_is_named(spoiled, said):
    """Values are looked at in every stage, not only in the first."""
    count = [0]

    def f(t, u):
        count[0] += 1
        return spoiled(t, u) if count[0] > 20 else -u

    with pytest.raises((TypeError, ValueError), match=said):
        schemes.solve(f, torch.ones(2, 2).double(), times(0.0, 20.0), steps="own")
    assert count[0] == 22


def test_evaluations_do_not_go_far_beyond_the_end():
    """A look every few steps at most: less than eight steps are taken when all are there."""
    cost = schemes.solve(Pendulum().f, torch.ones(1, 2).double(), times(0.0, 9.0), steps="own").statistics
    assert 0 <= cost.evaluations - 2 - 6 * int(cost.accepted + cost.rejected) < 48


def blow_up(t, u):
    return u**2


STARTS = times(1.0, 0.1, -1.0).unsqueeze(-1)
"""u' = u² from 1 ends at t = 1."""


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
def test_one_member_blows_up_beside_others(scheme):
    t = times(0.0, 0.5, 2.0)
    found = schemes.solve(blow_up, STARTS, t, scheme, steps="own", rtol=1e-7, failures="status")
    cost, exact = found.statistics, STARTS / (1 - STARTS * t.view(-1, 1, 1))
    assert cost.status.tolist()[1:] == [0, 0]
    assert schemes.Status(int(cost.status[0])) in (schemes.Status.ERROR_TOO_LARGE, schemes.Status.NOT_FINITE)
    torch.testing.assert_close(found.u[:, 1:], exact[:, 1:], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(found.u[:2, 0], exact[:2, 0], rtol=1e-5, atol=0)
    assert found.u[2, 0].isnan().all() and abs(float(cost.reached[0]) - 1) < 1e-6
    assert cost.reached.tolist()[1:] == [2.0, 2.0]
    alone = schemes.solve(blow_up, STARTS[1:], t, scheme, steps="own", rtol=1e-7)
    assert torch.equal(alone.statistics.accepted, cost.accepted[1:])


def test_reasons():
    """Values that are no numbers, and too many steps, each beside a member that is done."""
    late, still = (times(2.0, 0.0).unsqueeze(-1), torch.ones(2, 1).double())
    f = lambda t, u: torch.where((late > 1) & (t > 1), torch.nan, -u)  # noqa: E731
    found = schemes.solve(f, still, times(0.0, 2.0), steps="own", failures="status").statistics
    assert found.status.tolist() == [schemes.Status.NOT_FINITE, schemes.Status.DONE]
    quick = lambda t, u: -1e5 * late * (u - torch.cos(t))  # noqa: E731
    found = schemes.solve(quick, still, times(0.0, 10.0), steps="own", most=50, failures="status").statistics
    assert found.status.tolist() == [schemes.Status.TOO_MANY_STEPS, schemes.Status.DONE]
    assert 0 < float(found.reached[0]) < 1 and int((found.accepted + found.rejected)[0]) == 50


def test_an_error_is_raised_where_no_status_is_asked_for():
    with pytest.raises(errors.IntegrationError, match="member 0 of 3 at t = "):
        schemes.solve(blow_up, STARTS, times(0.0, 2.0), steps="own")


def test_a_status_of_no_member_is_none():
    found = schemes.solve(blow_up, STARTS[:0], times(0.0, 2.0), steps="own", failures="status").statistics
    assert found.status.shape == found.reached.shape == (0,)


@pytest.mark.parametrize(
    "change", [{"steps": "common"}, {"u0": STARTS.clone().requires_grad_()}], ids=["common", "gradient"]
)
def test_a_status_is_for_own_steps_without_derivatives(change):
    arguments = {"f": blow_up, "u0": STARTS, "t": times(0.0, 0.5), "steps": "own", "failures": "status"}
    with pytest.raises(ValueError, match="failures: expected 'raise', found 'status'"):
        schemes.solve(**{**arguments, **change})
