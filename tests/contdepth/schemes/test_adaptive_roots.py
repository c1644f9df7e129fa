"""First roots of members with steps of their own: as if alone, with derivatives."""

from __future__ import annotations

import math

import pytest
import torch
from schemes.fields import times

from contdepth import errors, schemes

ALL = [schemes.DORMAND_PRINCE, schemes.TSITOURAS, schemes.RODAS5P]
RATES = torch.tensor([[0.5], [2.0], [20.0]], dtype=torch.float64)
TIGHT = {"rtol": 1e-9, "atol": 1e-11}


def turn(t, u):
    q, p = u.chunk(2, -1)
    return RATES * torch.cat([p, -q], -1)


def height(t, u):
    return u[..., :1]


STARTS = times(1.0, 0.0).expand(3, 2)
"""q = cos(rate t)."""


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
@pytest.mark.parametrize(("direction", "turns"), [(0, 0.25), (-1, 0.25), (1, 0.75)], ids=["both", "fall", "grow"])
def test_every_member_has_its_root(scheme, direction, turns):
    found = schemes.first_roots(turn, STARTS, times(0.0, 20.0), height, scheme, direction=direction, **TIGHT)
    assert found.found.tolist() == [True] * 3
    torch.testing.assert_close(found.t, 2 * math.pi * turns / RATES[:, 0], rtol=1e-7, atol=0)
    states = times(0.0, -math.sin(2 * math.pi * turns)).expand(3, 2)
    torch.testing.assert_close(found.u, states, rtol=0, atol=1e-7)


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
def test_members_find_their_roots_as_if_alone(scheme):
    """The same steps, and the same root to much less than its error; those without one are at the end."""
    t = times(0.0, 1.0)
    found = schemes.first_roots(turn, STARTS, t, height, scheme, rtol=1e-5)
    assert found.found.tolist() == [False, True, True]
    for n in range(3):
        alone = schemes.first_root(
            lambda t, u, n=n: RATES[n] * torch.stack([u[1], -u[0]]),
            STARTS[n],
            t,
            lambda t, u: u[0],
            scheme,
            rtol=1e-5,
        )
        assert abs(float(found.t[n] - alone.t)) < 1e-9
        torch.testing.assert_close(found.u[n], alone.u, rtol=0, atol=1e-8)
        assert int(found.statistics.accepted[n]) == alone.statistics.accepted


@pytest.mark.parametrize("scheme", ALL[:2], ids=lambda s: s.name)
def test_the_root_has_the_order_of_the_scheme(scheme):
    """One step of size h with the root inside: the error is that of a step, which falls with h^6."""
    errors_of = []
    for h in (0.4, 0.2, 0.1):
        start = math.pi / 2 - 0.6 * h
        u0 = times(math.cos(start), -math.sin(start)).unsqueeze(0)
        f = lambda t, u: torch.cat([u[..., 1:], -u[..., :1]], -1)  # noqa: E731
        found = schemes.first_roots(f, u0, times(0.0, h), height, scheme, rtol=0.5, atol=1.0, first=h)
        assert found.statistics.accepted.tolist() == [1]
        errors_of.append(abs(float(found.t) - 0.6 * h))
    assert min(math.log2(errors_of[0] / errors_of[1]), math.log2(errors_of[1] / errors_of[2])) > 5.5


def test_a_batch_of_any_shape_backwards_with_an_event_of_time():
    u0 = torch.linspace(0.5, 1.5, 12, dtype=torch.float64).reshape(2, 3, 2)
    found = schemes.first_roots(lambda t, u: u, u0, times(0.0, -3.0), lambda t, u: t + u[..., :1], **TIGHT)
    assert found.t.shape == found.found.shape == (2, 3) and found.u.shape == u0.shape
    torch.testing.assert_close(found.t, -found.u[..., 0], rtol=0, atol=1e-9)
    torch.testing.assert_close(found.u, u0 * torch.exp(found.t).unsqueeze(-1), rtol=1e-7, atol=0)


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
def test_derivatives_of_times_and_states(scheme):
    """Against those of each member alone, in its start and in a level that the event holds."""
    f = lambda t, u: torch.cat([u[..., 1:], -9.81 - 0.1 * u[..., 1:]], -1)  # noqa: E731
    starts = torch.tensor([[10.0, 1.0], [3.0, -1.0], [0.5, 0.0]], dtype=torch.float64).requires_grad_()
    level, t = times(0.2).requires_grad_(), times(0.5, 10.0)
    event = lambda t, u: u[..., :1] - level - 0.1 * t  # noqa: E731
    found = schemes.first_roots(f, starts, t, event, scheme, direction=-1, **TIGHT)
    assert found.found.all()
    total = (found.t + found.u[:, 1]).sum()
    by_start, by_level = torch.autograd.grad(total, (starts, level))
    values = []
    for n in range(3):
        one = schemes.first_root(f, starts[n], t, lambda t, u: event(t, u)[0], scheme, direction=-1, **TIGHT)
        values.append(one.t + one.u[1])
    expected = torch.autograd.grad(sum(values), (starts, level))
    torch.testing.assert_close(by_start, expected[0], rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(by_level, expected[1], rtol=1e-6, atol=1e-8)


def test_a_member_that_fails_has_no_root():
    """u' = u² from 1 ends at t = 1; from 0.2 it is 0.25 at t = 1, and from -1 never."""
    u0, t = times(1.0, 0.2, -1.0).unsqueeze(-1), times(0.0, 2.0)
    event = lambda t, u: u - 0.25  # noqa: E731
    found = schemes.first_roots(lambda t, u: u**2, u0, t, event, failures="status", **TIGHT)
    assert found.found.tolist() == [False, True, False]
    assert [x > 0 for x in found.statistics.status.tolist()] == [True, False, False]
    assert found.u[0].isnan().all() and abs(float(found.t[0]) - 1) < 1e-6
    torch.testing.assert_close(found.t[1:], times(1.0, 2.0), rtol=0, atol=1e-7)
    with pytest.raises(errors.IntegrationError, match="member 0 of 3"):
        schemes.first_roots(lambda t, u: u**2, u0, t, event, **TIGHT)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"event": None}, TypeError, r"event: expected a function of \(t, u\), found NoneType"),
        ({"event": lambda t, u: u[..., 0]}, ValueError, r"event\(t, u\): expected shape \(3, 1\)"),
        ({"event": lambda t, u: 1j * u[..., :1]}, TypeError, r"event\(t, u\): expected real numbers"),
        ({"t": times(0.0, 1.0, 2.0)}, ValueError, "t: expected start and latest end, found 3 times"),
        ({"direction": 2}, ValueError, "direction: expected one of -1, 0, 1, found 2"),
        ({"failures": "none"}, ValueError, "failures: expected one of 'raise', 'status'"),
        ({"u0": STARTS[:0], "f": lambda t, u: -u}, ValueError, "u0: expected a batch with members"),
        ({"u0": STARTS.clone().requires_grad_(), "failures": "status"}, ValueError, "failures: expected 'raise'"),
    ],
)
def test_refused(change, error, message):
    arguments = {"f": turn, "u0": STARTS, "t": times(0.0, 1.0), "event": height}
    with pytest.raises(error, match=message):
        schemes.first_roots(**{**arguments, **change})
