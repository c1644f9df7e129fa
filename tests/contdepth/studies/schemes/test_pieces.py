"""Pieces of the comparison of LM-ResNet: matched, resumed to the bits, the k of the blocks by name."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from piece_checks import matched, stopped_on_the_way
from tiny_pieces import IMAGES

from contdepth.nets import matched_pair
from contdepth.studies.common.image_training import standard_images
from contdepth.studies.common.matched import compare
from contdepth.studies.schemes.pieces import trained_arm
from contdepth.training import recipe


def test_a_piece_goes_on_after_an_epoch(tmp_path: Path) -> None:
    saver = "contdepth.training.loop.save_checkpoint"
    assert stopped_on_the_way(trained_arm, saver, tmp_path, {"arm": "LM-ResNet", "seed": 3}) == IMAGES["epochs"]


def test_arms_are_matched_and_k_is_learned() -> None:
    plain, lm = matched(trained_arm, ("ResNet", "LM-ResNet"))
    assert "k" not in plain and plain["train_loss"] != lm["train_loss"]
    assert plain["steps"] == lm["steps"] == 4 and len(lm["train_error"]) == 2
    assert lm["last_loss"] == lm["train_loss"][-1] and 0 <= lm["test_error"] <= 100
    start_up = [name.endswith("start-up") for name in lm["blocks"]]
    assert start_up == [True, False] * 3
    assert [k == first for k, first in zip(lm["k"], lm["k_start"].tolist(), strict=True)] == start_up
    assert lm["k_second"] == lm["k_last"] == lm["k"][5]


def test_pieces_are_the_runs_of_a_comparison() -> None:
    pair = partial(matched_pair, 14, width=2, in_channels=1)
    whole = compare(pair, *standard_images("digits", 200, 60), recipe("one_cycle_30", epochs=2, test_every=2), [5])
    for arm in ("ResNet", "LM-ResNet"):
        found = trained_arm(arm=arm, seed=5, **IMAGES)
        assert found["test_error"] == whole.errors[arm][0]
        assert np.array_equal(found["train_loss"], whole.histories[arm]["train_loss"][0])
    assert np.allclose(found["k"], whole.k["LM-ResNet"][0]) and np.array_equal(
        found["k_start"], whole.k_start[arm][0]
    )


def test_an_unknown_arm_is_refused() -> None:
    with pytest.raises(ValueError, match="arm: expected one of"):
        trained_arm(arm="lm", seed=0, **IMAGES)


def test_images_are_in_units_of_the_training_set() -> None:
    train, test = standard_images("digits", 50, 20, 2)
    assert train[0].shape == (50, 1, 4, 4) and test[0].shape == (20, 1, 4, 4)
    assert abs(float(train[0].mean())) < 1e-6 and abs(float(train[0].std(correction=0)) - 1) < 1e-6
