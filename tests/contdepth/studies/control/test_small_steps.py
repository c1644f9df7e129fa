"""Experiments on nets with a small step: descent against PyTorch's, noise, gradients, attacks, pictures."""

from __future__ import annotations

import copy

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from contdepth.nets import SmallStepNet
from contdepth.seeds import generator
from contdepth.studies.control.smallstep import contest, drawing, oracles
from contdepth.studies.control.smallstep.convolutions import convolutions, pictures, under_noise
from contdepth.studies.control.smallstep.measures import early_gradients, stretching, survivors
from contdepth.studies.control.smallstep.training import Arm, Parts, Plan, Trained, descend, lengths, parts, train

PLAN = Plan(epochs=4, batch=16, width=8)


@pytest.fixture(scope="module")
def data() -> Parts:
    whole = parts()
    few = (whole.learn[0][:70], whole.learn[1][:70])
    return Parts(few, (whole.choose[0][:20], whole.choose[1][:20]), whole.judge, whole.mean, whole.size)


def test_parts_share_no_image_and_have_the_size_one():
    whole = parts()
    assert [len(y) for _, y in (whole.learn, whole.choose, whole.judge)] == [1079, 269, 449]
    assert float(whole.learn[0].mean()) == pytest.approx(0, abs=1e-5)
    assert float(whole.learn[0].std()) == pytest.approx(1, abs=1e-4)
    x, _ = pictures(whole, whole.judge)
    assert x.shape == (449, 1, 8, 8) and float(x.min()) == 0 and float(x.max()) == 1
    assert not (whole.learn[0][:, None] == whole.choose[0][None]).all(-1).any()


@pytest.mark.parametrize("clip", [None, 0.5])
def test_descent_is_that_of_pytorch(data, clip):
    """Each of two nets alone, by torch.optim.SGD, MultiStepLR and clip_grad_norm_."""
    arm = Arm(2, 0.5, clip=clip)
    found = descend(arm, data, Plan(epochs=6, batch=16, width=8), 0.05, (3, 5))
    for k, seed in enumerate((3, 5)):
        net = SmallStepNet(2, 0.5, width=8, seeds=(seed,))
        optimiser = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [3, 5], 0.1)
        for epoch in range(6):
            order = torch.randperm(70, generator=generator(seed, f"order/{epoch}"))
            for chosen in order[:64].split(16):
                optimiser.zero_grad()
                cross_entropy(net(data.learn[0][chosen])[0], data.learn[1][chosen]).backward()
                if clip:
                    nn.utils.clip_grad_norm_(net.parameters(), clip)
                optimiser.step()
            schedule.step()
        torch.testing.assert_close(found(data.judge[0])[k], net(data.judge[0])[0], rtol=1e-3, atol=1e-4)
    assert not found.training


def test_lengths_are_of_each_net_alone():
    slopes = [torch.ones(2, 3, 4), torch.full((5, 2, 1, 3), 2.0)]
    slopes[0][1], slopes[1][:, 1] = 0, torch.nan
    assert float(lengths(slopes)[0]) == pytest.approx((12 + 60) ** 0.5)
    assert bool(lengths(slopes)[1].isnan())


def test_a_net_that_is_not_finite_has_nothing_right_and_leaves_the_others(data):
    arm = Arm(30, 1.0)
    one = train(arm, data, PLAN, (1e-3, 1.0), (0, 1))
    assert not one.finite[1].any() and (one.accuracy[1] == 0).all() and (one.chosen[1] == 0).all()
    small = train(Arm(2, 0.1), data, PLAN, (1e-3, 1e-1), (0, 1))
    assert small.finite.all() and small.best == 1 and (small.result == small.accuracy[1]).all()
    assert small.result.mean() > 20


def test_the_rate_is_chosen_on_images_that_are_not_judged_on():
    held, right = np.array([[1.0, 3.0], [2.0, 2.5]]), np.array([[9.0, 9.0], [7.0, 8.0]])
    one = Trained(Arm(1, 1.0), (0.1, 0.2), (), held, right, right > 0)
    assert one.best == 1 and one.result.tolist() == [7.0, 8.0]


def test_noise_is_on_pixels_drawn_once_and_not_on_test_images(data):
    seen: list[torch.Tensor] = []

    def watch(nets, x, y):
        seen.append(x)
        return False

    quiet = Plan(epochs=2, batch=70, width=8)
    for noise in (0.0, 0.6):
        descend(Arm(1, 0.1, noise=noise), data, quiet, 0.01, (4, 6), watch)
    clean, first, second = seen[0].sort(1)[0], seen[2], seen[3]
    back = [torch.randperm(70, generator=generator(4, f"order/{epoch}")).argsort() for epoch in (0, 1)]
    assert torch.equal(first[0][back[0]], second[0][back[1]])
    spread = float((first[0][back[0]] - data.learn[0]).std()) * data.size
    assert spread == pytest.approx(0.6, rel=0.03) and clean.shape == (2, 70, 64)
    assert not torch.equal(
        first[0][back[0]], first[1][torch.randperm(70, generator=generator(6, "order/0")).argsort()]
    )


def test_gradients_by_states_are_those_of_differences(data):
    norms = early_gradients(Arm(3, 0.5), data, PLAN, 0.05, (1, 2), 3)
    assert norms.shape == (3, 4, 2) and (norms[0] != norms[1]).all()
    net = SmallStepNet(3, 0.5, width=8, seeds=(1,)).double()
    order = torch.randperm(70, generator=generator(1, "order/0"))[:16]
    x, y = data.learn[0][order].double(), data.learn[1][order]
    state = list(net.trajectory(x))[1].detach()

    def loss(state):
        for n in (1, 2):
            state = net.step(n, state)
        return cross_entropy((state @ net.last + net.last_shift)[0], y).detach()

    slopes = torch.zeros_like(state)
    for place in range(state.numel()):
        nudge = torch.zeros(state.numel(), dtype=state.dtype)
        nudge[place] = 1e-6
        nudge = nudge.view_as(state)
        slopes.view(-1)[place] = (loss(state + nudge) - loss(state - nudge)) / 2e-6
    assert float(slopes.norm()) == pytest.approx(norms[0, 1, 0], rel=1e-3)


def test_stretching_stays_under_its_bound_and_leaves_the_nets_alone(data):
    nets = SmallStepNet(4, (0.1, 1.0), width=8, seeds=(0, 1))
    before = copy.deepcopy(nets.state_dict())
    measured, bound = stretching(nets, data.judge[0][:9])
    assert measured.shape == bound.shape == (2, 9) and (measured <= bound).all()
    assert measured[0].mean() < measured[1].mean() and nets.first.dtype == torch.float32
    assert all(torch.equal(value, before[key]) for key, value in nets.state_dict().items())


def test_oracles_see_a_wrong_coefficient(data, monkeypatch):
    assert oracles.absorbed_gap(data, 3, 0.3, 0.1, 10) < 1e-12
    assert oracles.norm_error(SmallStepNet(3, 1.0, width=8), data.judge[0][:9], 300) < 1e-3
    right = SmallStepNet.absorbed

    def wrong(self):
        other = right(self)
        with torch.no_grad():
            other.second.mul_(1.001)
        return other

    monkeypatch.setattr(SmallStepNet, "absorbed", wrong)
    assert oracles.absorbed_gap(data, 3, 0.3, 0.1, 10) > 1e-6


def test_remedies_are_what_they_are_called(data):
    found = contest.remedies(data, Plan(epochs=1, batch=70, width=8), 3, (0,))
    assert {arm.arm.depth for arm in found.values()} == {3} and len({arm.arm for arm in found.values()}) == 7
    assert found["clipped gradients"].arm.clip == 1.0 and found["batch norm, h = 0.1"].arm == Arm(
        3, 0.1, norm=True
    )
    assert {len(arm.rates) for arm in found.values()} == {3}
    loud = contest.noisy(data, PLAN, 2, 0.6, (0,))
    assert {one.arm.noise for one in loud.values()} == {0.6} and loud["batch norm, one block"].arm.depth == 1
    for name, one in loud.items():
        assert one.arm.norm == ("norm" in name) and (one.arm.h == 0.1) == ("0.1" in name)
    assert loud["Fixup's start"].arm.start == "fixup"
    figure, axes = plt.subplots(1, 5)
    drawing.over_rates(axes[:2], contest.by_depth(data, PLAN, (1, 2), (0.1, 1.0), (0,)))
    drawing.remedy_rows(axes[2], found, 94)
    drawing.along_the_depth(
        axes[3:], {h: early_gradients(Arm(2, h), data, PLAN, 0.1, (0,), 2) for h in (0.1, 1.0)}
    )
    plt.close(figure)


def test_paired_convolutions_start_alike_and_are_attacked(data):
    small, whole = (convolutions(h, data, 1, (0,), blocks=2) for h in (0.1, 1.0))
    assert small.nets[0].h.tolist() == pytest.approx([0.1] * 6) and whole.nets[0].h.tolist() == [1.0] * 6
    x, y = pictures(data, data.judge)
    right = under_noise(whole.nets, x, y, 0.0, 1)
    assert right[0] == pytest.approx(100 * float((whole.nets[0](x).argmax(-1) == y).double().mean()))
    draws = [torch.randn(x.shape, generator=generator(draw, "noise/judge")) for draw in range(5)]
    heard = [(whole.nets[0](x + 0.5 * noise).argmax(-1) == y).double().mean() for noise in draws]
    assert under_noise(whole.nets, x, y, 0.5)[0] == pytest.approx(100 * float(sum(heard)) / 5)
    found = survivors(whole.nets, x[:4], y[:4], "1/10")
    assert found["autoattack"][0] <= found["clean"][0] and found["flags"].shape == (1,)
