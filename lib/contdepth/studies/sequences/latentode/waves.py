"""Waves of one frequency each at irregular times, and the best guess that anyone can make of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth.recurrent import Series

__all__ = ["HIGH", "HORIZON", "LOW", "NOISE", "Waves", "Window", "best", "draw", "rows_of", "seen"]

LOW, HIGH = 0.3, 0.6
"""Frequencies are uniform between these."""
HORIZON, NOISE = 5.0, 0.1
"""Length of the window, and the standard deviation of what is measured."""


@dataclass(frozen=True)
class Window:
    """``n`` series of ``T`` rows: their ``times`` and what was measured, ``values``, both ``(n, T)``."""

    times: Tensor
    values: Tensor


@dataclass(frozen=True)
class Waves:
    """sin(2π f t + φ) for ``n`` frequencies and phases ``(n, 1)``."""

    f: Tensor
    phase: Tensor

    def at(self, times: Tensor) -> Tensor:
        """Return the waves at ``times`` ``(n, T)``, without noise."""
        return torch.sin(2 * math.pi * self.f * times + self.phase)

    def measured(self, rows: int, source: torch.Generator) -> Window:
        """Return noisy values at ``rows`` random times in the window."""
        times = (HORIZON * torch.rand(len(self.f), rows, generator=source)).sort(1).values
        return Window(times, self.at(times) + NOISE * torch.randn(times.shape, generator=source))


def draw(n: int, source: torch.Generator) -> Waves:
    """Return ``n`` waves, f and φ uniform."""
    f = LOW + (HIGH - LOW) * torch.rand(n, 1, generator=source)
    return Waves(f, 2 * math.pi * torch.rand(n, 1, generator=source))


def rows_of(window: Window, which: Tensor | None = None) -> Series:
    """Return the measured rows ``which`` ``(n, k)`` as a series, None: all."""
    times, values = window.times, window.values
    if which is not None:
        times, values = times.gather(1, which), values.gather(1, which)
    return Series(values[..., None], times, torch.ones_like(times, dtype=torch.bool))


def seen(n: int, rows: int, k: int, source: torch.Generator) -> Tensor:
    """Return ``k`` places of ``rows`` in each of ``n`` series, drawn at random, in order ``(n, k)``."""
    return torch.rand(n, rows, generator=source).argsort(1)[:, :k].sort(1).values


def best(series: Series, times: Tensor, frequencies: int = 241, phases: int = 160) -> Tensor:
    """Return E[x(t) | what is measured] ``(n, T)`` at ``times``: no guess has a smaller mean square error.

    The law of (f, φ) given the rows is summed on a grid, which is fine where the law is a few points wide. Of a
    phase only four sums over the rows are needed, by sin(a + φ) = sin a cos φ + cos a sin φ and the same of
    twice the angle.
    """
    rate = 2 * math.pi * torch.linspace(LOW, HIGH, frequencies, dtype=torch.float64)[:, None]
    phase = 2 * math.pi * torch.arange(phases, dtype=torch.float64) / phases
    angle = rate * series.times.double()[:, None]
    y = series.values[..., 0].double()[:, None]
    cosine, sine = (y * angle.cos()).sum(-1, keepdim=True), (y * angle.sin()).sum(-1, keepdim=True)
    twice, twice_sine = (2 * angle).cos().sum(-1, keepdim=True), (2 * angle).sin().sum(-1, keepdim=True)
    fit = cosine * phase.sin() + sine * phase.cos()
    size = 0.5 * (series.times.shape[1] - twice * (2 * phase).cos() + twice_sine * (2 * phase).sin())
    law = ((fit - 0.5 * size) / NOISE**2).flatten(1).softmax(1).unflatten(1, (frequencies, phases))
    wanted = rate * times.double()[:, None]
    parts = (law * phase.sin()).sum(-1, keepdim=True), (law * phase.cos()).sum(-1, keepdim=True)
    return (parts[0] * wanted.cos() + parts[1] * wanted.sin()).sum(1).to(times.dtype)
