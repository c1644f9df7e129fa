"""Nets of implicit steps side by side: members alone, kinds of blocks, attacks that see the true gradient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from contdepth.robust import Threat
from contdepth.robust.attacks.audit import Effort
from contdepth.seeds import generator
from contdepth.studies.control.implicit import contest, oracles
from contdepth.studies.control.implicit.judging import amplifications, audits, judged, left_over, only_by_square
from contdepth.studies.control.implicit.nets import KINDS, Net, Sizes, Ways
from contdepth.studies.control.implicit.oracles import gradient_error, solution_error
from contdepth.studies.control.implicit.training import Plan, moved, split, train

SIZES = Sizes(64, 6, 8, 2)
PLAN = Plan(epochs=2, batch=20, sizes=SIZES)


def pixels(count: int = 9) -> torch.Tensor:
    return torch.rand(count, 64, generator=generator(1, "pixels"), dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_alone_is_what_it_is_beside_others(kind):
    net, x = Net(Ways(kind), [3, 4], SIZES), pixels()
    both = net(x.expand(2, -1, -1))
    for k, seed in enumerate((3, 4)):
        alone = net.member(k)
        torch.testing.assert_close(alone(x.view(-1, 1, 8, 8)), both[k].detach(), rtol=0, atol=1e-4)
        own = Net(Ways(kind), [seed], SIZES)(x[None])[0]
        torch.testing.assert_close(own, both[k], rtol=0, atol=1e-4)
        assert not any(part.requires_grad for part in alone.parameters())


def test_ways_have_as_many_parameters():
    counts = {kind: Net(Ways(kind), [0], Sizes()).parameter_count() for kind in KINDS}
    assert len({counts[kind] for kind in KINDS[:4]}) == len({counts[kind] for kind in KINDS[4:]}) == 1
    assert 0.98 < counts["usual blocks"] / counts["implicit"] <= 1


def test_many_short_steps_tend_to_the_flow_from_the_one_side_and_implicit_ones_from_the_other():
    x = pixels()[None]
    ends = {n: Net(Ways("short steps", 0.5, parts=n), [0], SIZES).trunk for n in (1, 40, 4000)}
    net = Net(Ways("implicit"), [0], SIZES)
    start = net.states(x)
    flow = ends[4000](start)
    assert (ends[40](start) - flow).norm() < 0.1 * (ends[1](start) - flow).norm()
    assert ((ends[1](start) - flow) * (net.trunk(start) - flow)).sum() < 0


def test_the_bounded_and_the_implicit_net_enlarge_nothing_and_the_explicit_one_does():
    data = split(limit=40)
    found = {}
    for kind in ("implicit", "bounded", "explicit"):
        net = Net(Ways(kind, 5.0), [0, 1], SIZES)
        with torch.no_grad():
            for block in net.blocks:
                block.weight *= 2
        found[kind] = amplifications(net, data)
    assert found["implicit"].max() <= 1 + 1e-6 and found["bounded"].max() <= 1 + 1e-9
    assert found["explicit"].min() > 2


def test_attacks_see_the_slope_of_the_net():
    net = Net(Ways("implicit", 2.0), [0], SIZES).member(0)
    x, y = pixels(3).requires_grad_(), torch.tensor([1, 2, 3])
    (slope,) = torch.autograd.grad(cross_entropy(net(x), y), x)
    direction = torch.randn(3, 64, generator=generator(2, "d"), dtype=torch.float64)
    with torch.no_grad():
        ends = [cross_entropy(net(x + size * direction), y) for size in (1e-4, -1e-4)]
    assert float(ends[0] - ends[1]) / 2e-4 == pytest.approx(float((slope * direction).sum()), abs=1e-4)


def test_training_against_an_attack_moves_every_member_within_the_threat():
    net, threat = Net(Ways("explicit"), [0, 1], SIZES), Threat(0.1)
    x, y = pixels(8).view(2, 4, 64), torch.arange(8).view(2, 4)
    delta = moved(net, x, y, threat, 3, torch.zeros_like(x))
    assert float(delta.abs().max()) <= 0.1 + 1e-12 and float((x + delta).min()) >= 0
    before, after = (cross_entropy(net(z).flatten(0, 1), y.flatten()) for z in (x, x + delta))
    assert float((after - before).detach()) > 0.05


def test_members_hang_on_their_seeds_and_decays_alone():
    data = split(limit=120)
    both = train(Ways("explicit"), data, PLAN, [5, 6], [0.0, 3.0])
    alone = train(Ways("explicit"), data, PLAN, [6], [3.0])
    torch.testing.assert_close(both.stem[1], alone.stem[0], rtol=0, atol=1e-9)
    free = train(Ways("explicit"), data, PLAN, [6], [0.0])
    assert float(free.stem.norm().detach()) > 1.005 * float(alone.stem.norm().detach())
    robust = train(Ways("explicit"), data, replace(PLAN, attack_steps=2), [6], [3.0])
    assert not torch.allclose(robust.stem, alone.stem)


def test_held_out_pictures_are_of_the_learning_part():
    whole, held = split(), split(held_out=True)
    assert len(held.x) + len(held.test_x) == len(whole.x) == 1348
    assert not torch.equal(held.test_y[:40], whole.test_y[:40])
    assert float(whole.x.max()) == 1


def test_settings_are_chosen_by_the_attack_and_arms_are_judged(monkeypatch):
    names = ("explicit", "relaxed")
    picked = contest.chosen(PLAN, [0], names=names, decays=(0.0, 1.0), limit=100)
    assert set(picked) == set(names) and picked["relaxed"][0].rate in contest.RATES
    arms = contest.contest(picked, PLAN, [0, 1], limit=100)
    assert arms["explicit"].judged.pgd.shape == (2,)
    assert (arms["relaxed"].judged.pgd <= arms["relaxed"].judged.clean).all()
    assert (arms["relaxed"].judged.evaluations == 11).all() and (arms["explicit"].judged.evaluations == 1).all()
    late = contest.every_decay(["explicit"], PLAN, [0], limit=100)["explicit"]
    same = contest.contest({"explicit": (contest.ARMS["explicit"], 3.0)}, PLAN, [0], 100)["explicit"]
    assert late.shape == (4,) and late[2] == pytest.approx(same.judged.pgd[0], abs=3)
    found = contest.over_steps([0.5, 2.0], PLAN, [0], limit=60)
    assert [arm.ways.h for arm in found["implicit"]] == [0.5, 2.0]
    assert found["implicit"][0].judged.evaluations > 5
    best = {0.0: 30.0, 1.0: 60.0, 3.0: 50.0, 10.0: 10.0}

    def fake(ways, data, plan, seeds, decays):
        return decays

    def fake_judged(net, data, seeds, **_):
        return type("J", (), {"pgd": np.array([best[decay] for decay in net])})

    monkeypatch.setattr(contest, "train", fake)
    monkeypatch.setattr(contest, "judged", fake_judged)
    assert contest.chosen(PLAN, [0, 1], names=["implicit"])["implicit"][1] == 1.0


def test_the_residual_that_gradient_steps_leave_is_less_than_that_of_the_start():
    data = split(limit=40)
    left = [left_over(Net(Ways("relaxed", steps=k, rate=0.1), [0], SIZES), data)[0] for k in (0, 3, 300)]
    assert left[0] == pytest.approx(1) and left[0] > left[1] > left[2] and left[2] < 1e-3


def test_an_audit_speaks_of_each_member():
    data = split(limit=60)
    net = train(Ways("implicit"), data, PLAN, [0], [0.0])
    (found,) = audits(net, data, [0], Effort(2, 2, 2, 1, 2, 5, (1, 2), 20), 30)
    assert 0 <= only_by_square(found) <= 100
    assert judged(net, data, [0], steps=2, restarts=1).pgd[0] <= 100
    for mask in found.correct.values():
        mask[:] = True
    assert only_by_square(found) == 0
    found.correct["square"][:4] = False
    found.correct["apgd-t"][:1] = False
    assert only_by_square(found) == pytest.approx(10)


def test_oracles_agree_and_notice_a_wrong_step(monkeypatch):
    assert solution_error(1) < 1e-10 and gradient_error(1) < 1e-7
    right = oracles.implicit_euler
    monkeypatch.setattr(oracles, "implicit_euler", lambda f, x, h: right(f, x, 1.001 * h))
    assert solution_error(1) > 1e-6
