"""Matched comparisons: paired arms, resumed runs, worker processes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from contdepth.nets import matched_pair
from contdepth.studies.common.matched import compare
from contdepth.training import Recipe

PAIR = partial(matched_pair, 14, width=2, in_channels=1)
TINY = Recipe("tiny", epochs=2, batch=32, lr=0.05)


def labelled(count: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(0)
    return torch.randn(count, 1, 8, 8, generator=source), torch.randint(10, (count,), generator=source)


def test_compare_is_paired_and_resumes(tmp_path: Path) -> None:
    out = compare(PAIR, labelled(), labelled(32), TINY, [0, 1], checkpoints=tmp_path)
    assert out.errors["LM-ResNet"].shape == (2,) and out.histories["ResNet"]["train_loss"].shape == (2, 2)
    assert out.k["LM-ResNet"].shape == (2, 6) and list(out.k) == ["LM-ResNet"]
    starts = [0, 2, 4]
    assert np.array_equal(out.k["LM-ResNet"][:, starts], out.k_start["LM-ResNet"][:, starts])
    assert not np.array_equal(out.k["LM-ResNet"], out.k_start["LM-ResNet"])
    assert np.array_equal(out.gap("LM-ResNet", "ResNet"), out.errors["LM-ResNet"] - out.errors["ResNet"])
    assert len(list(tmp_path.iterdir())) == 4
    again = compare(
        PAIR,
        labelled(),
        labelled(32),
        TINY,
        [0, 1],
        checkpoints=tmp_path,
        on_step=lambda *a: pytest.fail("trained again"),
    )
    assert np.array_equal(again.k["LM-ResNet"], out.k["LM-ResNet"])
    assert np.array_equal(again.k_start["LM-ResNet"], out.k_start["LM-ResNet"])


def test_worker_processes_give_the_same_bits() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        here = compare(PAIR, labelled(), labelled(32), TINY, [0])
        there = compare(PAIR, labelled(), labelled(32), TINY, [0], workers=2)
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(here.k["LM-ResNet"], there.k["LM-ResNet"])
    for arm in here.histories:
        assert all(np.array_equal(here.histories[arm][c], there.histories[arm][c]) for c in here.histories[arm])


def test_compare_refuses_a_seed_given_twice() -> None:
    with pytest.raises(ValueError, match="seeds: expected at least one seed, none twice"):
        compare(PAIR, labelled(), labelled(32), TINY, [0, 0])


def test_compare_checks_the_data_before_it_starts() -> None:
    images, labels = labelled()
    for workers in (1, 2):
        with pytest.raises(TypeError, match=r"test labels: expected integers, found dtype torch\.float32"):
            compare(PAIR, labelled(), (images, labels.float()), TINY, [0], workers=workers)
        with pytest.raises(TypeError, match=r"train images: expected a torch\.Tensor, found ndarray"):
            compare(PAIR, (images.numpy(), labels), labelled(), TINY, [0], workers=workers)
