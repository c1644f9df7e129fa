"""The digits, half of them with noise: easy pictures and hard ones in one set."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth.data import pixels
from contdepth.seeds import generator

__all__ = ["Pictures", "mixed"]


@dataclass(frozen=True)
class Pictures:
    """``learn``, ``choose`` and ``judge``, pictures (n, 1, 8, 8) and labels (n,).

    ``judge`` has every test picture clean, and in the same order once more with noise.
    """

    learn: tuple[Tensor, Tensor]
    choose: tuple[Tensor, Tensor]
    judge: tuple[Tensor, Tensor]

    @property
    def clean(self) -> int:
        """Number of clean pictures to judge on: the first half."""
        return len(self.judge[1]) // 2


def mixed(spread: float, learn: int = 1348, tests: int = 449) -> Pictures:
    """Digits in [0, 1]; every second of the learning part has noise of ``spread`` on its pixels, drawn once.

    Of the first ``learn`` every fifth is held out to choose with, half of those noisy too. ``tests``: how many
    test pictures are judged on, each twice.
    """
    (x, y), (test_x, test_y) = pixels("digits", "train", learn), pixels("digits", "test", tests)
    source = generator(0, "skipnet/noise")
    noisy = torch.arange(len(x)) % 2 == 1
    x = x + spread * noisy[:, None, None, None] * torch.randn(x.shape, generator=source)
    loud = test_x + spread * torch.randn(test_x.shape, generator=source)
    held = torch.arange(len(x)) % 5 == 4
    judge = torch.cat([test_x, loud]), torch.cat([test_y, test_y])
    return Pictures((x[~held], y[~held]), (x[held], y[held]), judge)
