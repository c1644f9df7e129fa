"""Discrete filters for the same series: a gated unit that is told the gaps, and one whose state decays (GRU-D)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from contdepth.recurrent import Series
from contdepth.studies.sequences.gruode.walks import Told

__all__ = ["DecayGRU", "GapGRU", "since"]


def since(times: Tensor, seen: Tensor) -> Tensor:
    """Return the time at each row since what was ``seen`` before it, ``(n, T, m)``; since the start, if nothing.

    Args:
        times: ``(n, T)``.
        seen: bool ``(n, T, m)``.
    """
    stamped = torch.where(seen, times[..., None], times[:, :1, None])
    before = torch.cat([stamped[:, :1] * 0 + times[:, :1, None], stamped[:, :-1]], dim=1).cummax(1).values
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
        self.hidden = hidden

        def drawn(rows: int, columns: int, fan: int) -> nn.Parameter:
            return nn.Parameter((2 * torch.rand(rows, columns, generator=generator) - 1) / math.sqrt(fan))

        self.w, self.u = drawn(3 * hidden, told, hidden), drawn(3 * hidden, hidden, hidden)
        self.b = nn.Parameter(torch.zeros(3 * hidden))
        self.first, self.second = drawn(width, hidden + asked, hidden), drawn(2 * inputs, width, width)
        self.first_bias, self.second_bias = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(2 * inputs))

    def _states(self, series: Series, told: Tensor, decay: Tensor | None) -> Tensor:
        """Return the states before each row, ``(n, T, hidden)``, after their decay."""
        h, found, k = told.new_zeros(len(told), self.hidden), [], self.hidden
        driven = (told @ self.w.T + self.b).unbind(1)
        seen = series.seen[..., None].unbind(1)
        for row in range(len(driven)):
            kept = h if decay is None else decay[:, row] * h
            found.append(kept)
            turned = kept @ self.u[: 2 * k].T
            r, z = torch.sigmoid(driven[row][:, : 2 * k] + turned).chunk(2, dim=-1)
            g = torch.tanh(driven[row][:, 2 * k :] + (r * kept) @ self.u[2 * k :].T)
            h = torch.where(seen[row], z * kept + (1 - z) * g, h)
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
        bound = 1 / math.sqrt(inputs)
        self.fade = nn.Parameter(bound * (2 * torch.rand(hidden, inputs, generator=generator) - 1))
        self.fade_bias = nn.Parameter(torch.zeros(hidden))
        self.rate, self.rate_bias = nn.Parameter(0.1 * torch.ones(inputs)), nn.Parameter(torch.zeros(inputs))

    def forward(self, series: Series) -> Told:
        """Return what is predicted for each row."""
        gaps = since(series.times, series.mask)
        kept = torch.exp(-torch.relu(gaps * self.rate + self.rate_bias)) * last(series.values, series.mask)
        told = torch.cat([torch.where(series.mask, series.values, kept), series.mask.to(gaps.dtype)], dim=-1)
        decay = torch.exp(-torch.relu(gaps @ self.fade.T + self.fade_bias))
        return self._told(self._states(series, told, decay), kept)
