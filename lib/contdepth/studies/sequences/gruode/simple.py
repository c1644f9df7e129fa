"""Controls without a net: the mean, and the number seen last, with variances counted on the training series."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth.recurrent import Series
from contdepth.studies.sequences.gruode.peers import last, since
from contdepth.studies.sequences.gruode.walks import Told

__all__ = ["last_value", "mean_value"]

EDGES = (0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 1.6, 2.5)
"""Borders of the classes of gaps, in the unit of time."""


def _seen(series: Series) -> Tensor:
    """Whether a number was seen in an earlier row, ``(n, T, d)``."""
    before = series.mask.cummax(1).values
    return torch.cat([torch.zeros_like(before[:, :1]), before[:, :-1]], dim=1)


def mean_value(learnt: Series, series: Series) -> Told:
    """Predict each number by mean and variance of all such numbers of ``learnt``."""
    count = learnt.mask.sum((0, 1))
    mean = learnt.values.sum((0, 1)) / count
    spread = torch.where(learnt.mask, (learnt.values - mean).square(), 0).sum((0, 1)) / count
    return Told(mean.expand_as(series.values), spread.clamp_min(1e-8).log().expand_as(series.values))


def last_value(learnt: Series, series: Series) -> Told:
    """Predict each number by the last one seen, the mean before any, with the variance of its class of gaps.

    The variance is the mean squared error of such predictions on ``learnt``, for each number and class of gaps
    by itself; a class of fewer than five takes that of all gaps.
    """
    guess, kind = _guessed(learnt, learnt)
    told, asked = _guessed(learnt, series)
    error = (learnt.values - guess).square()
    variance = torch.empty_like(told)
    for j in range(told.shape[2]):
        mine = learnt.mask[:, :, j]
        for c in range(len(EDGES) + 2):
            who = mine & (kind[:, :, j] == c)
            there = error[:, :, j][who if int(who.sum()) >= 5 else mine]
            variance[:, :, j] = torch.where(asked[:, :, j] == c, there.mean(), variance[:, :, j])
    return Told(told, variance.clamp_min(1e-8).log())


def _guessed(learnt: Series, series: Series) -> tuple[Tensor, Tensor]:
    """Return the last numbers, means before any, and the class of the gap, 0 before any; ``(n, T, d)`` both."""
    seen = _seen(series)
    told = torch.where(seen, last(series.values, series.mask), mean_value(learnt, series).mean)
    kind = 1 + torch.bucketize(since(series.times, series.mask), torch.tensor(EDGES, dtype=told.dtype))
    return told, torch.where(seen, kind, 0)
