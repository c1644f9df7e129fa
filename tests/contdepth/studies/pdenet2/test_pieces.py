"""PDE-Net 2.0 in sittings: the estimator where one sitting is a stage, resumed to the bits, judged by stage."""

from __future__ import annotations

import math
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from piece_checks import matched, stopped_on_the_way

from contdepth.pde import PDENet2, Trajectories
from contdepth.pde.pdenet2.optimise import Minimised
from contdepth.pde.simulate import heat_data
from contdepth.studies.common.arms import by_arm
from contdepth.studies.pdenet2.pieces import burgers_arm, largest, readings
from contdepth.studies.pdenet2.stages import SittingPDENet2

OPTIONS = {"blocks": (1, 2), "hidden": 1, "iterations": (6, 4), "seed": 2}


def data() -> Trajectories:
    return Trajectories(heat_data(3, 2, grid=8, noise=0.001), 0.01, (math.pi / 4, math.pi / 4), ("u",))


def test_one_sitting_a_stage_is_the_estimator() -> None:
    theirs = PDENet2(**OPTIONS).fit(data())
    ours = SittingPDENet2(**OPTIONS).resuming(None, 6).fit(data())
    assert ours.stages_ == theirs.stages_ and ours.iterations == theirs.iterations
    assert ours.coefficients() == theirs.coefficients() == ours.at(2).coefficients()
    assert ours.at(0).coefficients() != ours.coefficients() and len(ours.states_) == 3
    with pytest.raises(ValueError, match="stage"):
        ours.at(3)


def test_sittings_go_on_where_the_last_ended(tmp_path: Path) -> None:
    found = SittingPDENet2(**OPTIONS).resuming(tmp_path, 3).fit(data())
    first, second = (stage.losses for _, stage in found.stages_[:2])
    assert min(first) == pytest.approx(first[-1]) and first[-1] < first[0] and len(first) >= 2 * (3 + 2)
    assert len(second) >= (3 + 2) + (1 + 2)
    again = SittingPDENet2(**OPTIONS).resuming(tmp_path, 3).fit(data())
    assert again.stages_ == found.stages_ and again.coefficients() == found.coefficients()
    state = found.at(1).block_.state_dict()
    assert all(torch.equal(value, again.states_[1][name]) for name, value in state.items())


def test_a_stage_ends_with_the_sitting_in_which_the_optimiser_stopped() -> None:
    stopped = [Minimised((1.0,) * evaluations) for evaluations in (9, 3, 2, 1)]
    with mock.patch("contdepth.pde.pdenet2.pdenet2.minimise", side_effect=stopped):
        found = SittingPDENet2(**OPTIONS).resuming(None, 3).fit(data())
    assert [len(stage.losses) for _, stage in found.stages_] == [9 + 3, 2, 1]


def test_a_piece_goes_on_after_a_sitting(tmp_path: Path) -> None:
    saver = "contdepth.studies.pdenet2.stages.save_checkpoint"
    assert stopped_on_the_way(burgers_arm, saver, tmp_path, {"arm": "learned filters", "seed": 3}) == 3 * 3


def test_arms_of_burgers_equations_are_read_by_stage() -> None:
    learned, frozen = matched(burgers_arm, ("learned filters", "frozen filters"))
    assert learned["blocks"] == [0, 6, 15] and np.shape(learned["median"]) == (3, 5)
    assert learned["read"].keys() == {"u", "v"} and learned["whole"] != frozen["whole"]
    results = {"learned filters": learned, "frozen filters": frozen}
    arms = by_arm([{"arguments": {"arm": arm, "seed": 0}, "result": one} for arm, one in results.items()])
    found = readings(arms, 6)
    assert found["convection"] == learned["convection"][1] and found["wrong-terms"] == learned["wrong"][1]
    assert found["frozen"] == frozen["whole"][1] / learned["whole"][1]
    assert found["closure"] == learned["median"][1][-1] / learned["textbook"][-1]
    assert readings(arms, 15)["frozen-prediction"] == frozen["median"][2][-1] / learned["median"][2][-1]
    with pytest.raises(ValueError, match="blocks: expected one of"):
        readings(arms, 7)


def test_tiny_coefficients_are_left_out() -> None:
    assert list(largest({"u": 1e-5, "u_x": -0.5, "v": 0.1})) == ["u_x", "v"]
