"""Spoken vowels of which most numbers are hidden, and digits in their place where no data set is wanted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from contdepth.data import digits as pictures
from contdepth.data import series as real_series
from contdepth.recurrent import Series, padded
from contdepth.seeds import generator

__all__ = ["FRAME", "hidden", "standard", "vowels"]

FRAME = 0.5
"""The time between two frames of a vowel, in the filter's unit."""


def vowels(split: str, *, digits: bool = False) -> list[Tensor]:
    """Return the utterances of Japanese vowels ``(T, 12)``, shuffled; or digits by rows, ``(8, 8)``."""
    if digits:
        return list(pictures(split, 40 if split == "train" else 20).images[:, 0].float().unbind(0))
    found = [torch.from_numpy(one).float() for one in real_series("japanese_vowels", split).values]
    return [found[k] for k in torch.randperm(len(found), generator=generator(0, f"vowels/{split}")).tolist()]


def hidden(values: Sequence[Tensor], share: float, seed: int, purpose: str) -> Series:
    """Return the series with each number kept by itself with probability 1 - ``share``, a frame each ``FRAME``."""
    source = generator(seed, f"vowels/{purpose}")
    kept = [torch.where(torch.rand(one.shape, generator=source) < share, torch.nan, one) for one in values]
    return padded(kept, [FRAME * torch.arange(len(one), dtype=one.dtype) for one in kept])


def standard(learnt: Series, *others: Series) -> list[Series]:
    """Return all with each of the d numbers at mean 0 and variance 1 over what ``learnt`` shows of it."""
    count = learnt.mask.sum((0, 1)).clamp_min(2)
    mean = learnt.values.sum((0, 1)) / count
    spread = (torch.where(learnt.mask, (learnt.values - mean).square(), 0).sum((0, 1)) / count).sqrt()
    spread = torch.where(spread > 1e-6, spread, 1)
    return [Series((one.values - mean) / spread, one.times, one.mask) for one in (learnt, *others)]
