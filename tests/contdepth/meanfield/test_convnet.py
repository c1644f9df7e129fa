"""Nets whose blocks are sorted by time: the plain net on the grid, gradients in t, orders, training."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from ordered_nets import SHORT, data, images, moved, randomise, small, tiny
from torch.nn.functional import cross_entropy

from contdepth.meanfield.convnet import (
    fold,
    ordered_pair,
    ordered_resnet,
    rate_arms,
    stage_particles,
)
from contdepth.nets import lm_resnet, resnet
from contdepth.training import fit


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(("depth", "block"), [(20, "basic"), (32, "basic"), (29, "bottleneck")])
def test_on_the_grid_it_is_the_plain_net_bit_for_bit(depth: int, block: str, train: bool) -> None:
    nets = {"resnet": resnet(depth, block, width=4, seed=3), **ordered_pair(depth, block, width=4, seed=3)}
    nets["equal"] = ordered_resnet(depth, block, width=4, seed=3, times="fixed", weighting="equal")
    labels, found = torch.tensor([0, 1, 2, 3]), {}
    for name, net in nets.items():
        logits = net.train(train)(images())
        cross_entropy(logits, labels).backward()
        found[name] = [logits, *(p.grad for key, p in net.named_parameters() if key != "tau")]
    reference = dict(nets["resnet"].named_buffers())
    for name, net in nets.items():
        assert len(found[name]) == len(found["resnet"])
        assert all(torch.equal(a, b) for a, b in zip(found[name], found["resnet"], strict=True)), name
        buffers = dict(net.named_buffers())
        assert all(torch.equal(buffers[key], value) for key, value in reference.items())
    assert nets["ordered"].tau.grad.abs().min() > 0, "every time has a slope on the grid, the last one's too"


def test_pair_differs_by_the_times_alone() -> None:
    plain, ordered = ordered_pair(20, seed=4, width=4, in_channels=1).values()
    theirs = ordered.state_dict()
    assert plain.state_dict().keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) for key, value in plain.state_dict().items())
    names = {key for key, _ in ordered.named_parameters()} - {key for key, _ in plain.named_parameters()}
    assert names == {"tau"}
    assert not torch.equal(ordered_pair(20, seed=5, width=4)["plain"].stem.weight, plain.stem.weight)


def test_particles_are_the_blocks_that_keep_the_shape() -> None:
    assert stage_particles(resnet(20, width=4)) == ((0, 1, 2), (4, 5), (7, 8))
    assert stage_particles(resnet(20, "bottleneck", width=4)) == ((1,), (3,), (5,))
    assert stage_particles(lm_resnet(20, width=4)) == ((0, 1, 2), (4, 5), (7, 8))
    assert moved(small()).order() == ((1, 2, 0, 3), (6, 5, 7), (11, 9, 10))


def test_the_update_is_that_of_the_sorted_particles() -> None:
    """Every state against the recursion written out, with times off the grid."""
    net = randomise(moved(small())).double().eval()
    u = net.stem(images().double())
    expected = [u]
    stages = [
        (None, [1, 2, 0, 3], [0.2, 0.35, 0.7, 0.9]),
        (4, [6, 5, 7], [0.5, 0.55, 0.8]),
        (8, [11, 9, 10], [0.1, 0.3, 0.95]),
    ]
    for first, order, times in stages:
        if first is not None:
            u = net.shortcuts[first](u) + net.branches[first](u)
            expected.append(u)
        before = 0.0
        for n, t in zip(order, times, strict=True):
            u = u + len(order) * (t - before) * net.branches[n](u)
            expected.append(u)
            before = t
    found = list(net.trajectory(images().double()))
    assert len(found) == len(expected) == 13
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    assert net.order() == ((1, 2, 0, 3), (6, 5, 7), (11, 9, 10))
    assert net.inversions() == 2 + 1 + 2
    flat = [c.sum().item() for c in net.coefficients()]
    np.testing.assert_allclose(flat, [4 * 0.9, 3 * 0.8, 3 * 0.95], rtol=1e-6)


def test_equal_weighting_uses_the_order_and_nothing_else() -> None:
    net = randomise(small("fixed", weighting="equal")).eval()
    grid = net(images())
    net.set_times([torch.tensor([0.1, 0.2, 0.3, 0.31]), *net.times()[1:]])
    assert torch.equal(net(images()), grid)
    net.set_times([torch.tensor([0.2, 0.1, 0.3, 0.31]), *net.times()[1:]])
    assert not torch.allclose(net(images()), grid)
    assert net.order()[0] == (1, 0, 2, 3)


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_exchanging_two_times_is_exchanging_two_blocks(stage: int) -> None:
    net = randomise(moved(small())).eval()
    other = copy.deepcopy(net)
    a, b = net.particles[stage][0], net.particles[stage][2]
    other.branches[a], other.branches[b] = net.branches[b], net.branches[a]
    start = net(images())
    times = [one.clone() for one in net.times()]
    times[stage][[0, 2]] = times[stage][[2, 0]]
    net.set_times(times)
    torch.testing.assert_close(net(images()), other(images()), rtol=1e-5, atol=1e-6)
    assert (net(images()) - start).abs().max() > 1e-2


def test_a_step_that_crosses_two_times_is_sorted_again() -> None:
    """The next pass after an update of τ uses the new order, without any call in between."""
    net = randomise(small()).eval()
    before, tau = net(images()), net.tau
    with torch.no_grad():
        tau[0] += 1.4 / 4 / net.time_rate**0.5
    assert net.order()[0] == (1, 0, 2, 3)
    blocks = [net.branches[n] for n in (1, 0, 2, 3)]
    u = net.stem(images())
    for c, block in zip((2.0, 0.4, 0.6, 1.0), blocks, strict=True):
        u = u + c * block(u)
    assert torch.allclose(list(net.trajectory(images()))[4], u, atol=1e-5)
    assert not torch.allclose(net(images()), before, atol=1e-3)


@pytest.mark.parametrize("train", [True, False])
def test_gradient_in_tau_against_central_differences(train: bool) -> None:
    net = randomise(moved(small())).double().train(train)
    labels = torch.tensor([0, 1, 2, 3])

    def loss() -> torch.Tensor:
        return cross_entropy(net(images().double()), labels)

    (gradient,) = torch.autograd.grad(loss(), net.tau)
    numeric, h = torch.zeros_like(gradient), 1e-5
    with torch.no_grad():
        for i in range(len(net.tau)):
            for sign in (1, -1):
                net.tau[i] += sign * h
                numeric[i] += sign * loss() / (2 * h)
                net.tau[i] -= sign * h
    torch.testing.assert_close(gradient, numeric, rtol=1e-5, atol=1e-8)
    assert gradient.abs().min() > 1e-6


def test_gradient_in_tau_where_times_were_reflected() -> None:
    """Beyond the end t falls as τ rises: slope -√rate n of the clock."""
    net = small(depth=20, time_rate=0.25)
    with torch.no_grad():
        net.tau[2] = 0.4  # 1 + 0.5 · 0.4 = 1.2 -> 0.8, behind 2/3
    np.testing.assert_allclose(net.times()[0], [1 / 3, 2 / 3, 0.8], rtol=1e-6)
    (slope,) = torch.autograd.grad(net.clocks()[0][2], net.tau)
    np.testing.assert_allclose(slope[:3], [0, 0, -1.5], rtol=1e-6)


def test_fold_is_a_triangle_wave_with_slope_one() -> None:
    x = torch.linspace(-7, 7, 281, dtype=torch.float64, requires_grad=True)
    horizon = torch.full_like(x, 2.0)
    y = fold(x, horizon)
    expected = 2 / torch.pi * torch.arccos(torch.cos(torch.pi * x.detach() / 2))
    torch.testing.assert_close(y.detach(), expected, atol=1e-7, rtol=0)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(slope.abs(), torch.ones_like(slope))
    ends = torch.tensor([0.0, 2.0, 4.0, -2.0], requires_grad=True)
    (slope,) = torch.autograd.grad(fold(ends, torch.full((4,), 2.0)).sum(), ends)
    assert torch.equal(slope.abs(), torch.ones(4)), "no dead end, on the boundary too"


def test_the_rate_of_t_is_time_rate_times_that_of_the_weights() -> None:
    """One SGD step with rate η moves t by -η · time_rate · ∂E/∂t."""
    changes = {}
    for rate in (0.01, 0.04):
        net = moved(small(time_rate=rate)).train()
        before = torch.cat(net.times())
        cross_entropy(net(images()), torch.tensor([0, 1, 2, 3])).backward()
        torch.optim.SGD(net.parameters(), lr=0.05).step()
        changes[rate] = torch.cat(net.times()) - before
    torch.testing.assert_close(changes[0.04], 4 * changes[0.01], rtol=0.02, atol=1e-6)
    assert changes[0.04].abs().max() > 1e-4


def test_at_a_crossing_the_gaps_rule_jumps() -> None:
    """The documented discontinuity: the earlier block has the whole gap, the later none."""
    net = randomise(small("fixed")).eval()
    found = []
    for e in (1e-6, -1e-6):
        net.set_times([torch.tensor([0.3 - e, 0.3 + e, 0.8, 0.9]), *net.times()[1:]])
        found.append(net(images()))
    assert (found[0] - found[1]).abs().max() > 1e-2


def test_input_errors() -> None:
    with pytest.raises(ValueError, match="weighting: expected one of"):
        ordered_resnet(20, weighting="gap")
    with pytest.raises(ValueError, match="times: expected one of"):
        ordered_resnet(20, times="free")
    with pytest.raises(ValueError, match="piecewise constant in t"):
        ordered_resnet(20, weighting="equal")
    with pytest.raises(ValueError, match="time_rate: expected a number > 0"):
        ordered_resnet(20, time_rate=0)
    with pytest.raises(ValueError, match="depth: expected 6n"):
        ordered_resnet(21)
    with pytest.raises(ValueError, match="at least two particles, found 8 basic"):
        ordered_resnet(8)
    with pytest.raises(TypeError, match="net: expected a ResidualNet, found Linear"):
        stage_particles(torch.nn.Linear(2, 2))
    net = small()
    with pytest.raises(ValueError, match="one tensor for each of 3 stages"):
        net.set_times([torch.zeros(4)])
    with pytest.raises(ValueError, match=r"times\[1\]: expected shape \(3,\)"):
        net.set_times([torch.zeros(4), torch.zeros(4), torch.zeros(3)])
    with pytest.raises(ValueError, match=r"times\[2\]: expected times in \[0, 1\]"):
        net.set_times([torch.zeros(4), torch.zeros(3), torch.tensor([0.1, 1.2, 0.3])])


def test_pickle_and_printed_settings() -> None:
    net = moved(small()).eval()
    again = pickle.loads(pickle.dumps(net))
    assert torch.equal(again(images()), net(images())) and again.order() == net.order()
    assert "times='trained', weighting='gaps', time_rate=0.1" in repr(net)
    assert "time_rate" not in repr(small("fixed"))


def test_rate_arms_share_their_weights() -> None:
    arms = rate_arms([0.1, 3], depth=20, width=2, seed=2)
    assert list(arms) == ["fixed", "0.1", "3"]
    assert [net.time_rate for net in arms.values()][1:] == [0.1, 3.0]
    assert [isinstance(net.tau, torch.nn.Parameter) for net in arms.values()] == [False, True, True]
    states = [net.state_dict() for net in arms.values()]
    assert all(torch.equal(value, other[key]) for other in states[1:] for key, value in states[0].items())


def test_training_moves_and_reorders_and_resumes_to_the_same_bits(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(step: int, loss: float) -> None:
        if step == 4:
            raise Stop

    whole, parts = tiny(seed=3)["ordered"], tiny(seed=3)["ordered"]
    fit(whole, *data(), SHORT, seed=3, checkpoint=tmp_path / "whole.pt", every=2, progress=False)
    with pytest.raises(Stop):
        fit(parts, *data(), SHORT, seed=3, checkpoint=tmp_path / "parts.pt", every=2, progress=False, on_step=stop)
    parts = tiny(seed=3)["ordered"]
    fit(parts, *data(), SHORT, seed=3, checkpoint=tmp_path / "parts.pt", every=2, progress=False)
    state = parts.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in whole.state_dict().items())
    assert whole.tau.abs().max() > 0 and whole.reorders > 0 and whole.inversions() > 0


def test_reorders_count_changes_of_order_in_training_only() -> None:
    net = small()
    for train, expected in ((True, 0), (False, 0), (True, 1), (True, 1)):
        if not train or expected == 0:
            net.train(train)(images())
        else:
            moved(net).train()(images())
        assert int(net.reorders) == expected
    net.set_times([torch.arange(1.0, n + 1) / n for n in (4, 3, 3)])
    net(images())
    assert int(net.reorders) == 2 and net.inversions() == 0
