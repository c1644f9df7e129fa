"""Pieces with trained, sorted times: matched, resumed to the bits, probed, and never recorded on a device."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from device.fake import fake_device
from device.tape import recording_device
from piece_checks import matched, stopped_on_the_way
from tiny_pieces import IMAGES, TINY

from contdepth.meanfield import ordered_pair
from contdepth.studies.common.image_training import standard_images
from contdepth.studies.meanfield.conv_probes import probe_run
from contdepth.studies.meanfield.pieces import ordered_arm
from contdepth.training import recipe


def test_a_piece_goes_on_after_an_epoch(tmp_path: Path) -> None:
    saver = "contdepth.training.loop.save_checkpoint"
    assert stopped_on_the_way(ordered_arm, saver, tmp_path, {"arm": "ordered", "seed": 3}) == IMAGES["epochs"]


def test_arms_are_matched_and_probed() -> None:
    fixed, ordered = matched(ordered_arm, ("plain", "ordered"))
    grid = [0.5, 1.0, 1.0, 1.0]
    assert fixed["times"].tolist() == grid and fixed["reorders"] == fixed["inversions"] == 0
    assert ordered["times"].tolist() != grid and ordered["train_loss"] != fixed["train_loss"]
    for one in (fixed, ordered):
        assert one["intact"][0] == one["test_error"] and len(one["swap"]) == 1 and len(one["drop"]) == 4
        assert one["swap_rise"] == pytest.approx(one["swap"].mean() - one["test_error"])
        assert one["swap_less_drop"] == pytest.approx(one["swap"].mean() - one["drop"].mean())


def test_pieces_are_the_runs_of_a_comparison_and_its_probes(tmp_path: Path) -> None:
    pair = partial(ordered_pair, 14, width=2, in_channels=1)
    images, chosen = standard_images("digits", 200, 60), recipe("one_cycle_30", epochs=2, test_every=2)
    theirs = probe_run(pair, "ordered", *images, chosen, 5, checkpoints=tmp_path, permutations=2)
    ours = ordered_arm(**TINY[ordered_arm], arm="ordered", seed=5)
    assert all(np.array_equal(ours[name], errors) for name, errors in theirs.errors.items())
    assert ours["swap_rise"] == theirs.rise("swap") and ours["reorders"] == 100 * theirs.reorders / theirs.steps
    assert np.array_equal(ours["times"], np.concatenate(theirs.times))


def test_sorting_is_never_recorded_on_a_device() -> None:
    arguments = {**TINY[ordered_arm], "train_size": 1000, "arm": "ordered", "seed": 3}  # 8 steps an epoch
    here = ordered_arm(**arguments)
    with fake_device() as fake, recording_device() as tapes:
        there = ordered_arm(**arguments, device=str(fake.device))
        assert [len(tape.recorded) for tape in tapes] == [0]
    assert there["steps"] == here["steps"]
    assert torch.allclose(torch.tensor(there["train_loss"]), torch.tensor(here["train_loss"]), rtol=1e-4)
