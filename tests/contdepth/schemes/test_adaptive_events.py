"""First roots of events: against closed forms, to the order of the scheme, with derivatives."""

from __future__ import annotations

import math

import pytest
import torch
from schemes.fields import times

from contdepth import schemes

ALL = [schemes.DORMAND_PRINCE, schemes.TSITOURAS, schemes.RODAS5P]


def fall(t, u):
    """A height and a speed under gravity 9.81 with drag."""
    height, speed = u.unbind(-1)
    return torch.stack([speed, -9.81 - 0.1 * speed], -1)


def turn(t, u):
    q, p = u.unbind(-1)
    return torch.stack([p, -q], -1)


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
@pytest.mark.parametrize(
    ("direction", "expected"),
    [(0, math.pi / 2), (-1, math.pi / 2), (1, 3 * math.pi / 2)],
    ids=["both", "fall", "grow"],
)
def test_the_first_root_in_a_direction(scheme, direction, expected):
    """q = cos t."""
    root = schemes.first_root(
        turn,
        times(1.0, 0.0),
        times(0.0, 20.0),
        lambda t, u: u[0],
        scheme,
        direction=direction,
        rtol=1e-9,
        atol=1e-11,
    )
    assert root.found and abs(float(root.t) - expected) < 1e-8
    torch.testing.assert_close(root.u, times(0.0, -math.sin(expected)), rtol=0, atol=1e-8)


def test_backwards_in_time_the_direction_is_along_the_way():
    root = schemes.first_root(turn, times(1.0, 0.0), times(0.0, -20.0), lambda t, u: u[0], direction=-1)
    assert abs(float(root.t) + math.pi / 2) < 1e-5


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
def test_the_root_has_the_order_of_the_scheme(scheme):
    """One step of size h with the root inside: the error is that of a step, which falls with h^6."""
    found = []
    for h in (0.4, 0.2, 0.1):
        start = math.pi / 2 - 0.6 * h
        root = schemes.first_root(
            turn,
            times(math.cos(start), -math.sin(start)),
            times(0.0, h),
            lambda t, u: u[0],
            scheme,
            rtol=0.5,
            atol=1.0,
            first=h,
        )
        assert root.statistics.accepted == 1
        found.append(abs(float(root.t) - 0.6 * h))
    assert min(math.log2(found[0] / found[1]), math.log2(found[1] / found[2])) > 5.5


def test_a_root_at_the_start_is_none_and_none_is_said():
    root = schemes.first_root(turn, times(0.0, 1.0), times(0.0, 4.0), lambda t, u: u[0])
    assert abs(float(root.t) - math.pi) < 1e-5
    root = schemes.first_root(turn, times(1.0, 0.0), times(0.0, 2.0), lambda t, u: u[0] - 7)
    assert not root.found and float(root.t) == 2.0
    torch.testing.assert_close(root.u, times(math.cos(2.0), -math.sin(2.0)), rtol=0, atol=1e-5)


def test_two_roots_in_one_step_are_seen_between_its_looks():
    """q dips below zero for less than a step."""
    tolerances = {"rtol": 1e-2, "atol": 1e-2, "first": 3.0}
    f, event = (lambda t, u: turn(t, u) / 3), (lambda t, u: (t - 1.6) ** 2 - 0.1)
    root = schemes.first_root(f, times(1.0, 0.0), times(0.0, 3.0), event, **tolerances)
    assert root.found and abs(float(root.t) - (1.6 - math.sqrt(0.1))) < 1e-8


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
def test_derivatives_of_time_and_state(scheme):
    """Against differences: in the start, in its time, and in a level that the event holds."""

    def landing(height, speed, start, level):
        u0 = torch.stack([height, speed])
        t = torch.stack([start, start.detach() + 10])
        root = schemes.first_root(
            fall, u0, t, lambda t, u: u[0] - level - 0.1 * t, scheme, direction=-1, rtol=1e-10, atol=1e-12
        )
        return torch.cat([root.t.reshape(1), root.u])

    at = tuple(times(10.0, 1.0, 0.5, 0.2).requires_grad_().unbind())
    found = torch.autograd.functional.jacobian(landing, at)
    for n in range(4):
        ends = [landing(*(x + d * (i == n) for i, x in enumerate(at))).detach() for d in (-1e-4, 1e-4)]
        torch.testing.assert_close(found[n], (ends[1] - ends[0]) / 2e-4, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"event": None}, TypeError, r"event: expected a function of \(t, u\), found NoneType"),
        ({"event": lambda t, u: u}, ValueError, r"event\(t, u\): expected a tensor with 0 dimensions"),
        ({"event": lambda t, u: 1.0}, TypeError, r"event\(t, u\): expected a torch.Tensor, found float"),
        ({"event": lambda t, u: 1j * u[0]}, TypeError, r"event\(t, u\): expected a real number"),
        ({"t": times(0.0, 1.0, 2.0)}, ValueError, "t: expected start and latest end, found 3 times"),
        ({"direction": 2}, ValueError, "direction: expected one of -1, 0, 1, found 2"),
        ({"u0": times()}, ValueError, "u0: expected a state outside torch.func with coordinates"),
    ],
)
def test_refused(change, error, message):
    arguments = {"f": turn, "u0": times(1.0, 0.0), "t": times(0.0, 1.0), "event": lambda t, u: u[0]}
    if "u0" in change:
        arguments |= {"f": lambda t, u: -u, "event": lambda t, u: t}
    with pytest.raises(error, match=message):
        schemes.first_root(**{**arguments, **change})
