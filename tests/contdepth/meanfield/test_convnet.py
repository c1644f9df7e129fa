"""Nets whose blocks are sorted by time: the plain net on the grid, gradients in t, orders, probes, training."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from contdepth.data import standardise
from contdepth.meanfield.convnet import (
    OrderedResNet,
    fold,
    ordered_pair,
    ordered_resnet,
    rate_arms,
    stage_particles,
)
from contdepth.nets import lm_resnet, resnet
from contdepth.studies.common import matched as compare
from contdepth.studies.meanfield.conv_probes import (
    depth_order,
    drops,
    neighbour_swaps,
    order_probes,
    probe_run,
    shuffle,
    with_order,
)
from contdepth.training import Recipe, evaluate, fit

SHORT = Recipe("short", epochs=2, batch=16, lr=0.1, schedule="one-cycle", pad=1, flip=True)


def images(count: int = 4, channels: int = 3) -> torch.Tensor:
    return torch.randn(count, channels, 8, 8, generator=torch.Generator().manual_seed(5))


def data() -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    source = torch.Generator().manual_seed(0)
    pictures = torch.randint(256, (72, 1, 8, 8), generator=source, dtype=torch.uint8)
    labels = (pictures[:, 0, :4].float().mean((1, 2)) > pictures[:, 0, 4:].float().mean((1, 2))).long()
    return standardise((pictures[:56], labels[:56]), (pictures[56:], labels[56:]))


def small(times: str = "trained", depth: int = 26, **options: object) -> OrderedResNet:
    """Stages of 4, 3 and 3 particles."""
    return ordered_resnet(depth, width=2, times=times, **({"seed": 1, "time_rate": 0.1} | options))


def moved(net: OrderedResNet) -> OrderedResNet:
    """Times off the grid, order changed in every stage."""
    net.set_times([torch.tensor(t) for t in ([0.7, 0.2, 0.35, 0.9], [0.55, 0.5, 0.8], [0.3, 0.95, 0.1])])
    return net


def randomise(net: torch.nn.Module) -> torch.nn.Module:
    """Running statistics and affine maps of every norm drawn at random, so that no two blocks are alike."""
    source = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for one in (module.running_mean, module.running_var, module.weight, module.bias):
                    one.copy_(0.5 + torch.rand(one.shape, generator=source))
    return net


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
    assert depth_order(lm_resnet(20, width=4)) == ((0, 1, 2), (4, 5), (7, 8))
    assert depth_order(moved(small())) == ((1, 2, 0, 3), (6, 5, 7), (11, 9, 10))


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


@pytest.mark.parametrize("make", ["ordered", "plain", "lm"])
def test_probes_equal_a_net_with_the_blocks_exchanged(make: str) -> None:
    net = {
        "ordered": lambda: moved(small()),
        "plain": lambda: resnet(26, width=2, seed=1),
        "lm": lambda: lm_resnet(26, width=2, seed=1),
    }[make]()
    net = randomise(net).eval()
    order = depth_order(net)
    x, before = images(), net(images())
    a, b = order[1][0], order[1][1]
    hand = copy.deepcopy(net)
    hand.branches[a], hand.branches[b] = hand.branches[b], hand.branches[a]
    swapped = next(new for new in neighbour_swaps(order) if new[1][:2] == (b, a))
    with with_order(net, swapped):
        assert torch.equal(net(x), hand(x))
        assert not torch.allclose(net(x), before, atol=1e-3)
    assert torch.equal(net(x), before)
    hand = copy.deepcopy(net)
    with torch.no_grad():
        hand.branches[order[2][1]][-1][-1].weight.zero_()
    gone = next(new for new in drops(order) if new[2][1] is None)
    with pytest.raises(KeyError), with_order(net, gone):
        assert torch.equal(net(x), hand(x))
        raise KeyError
    assert torch.equal(net(x), before), "an exception leaves the net as it was"


def test_probes_count_and_values() -> None:
    net, (_, test) = randomise(moved(small("trained", in_channels=1, num_classes=2))).eval(), data()
    order = depth_order(net)
    assert len(neighbour_swaps(order)) == 3 + 2 + 2 and len(drops(order)) == 10
    assert len(set(neighbour_swaps(order))) == 7
    source = torch.Generator().manual_seed(0)
    drawn = [shuffle(order, source) for _ in range(20)]
    assert order not in drawn and len(set(drawn)) > 10
    assert {shuffle(((0, 1), (2,)), source) for _ in range(20)} == {((1, 0), (2,))}
    assert all(sorted(a) == sorted(b) for new in drawn for a, b in zip(new, order, strict=True))
    state = copy.deepcopy(net.state_dict())
    probes = order_probes(net, test, permutations=3, seed=2)
    assert {name: len(one) for name, one in probes.items()} == {
        "intact": 1,
        "swap": 7,
        "drop": 10,
        "reverse": 1,
        "permute": 3,
    }
    assert probes["intact"][0] == evaluate(net, test)[1]
    with with_order(net, tuple(stage[::-1] for stage in order)):
        assert probes["reverse"][0] == evaluate(net, test)[1]
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    again = order_probes(net, test, permutations=3, seed=2)
    assert all((again[name] == one).all() for name, one in probes.items())


def test_reverse_order_of_grid_times() -> None:
    """Times 1 - t + 1/n reverse the grid; so does the probe."""
    net = randomise(small("fixed")).eval()
    with with_order(net, tuple(stage[::-1] for stage in net.order())):
        expected = net(images())
    net.set_times([one.flip(0) for one in net.times()])
    torch.testing.assert_close(net(images()), expected)


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
    for bad in (
        ((0, 1, 2, 2), (5, 6, 7), (9, 10, 11)),
        ((0, 1, 2), (5, 6, 7), (9, 10, 11)),
        ((0, 1, 2, 5), (3, 6, 7), (9, 10, 11)),
    ):
        with pytest.raises(ValueError, match="the blocks .* of stage 1"), with_order(net, bad):
            pass
    with pytest.raises(ValueError, match="order: expected 3 stages"), with_order(net, ((0, 1, 2, 3),)):
        pass


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


def tiny(*, seed: int) -> dict[str, OrderedResNet]:
    return ordered_pair(20, width=2, in_channels=1, num_classes=2, time_rate=10.0, seed=seed)


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


def test_comparison_and_probe_of_what_it_left(tmp_path: Path) -> None:
    train, test = data()
    result = compare(tiny, train, test, SHORT, [0, 1], checkpoints=tmp_path, progress=False)
    for arm in ("plain", "ordered"):
        for i, seed in enumerate((0, 1)):
            probed = probe_run(tiny, arm, train, test, SHORT, seed, checkpoints=tmp_path, permutations=2)
            assert probed.errors["intact"][0] == result.errors[arm][i]
            assert probed.steps == 8
            grid = np.concatenate([np.arange(1, n + 1) / n for n in (3, 2, 2)])
            drift = np.abs(np.concatenate(probed.times) - grid).max()
            assert (drift < 1e-6 and probed.reorders == 0) if arm == "plain" else drift > 1e-3
            assert probed.rise("swap") == pytest.approx(probed.errors["swap"].mean() - probed.errors["intact"][0])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{arm}-short-seed{seed}.pt" for arm in ("plain", "ordered") for seed in (0, 1)
    )
    few = probe_run(tiny, "plain", train, test, SHORT, 0, checkpoints=tmp_path, images=5, permutations=1)
    wrong = np.concatenate(list(few.errors.values())) * 5 / 100
    assert wrong.max() > 0
    np.testing.assert_allclose(wrong, wrong.round(), atol=1e-9, err_msg="not the errors of five images")
