"""Recipes, seeds, augmentation, standardisation, files."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch

from contdepth.data import shrink, standardise
from contdepth.files import write_atomically
from contdepth.seeds import derive, generator
from contdepth.training import RECIPES, Recipe, crop_flip, recipe


def test_paper_recipes_match_the_paper() -> None:
    r = RECIPES["cifar10"]
    assert (r.epochs, r.batch, r.lr, r.momentum, r.weight_decay, r.pad, r.flip) == (
        160,
        128,
        0.1,
        0.9,
        1e-4,
        4,
        True,
    )
    assert r.departures == ()
    rates = [r.rate(epoch * 391 + step, 391) for epoch, step in ((0, 0), (79, 390), (80, 0), (119, 390), (120, 0))]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001])
    assert RECIPES["cifar100"].milestones == (150, 225) and RECIPES["cifar100"].epochs == 300
    assert RECIPES["stochastic_depth"].milestones == (250, 375) and RECIPES["stochastic_depth"].epochs == 500
    assert RECIPES["cifar10_resnext"].weight_decay == 5e-4


def test_one_cycle_rises_then_falls_to_zero() -> None:
    r = Recipe("x", epochs=10, lr=0.5, schedule="one-cycle", warmup=0.3)
    rates = [r.rate(step, 10) for step in range(100)]
    assert np.argmax(rates) == 29 and max(rates) == 0.5
    assert np.allclose(np.diff(rates[:30]), 0.5 / 30) and np.allclose(np.diff(rates[29:]), -0.5 / 71)
    assert rates[-1] == pytest.approx(0.5 / 71)


def test_unknown_recipes_and_keys_list_the_valid_ones() -> None:
    with pytest.raises(ValueError, match="name: expected one of 'cifar10', .*found 'cifar'"):
        recipe("cifar")
    with pytest.raises(ValueError, match="recipe key: expected one of .*'weight_decay'.*found 'decay'"):
        recipe("digits", decay=0)
    with pytest.raises(ValueError, match="precision: expected one of 'fp32'"):
        recipe("digits", precision="half")
    assert recipe("digits", epochs=3).epochs == 3 and recipe("digits").resolved()["batch"] == 64


def test_streams_of_one_seed_differ_and_are_stable() -> None:
    purposes = ["init", "k", "order/0", "order/1", "augment/0", "noise/0"]
    assert len({derive(0, p) for p in purposes} | {derive(1, p) for p in purposes}) == 12
    assert derive(0, "init") == 3598610026517748695
    assert torch.equal(torch.rand(3, generator=generator(1, "a")), torch.rand(3, generator=generator(1, "a")))
    with pytest.raises(ValueError, match="seed: expected a number >= 0"):
        derive(-1, "init")


def test_crops_are_shifts_and_flips_are_mirrors() -> None:
    """Every output is one of the (2 pad + 1)² shifts of its image or of its mirror, and all kinds occur."""
    images = torch.arange(1.0, 1 + 400 * 2 * 4 * 5).reshape(400, 2, 4, 5)
    out = crop_flip(images, pad=1, flip=True, source=torch.Generator().manual_seed(0))
    assert out.shape == images.shape
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    kinds = set()
    for i in range(400):
        found = [
            (r, c, m)
            for r in range(3)
            for c in range(3)
            for m in (False, True)
            if torch.equal(
                out[i], (padded[i, :, r : r + 4, c : c + 5].flip(2) if m else padded[i, :, r : r + 4, c : c + 5])
            )
        ]
        assert len(found) == 1
        kinds.add(found[0])
    assert len(kinds) == 18
    assert torch.equal(crop_flip(images, pad=0, flip=False, source=torch.Generator()), images)


def test_standardise_uses_the_training_statistics() -> None:
    images = torch.randint(256, (50, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    (train, _), (test, _) = standardise((images, torch.zeros(50)), (images[:5], torch.zeros(5)))
    assert train.dtype == torch.float32
    torch.testing.assert_close(train.mean((0, 2, 3)), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(train.std((0, 2, 3), correction=0), torch.ones(3))
    assert torch.equal(test, train[:5])
    with pytest.raises(ValueError, match="train images: expected channels that vary"):
        standardise((torch.ones(4, 1, 2, 2), torch.ones(4)), (torch.ones(4, 1, 2, 2), torch.ones(4)))


def test_shrink_takes_patch_means() -> None:
    small, _ = shrink((torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4), torch.zeros(1)))
    assert small.flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    with pytest.raises(ValueError, match="divisible by 3"):
        shrink((torch.ones(1, 1, 4, 4), torch.zeros(1)), 3)


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    """A reader that has the old file open keeps it whole, and a write that fails changes nothing."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old" * 1000)

    def fail(stream: BinaryIO) -> None:
        stream.write(b"new")
        raise OSError("disk full")

    with path.open("rb") as reader:
        with pytest.raises(OSError, match="disk full"):
            write_atomically(path, fail)
        assert path.read_bytes() == b"old" * 1000
        write_atomically(path, lambda stream: stream.write(b"new"))
        assert reader.read() == b"old" * 1000 and path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
