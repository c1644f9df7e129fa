"""PDE-Net 1 in sittings: the estimator's training where one sitting is a stage, resumed to the bits, judged."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from piece_checks import matched, stopped_on_the_way
from tiny_pieces import TINY

from contdepth.pde import PDENet
from contdepth.pde.pdenet1.block import PDENetBlock
from contdepth.pde.pdenet1.training import Stage
from contdepth.studies.common.arms import by_arm
from contdepth.studies.pdenet.linear import training_pairs
from contdepth.studies.pdenet.pieces import compared, linear_arm, source_arm
from contdepth.studies.pdenet.stages import train_stages

SAVER = "contdepth.studies.pdenet.stages.save_checkpoint"
SITTINGS = 3 * 3
"""Of 5, 5 and 2 iterations in the warm-up and the stages of one and two blocks."""


@pytest.mark.parametrize("learn", [True, False])
def test_one_sitting_a_stage_is_the_estimator(learn: bool) -> None:
    data = training_pairs(1, (1, 2), batch=6, grid=24, cutoffs=(2, 3))
    form = {"order": 2, "size": 5, "mesh": 6}
    filters = "learned" if learn else "frozen"
    model = PDENet(**form, filters=filters, blocks=(1, 2), iterations=6, batch=6, seed=1).fit(data)
    block = PDENetBlock(data.grid, data.dx, data.dt, **form)
    options = {"seed": 1, "batch": 6, "iterations": 6, "learn_filters": learn}
    states, losses = train_stages(block, data, (1, 2), **options)
    for ours, theirs in zip(states, model.states_, strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert losses == [[stage.loss_before, stage.loss, stage.closures] for stage in model.stages_]


def test_sittings_go_on_where_the_last_ended() -> None:
    data = training_pairs(1, (1,), batch=6, grid=24, cutoffs=(2, 3))
    block = PDENetBlock(data.grid, data.dx, data.dt, order=2, size=5, mesh=6)
    _, losses = train_stages(block, data, (1,), seed=1, batch=6, iterations=9, sitting=3)
    for before, after, closures in losses:
        assert after < before and 9 < closures < 27
    assert losses[1][0] == pytest.approx(losses[0][1])


def test_a_stage_ends_with_the_sitting_in_which_the_optimiser_stopped() -> None:
    data = training_pairs(1, (1, 2), batch=6, grid=24, cutoffs=(2, 3))
    block = PDENetBlock(data.grid, data.dx, data.dt, order=2, size=5, mesh=6)
    stopped = [Stage(0, 3.0, 2.0, closures, 0.0) for closures in (5, 2, 1, 2)]
    with mock.patch("contdepth.studies.pdenet.stages.train_stage", side_effect=stopped):
        states, losses = train_stages(block, data, (1, 2), seed=1, batch=6, iterations=9, sitting=3)
    assert len(states) == 3 and losses == [[3.0, 2.0, 7], [3.0, 2.0, 1], [3.0, 2.0, 2]]


@pytest.mark.parametrize("function", [linear_arm, source_arm])
def test_a_piece_goes_on_after_a_sitting(function, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert stopped_on_the_way(function, SAVER, tmp_path, {"arm": "learned 7×7", "seed": 3}) == SITTINGS


def test_arms_of_the_linear_equation() -> None:
    learned, frozen = matched(linear_arm, ("learned 7×7", "frozen 7×7"))
    small = linear_arm(**TINY[linear_arm], arm="learned 5×5", seed=3)
    for one in (learned, frozen, small):
        assert one["median"].shape == (3, 81) and one["quantiles"].shape == (2, 81)
        assert np.all(one["median"][:, 0] == 0) and one["median"][-1, 1] < 0.1
        assert 0 < one["a"] < 1 and 0 < one["b"] < 1 and one["second-orders"] > 0 and one["high-orders"] > 0
    assert learned["a"] != frozen["a"] != small["a"]
    results = {"learned 7×7": learned, "frozen 7×7": frozen, "learned 5×5": small}
    arms = by_arm([{"arguments": {"arm": arm, "seed": 0}, "result": one} for arm, one in results.items()])
    found = compared(arms, 20)
    assert found["size"]["value"] == np.log10(learned["median"][-1, 20])
    assert found["size"]["baseline"] == np.log10(small["median"][-1, 20])
    assert found["blocks"]["baseline"] == np.log10(learned["median"][1, 20])
    assert found["learned-frozen"]["baseline"] == np.log10(frozen["median"][-1, 20])


def test_arms_with_a_source() -> None:
    learned, frozen = matched(source_arm, ("learned 7×7", "frozen 7×7"))
    for one in (learned, frozen):
        assert one["median"].shape == (3, 81) and one["median"].max() <= 1 and one["source"].shape == (601,)
        assert 0 < one["visited"] < 1 and 0 < one["diffusion"] < 1 and one["other-terms"] > 0
    assert learned["visited"] != frozen["visited"]
