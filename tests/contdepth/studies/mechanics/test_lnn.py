"""Judged by exact motions, masses against torch.func, H in speeds against its theorem, pieces that stop."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contdepth.mechanics import LagrangianNet, forecast, lagrangian_acceleration
from contdepth.schemes import RK4, RungeKutta
from contdepth.seeds import generator
from contdepth.studies.mechanics.lnn import contest, masses, pieces
from contdepth.studies.mechanics.lnn.contest import ARMS, Arm, Plan
from contdepth.studies.mechanics.lnn.even import EvenNet
from contdepth.studies.mechanics.lnn.phase import PhaseNet
from contdepth.studies.mechanics.lnn.systems import PENDULUM, SPRING, Case

TINY = Plan(points=20, batch=8, test=30, starts=4, count=8)
NOW = torch.tensor(0.0)


class Exact(nn.Module):
    """The true motion of a case, with a brake and an energy."""

    def __init__(self, case: Case, brake: float = 0.0) -> None:
        super().__init__()
        self.case, self.brake = case, brake

    def field(self, t: Tensor, u: Tensor) -> Tensor:
        return self.case.system.field(t, u) - self.brake * u * torch.tensor([0.0, 1.0])

    def energy(self, u: Tensor) -> Tensor:
        return self.case.system.energy(u)


@pytest.mark.parametrize("case", [PENDULUM, SPRING], ids=lambda case: case.name)
def test_a_case_holds_its_paths_and_its_scale(case: Case) -> None:
    q, v, a = case.sample(400, 0, "a")
    assert q.abs().max() <= case.reach and v.abs().max() <= case.speed and v.abs().max() > 0.98 * case.speed
    torch.testing.assert_close(a, case.system.acceleration(q, v))
    assert not torch.equal(q, case.sample(400, 0, "b")[0])
    starts = case.starts(6)
    assert (starts[:, 1] == 0).all() and starts[:, 0].abs().max() == pytest.approx(case.start)
    way = case.truth(starts, torch.linspace(0, 12, 61, dtype=torch.float64))
    assert (way[..., 0].abs() <= case.start * (1 + 1e-6)).all() and (way[..., 1].abs() < case.speed).all()
    assert case.system.energy(way[-1]).max().item() == pytest.approx(case.scale, rel=1e-6)
    wanted = {"pendulum": 1 - math.cos(2.2), "relativistic spring": 0.72}[case.name]
    assert case.scale == pytest.approx(wanted)


@pytest.mark.parametrize("case", [PENDULUM, SPRING], ids=lambda case: case.name)
def test_the_true_motion_is_judged_perfect_and_a_brake_is_not(case: Case) -> None:
    plan = Plan(test=50, starts=5, count=100)
    truth = case.truth(case.starts(5), plan.times)
    fit, energy, path, own, lost = contest.judge(Exact(case), case, plan, 0, truth)
    assert fit < 1e-6 and energy < 1e-5 and path < 1e-4 and own < 1e-5 and lost == 0
    fit, energy, path, own, lost = contest.judge(Exact(case, 0.2), case, plan, 0, truth)
    v = case.sample(50, 0, "fresh")[1]
    assert fit == pytest.approx(0.2 * v.abs().mean().item(), rel=1e-5)
    braked = case.starts(5).clone()
    for _ in range(10_000):  # the same motion by Euler's steps of a thousandth
        braked = braked + 1e-3 * Exact(case, 0.2).field(NOW, braked)
    wanted = (case.system.energy(braked) - case.system.energy(case.starts(5))).abs().mean() / case.scale
    assert energy == pytest.approx(wanted.item(), rel=0.02) and path > 0.1 and lost == 0
    assert own == pytest.approx((energy * 5 / 3), abs=1.5)  # a share of the spread between starts


def test_a_lost_way_counts_as_one() -> None:
    plan = Plan(test=20, starts=4, count=200)
    truth = PENDULUM.truth(PENDULUM.starts(4), plan.times)
    found = contest.judge(Exact(PENDULUM, -2.0), PENDULUM, plan, 0, truth)
    assert found[1] == 1.0 and found[4] == 4
    fast = contest.judge(Exact(SPRING, -2.0), SPRING, Plan(test=20, starts=4, count=40), 0, truth[:41])
    assert 0 < fast[1] <= 1.0 and math.isfinite(fast[1])


def test_standing_still_keeps_the_energy_and_loses_the_way() -> None:
    plan = Plan(starts=2, count=400)
    q = PENDULUM.starts(2)[:, 0].abs()
    found = contest.still(PENDULUM, plan)
    assert 0.8 * q.mean() < found < 3 * q.mean()  # a swing is at most two amplitudes and a speed away
    zero = contest.zero(PENDULUM, Plan(test=20_000), [0])
    assert zero[0] == pytest.approx(2 / math.pi, rel=0.02)


def test_a_sweep_trains_each_budget_and_seed() -> None:
    truth = SPRING.truth(SPRING.starts(TINY.starts), TINY.times)
    for arm in ARMS.values():
        small = Arm(arm.kind, 6, arm.rate, arm.times, arm.init)
        found = contest.sweep(SPRING, small, TINY, [0, 1], [0, 1], truth)
        assert (
            found.fit.shape == (2, 2) == (len(found.models), len(found.models[0]))
            and np.isfinite(found.fit).all()
            and (found.lost <= 4).all()
        )
        assert (found.fit[0] != found.fit[1]).all() and (found.energy <= 1).all()
        assert np.isnan(found.own).any() or arm.kind not in ("acceleration", "even")


def test_an_arm_takes_its_own_number_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[dict[str, Any]] = []
    monkeypatch.setattr(contest, "fit_accelerations", lambda model, samples, **how: taken.append(how))
    contest.train(PENDULUM, Arm("acceleration", 4, 0.1, times=3), TINY, 5, 1)
    assert taken == [{"steps": 15, "seed": 1, "batch": 8, "rate": 0.1}]


def test_masses_are_second_derivatives() -> None:
    model = LagrangianNet(2, (5, 4), generator=generator(0, "net")).double()
    u = 2 * torch.rand(6, 4, generator=generator(0, "u"), dtype=torch.float64)
    wanted = torch.stack([torch.func.hessian(lambda v, q=one[:2]: model(q, v))(one[2:]) for one in u])
    torch.testing.assert_close(masses.mass(model, u), wanted.detach())
    found = masses.untrained("plain", 3, 7, hidden=(5,))
    assert found.condition.shape == (3, 7) and found.flip.shape == (3,) and (found.condition >= 1).all()
    # one hidden layer, L = w·s(Wx): M = Wᵥᵀ diag(w s'') Wᵥ, definite where all w have one sign
    again = LagrangianNet(2, (5,), init="plain", generator=generator(0, "masses/0"))
    signs = again.net.weights[-1].detach().sign()
    assert found.flip[0] <= (signs.min() != signs.max()).item()


def test_the_own_energy_of_any_network_is_kept() -> None:
    model = LagrangianNet(1, (6, 5), generator=generator(0, "net"))
    u = 2 * torch.rand(30, 2, generator=generator(0, "u")) - 1
    assert masses.own_rate(model, u) < 1e-9
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LagrangianNet, "energy", lambda self, u: self.net(u))  # L itself is not kept
        assert masses.own_rate(model, u) > 1e-3


def test_the_tail_of_a_determinant_that_passes_through_zero() -> None:
    """1/|x| of an even x is above κ with the share 1/κ, 1/x² with that of its root."""
    x = np.linspace(-1, 1, 200_000)[None]
    flip = np.array([True])
    assert masses.tail(masses.Masses(1 / np.abs(x), flip), 3, 300) == pytest.approx(1, abs=1e-2)
    assert masses.tail(masses.Masses(x**-2.0, flip), 3, 300) == pytest.approx(0.5, abs=1e-2)
    assert masses.tail(masses.Masses(np.ones((1, 4)) * 5, flip), 3, 300) == math.inf


def test_a_mass_that_turns_is_found() -> None:
    """L = s(v + 1) - s(v - 1) has the mass s''(v + 1) - s''(v - 1), which is below 0 where v is above it."""
    model = LagrangianNet(1, (2,), generator=generator(0, "net"))
    with torch.no_grad():
        for one, value in zip(
            model.parameters(), ([[0.0, 1.0], [0.0, 1.0]], [[1.0, -1.0]], [1.0, -1.0]), strict=True
        ):
            one.copy_(torch.tensor(value))
    v = torch.tensor([-2.0, -1.0, 0.5, -0.1, -3.0])
    assert masses.flips(model, torch.stack((v, v), -1)) == pytest.approx(0.2)
    assert masses.flips(model, torch.stack((v, -v), -1)) == pytest.approx(0.2)


def test_the_order_of_a_known_energy() -> None:
    """RK4 changes the energy of a small swing by (ωh)⁶/144 of v² + q² a step: by h⁵ in a given time."""
    assert masses.own_order(Exact(PENDULUM), 0.01 * PENDULUM.starts(3), 0.2, 10.0) == pytest.approx(5, abs=0.1)


def test_true_momenta_give_the_spring_and_speeds_cannot() -> None:
    """With H = √(1 + p²) + q²/2 the net with momenta is the spring; with speeds the divergence is 0."""

    class Known(nn.Module):
        def field(self, t: Tensor, u: Tensor) -> Tensor:
            q, p = u.chunk(2, -1)
            return torch.cat((p / (1 + p.square()).sqrt(), -q), -1)

    net = PhaseNet((4, 3), momenta=True, generator=generator(0, "net")).double()
    net.net = Known()
    q, v, a = (one.double() for one in SPRING.sample(50, 0, "u"))
    u = torch.cat((q, v), -1)
    torch.testing.assert_close(net.field(NOW, u), torch.cat((v, a), -1), rtol=1e-5, atol=1e-6)
    wrong = PhaseNet((4, 3), momenta=False, generator=generator(0, "net")).double()
    jacobians = torch.stack([torch.func.jacrev(lambda one: wrong.field(NOW, one))(one) for one in u])
    assert jacobians.diagonal(dim1=-2, dim2=-1).sum(-1).abs().max() < 1e-10
    states, unused, rates = wrong.samples(q, v, a)
    assert states.shape == unused.shape == rates.shape == (50, 2) and torch.equal(rates[:, 1:], a)


def test_an_even_motion_runs_backwards_and_an_uneven_one_does_not() -> None:
    """From the end, with the speed turned, a path leads back to its start."""
    net, start = EvenNet((6, 5), generator=generator(3, "net")).double(), torch.tensor([[0.3, 0.4], [-0.2, 0.7]])
    times = 0.02 * torch.arange(101, dtype=torch.float64)
    turn = torch.tensor([1.0, -1.0], dtype=torch.float64)

    def back(model: Any) -> float:
        there = forecast(model, start.double(), times, scheme=RungeKutta(RK4)).states[-1]
        again = forecast(model, there * turn, times, scheme=RungeKutta(RK4)).states[-1] * turn
        return float((again - start).abs().max())

    assert back(net) < 1e-7 and back(net.net) > 1e-2
    q, v = start.double().split(1, -1)
    wanted = (net.net.acceleration(q, v) + net.net.acceleration(q, -v)) / 2
    torch.testing.assert_close(net.field(NOW, start.double()), torch.cat((v, wanted), -1))


def test_friction_has_a_lagrangian_in_one_degree_of_freedom() -> None:
    """The exercise: L = v ln v - c q gives q'' = -c v, and its energy is v + c q."""
    c = 0.3
    q = torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None]
    v = torch.linspace(0.2, 2, 5, dtype=torch.float64)[:, None]

    def lagrangian(q: Tensor, v: Tensor) -> Tensor:
        return (v * v.log() - c * q).squeeze(-1)

    torch.testing.assert_close(lagrangian_acceleration(lagrangian, q, v), -c * v)
    momentum = torch.func.grad(lambda v: lagrangian(q, v).sum())(v)
    torch.testing.assert_close((v * momentum).squeeze(-1) - lagrangian(q, v), (v + c * q).squeeze(-1))


SMALL: dict[str, Any] = {"seed": 1, "width": 5, "steps": 6, "batch": 4, "starts": 2, "until": 0.2}


def test_a_step_without_a_finite_gradient_changes_nothing() -> None:
    model = LagrangianNet(2, (4,), generator=generator(0, "net"))
    before = [one.clone() for one in model.parameters()]
    rule = torch.optim.Adam(model.parameters(), lr=0.1)
    pace, u = pieces.Schedule(rule, "constant", 3), torch.rand(3, 2, generator=generator(0, "u"))
    assert pieces._step(model, rule, pace, 0, (u, u, u + math.inf)) is None
    with torch.no_grad():
        model.net.weights[0][:, 2:] = 0  # an L without speeds
    assert pieces._step(model, rule, pace, 0, (u, u, u)) is None
    with torch.no_grad():
        model.net.weights[0].copy_(before[0])
    value = pieces._step(model, rule, pace, 0, (u, u, u))
    assert value == pytest.approx(
        (LagrangianNet.acceleration(_with(before), u, u) - u).abs().mean().item(), rel=1e-5
    )
    moved = [(new - old).abs().max().item() for new, old in zip(model.parameters(), before, strict=True)]
    assert max(moved) == pytest.approx(0.1, rel=1e-3)


def _with(values: list[Tensor]) -> LagrangianNet:
    model = LagrangianNet(2, (4,))
    with torch.no_grad():
        for one, value in zip(model.parameters(), values, strict=True):
            one.copy_(value)
    return model


@pytest.mark.parametrize("arm", ["lagrangian", "baseline", "wide"])
def test_a_piece_goes_on_to_the_same_result(arm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pieces.double_pendulum(arm=arm, **SMALL)
    assert whole["skipped"] == 0 and len(whole["losses"]) == 6 and 0 < whole["energy"] <= 1
    assert whole["solver"] < 1e-6 and math.isnan(whole["condition"]) == (arm != "lagrangian")
    calls, real = [], pieces._step

    def stops(*given: Any) -> float | None:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(pieces, "_step", stops)
    with pytest.raises(KeyboardInterrupt):
        pieces.double_pendulum(arm=arm, checkpoint=tmp_path, **SMALL)
    monkeypatch.setattr(pieces, "_step", real)
    again = pieces.double_pendulum(arm=arm, checkpoint=tmp_path, **SMALL)
    np.testing.assert_equal({**again, "seconds": 0}, {**whole, "seconds": 0})


def test_states_of_a_piece_are_those_of_the_notebooks() -> None:
    q, v = pieces._states(5000, generator(0, "states"))
    assert q.min() >= 0 and q.max() <= 2 * math.pi and q.mean().item() == pytest.approx(math.pi, abs=0.1)
    assert v.abs().max() <= 10 and v.abs().mean().item() == pytest.approx(5, abs=0.2)
    up = torch.tensor([[math.pi, math.pi, 0, 0], [math.pi / 2, math.pi / 2, 0, 0]], dtype=torch.float64)
    heights = pieces.SYSTEM.energy(up)
    assert (heights[0] - heights[1]).item() == pytest.approx(pieces.SCALE)
