"""Discrete filters for the same series: a gated unit that is told the gaps, and one whose state decays (GRU-D)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from contdepth.recurrent import Series
from contdepth.recurrent.layers import GatedCell
from contdepth.recurrent.sequence import uniform, zeros
from contdepth.studies.sequences.gruode.walks import Told

__all__ = ["DecayGRU", "GapGRU", "since"]


def since(times: Tensor, seen: Tensor) -> Tensor:
    """Return the time at each row since what was ``seen`` before it, ``(n, T, m)``; since the start, if nothing.

    Args:
        times: ``(n, T)``.
        seen: bool ``(n, T, m)``.
    """
    stamped = torch.where(seen, times[..., None], times[:, :1, None])
    before = torch.cat([times[:, :1, None].expand_as(stamped[:, :1]), stamped[:, :-1]], dim=1).cummax(1).values
    return times[..., None] - before


def last(values: Tensor, seen: Tensor) -> Tensor:
    """Return at each row the number that was ``seen`` last before it, ``(n, T, d)``; 0 if none was."""
    rows = torch.arange(1, values.shape[1] + 1)[:, None]
    index = torch.where(seen, rows, 0).cummax(1).values
    padded = torch.cat([torch.zeros_like(values[:, :1]), values], dim=1)
    return torch.cat([torch.zeros_like(values[:, :1]), padded.gather(1, index)[:, :-1]], dim=1)


class _Filter(nn.Module):
    """A gated unit along rows; a subclass says what it sees and what a prediction sees."""

    def __init__(self, told: int, asked: int, inputs: int, hidden: int, width: int, generator: torch.Generator):
        super().__init__()
        first, second = 1 / math.sqrt(hidden), 1 / math.sqrt(width)
        self.cell = GatedCell(told, hidden, generator=generator)
        self.first = uniform(generator, first, width, hidden + asked)
        self.second = uniform(generator, second, 2 * inputs, width)
        self.first_bias, self.second_bias = zeros(generator, width), zeros(generator, 2 * inputs)

    def _states(self, series: Series, told: Tensor, decay: Tensor | None) -> Tensor:
        """Return the states before each row, ``(n, T, hidden)``, after their decay."""
        h, found = self.cell.start(len(told)), []
        for row, seen in enumerate(series.seen[..., None].unbind(1)):
            kept = h if decay is None else decay[:, row] * h
            found.append(kept)
            h = torch.where(seen, self.cell(told[:, row], kept), h)
        return torch.stack(found, 1)

    def _told(self, states: Tensor, asked: Tensor) -> Told:
        inner = torch.tanh(torch.cat([states, asked], dim=-1) @ self.first.T + self.first_bias)
        return Told(*(inner @ self.second.T + self.second_bias).chunk(2, dim=-1))


class GapGRU(_Filter):
    """Told values, mask and the gap before the row; a prediction sees the state and the gap that it spans."""

    def __init__(self, inputs: int, hidden: int, width: int, generator: torch.Generator) -> None:
        super().__init__(2 * inputs + 1, 1, inputs, hidden, width, generator)

    def forward(self, series: Series) -> Told:
        """Return what is predicted for each row."""
        gap = since(series.times, series.seen[..., None])
        told = torch.cat([series.values, series.mask.to(gap.dtype), gap], dim=-1)
        return self._told(self._states(series, told, None), gap)


class DecayGRU(_Filter):
    """GRU-D (Che et al., Scientific Reports 2018) as a filter: state and last values decay over gaps.

    A missing number is replaced by the last one seen, which decays to the mean 0; a prediction sees the decayed
    state and these numbers.
    """

    def __init__(self, inputs: int, hidden: int, width: int, generator: torch.Generator) -> None:
        super().__init__(2 * inputs, inputs, inputs, hidden, width, generator)
        self.fade = uniform(generator, 1 / math.sqrt(inputs), hidden, inputs)
        self.fade_bias = zeros(generator, hidden)
        self.rate, self.rate_bias = nn.Parameter(0.1 * torch.ones(inputs)), zeros(generator, inputs)

    def forward(self, series: Series) -> Told:
        """Return what is predicted for each row."""
        gaps = since(series.times, series.mask)
        kept = torch.exp(-torch.relu(gaps * self.rate + self.rate_bias)) * last(series.values, series.mask)
        told = torch.cat([torch.where(series.mask, series.values, kept), series.mask.to(gaps.dtype)], dim=-1)
        decay = torch.exp(-torch.relu(gaps @ self.fade.T + self.fade_bias))
        return self._told(self._states(series, told, decay), kept)
