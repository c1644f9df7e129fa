"""Nets with blocks exchanged, dropped and shuffled, and what is measured on them."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from ordered_nets import SHORT, data, images, moved, randomise, small, tiny

from contdepth.nets import lm_resnet, resnet
from contdepth.studies.common.matched import compare
from contdepth.studies.meanfield.conv_probes import (
    depth_order,
    drops,
    neighbour_swaps,
    order_probes,
    probe_run,
    shuffle,
    with_order,
)
from contdepth.training import evaluate


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


def test_depth_order_is_that_of_the_blocks_or_of_their_times() -> None:
    assert depth_order(lm_resnet(20, width=4)) == ((0, 1, 2), (4, 5), (7, 8))
    assert depth_order(moved(small())) == ((1, 2, 0, 3), (6, 5, 7), (11, 9, 10))


def test_orders_are_made_of_each_stage_s_own_blocks() -> None:
    net = small()
    for bad in (
        ((0, 1, 2, 2), (5, 6, 7), (9, 10, 11)),
        ((0, 1, 2), (5, 6, 7), (9, 10, 11)),
        ((0, 1, 2, 5), (3, 6, 7), (9, 10, 11)),
    ):
        with pytest.raises(ValueError, match="the blocks .* of stage 1"), with_order(net, bad):
            pass
    with pytest.raises(ValueError, match="order: expected 3 stages"), with_order(net, ((0, 1, 2, 3),)):
        pass


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
