"""Pictures: errors by arm, errors over time, one wave and one day, what the decoder computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from contdepth.recurrent.latent import LatentModel
from contdepth.studies.common.plots import COLOURS, MARKERS
from contdepth.studies.sequences.latentode.contest import guess, shown_rows
from contdepth.studies.sequences.latentode.days import hours
from contdepth.studies.sequences.latentode.waves import HORIZON, Window, rows_of

__all__ = ["day", "decoder", "over_time", "rows", "wave"]

GREY = "#7a7a7a"


def rows(ax: Axes, found: Mapping[str, np.ndarray]) -> None:
    """A row for each arm, from the top: a mark for each seed; errors of unlike sizes on a logarithmic axis."""
    for k, values in enumerate(found.values()):
        ax.plot(values, np.full(len(values), -k), MARKERS[k], color=COLOURS[k], alpha=0.8)
    ax.set_yticks([-k for k in range(len(found))], list(found))
    ax.set(xlabel="mean square error")
    ends = np.concatenate(list(found.values()))
    if ends.max() > 10 * ends.min():
        ax.set(xscale="log")
    else:
        ax.set(xlim=(0, None))


def wave(ax: Axes, models: Mapping[str, LatentModel], count: int, which: int, end: float, seed: int) -> None:
    """One test wave: truth in grey, rows shown as dots, and what each model expects; behind the window shaded."""
    waves, shown = shown_rows(which + 1, count, seed)
    grid = torch.linspace(0, end, 151).repeat(which + 1, 1)
    ax.plot(grid[0], waves.at(grid)[which], color=GREY, linewidth=3, alpha=0.5, label="truth")
    ax.plot(shown.times[which], shown.values[which, :, 0], "k.", markersize=7, label="shown")
    for k, (name, model) in enumerate(models.items()):
        ax.plot(grid[0], guess(model, shown, grid)[which], color=COLOURS[k], linestyle=("-", "--")[k], label=name)
    ax.axvspan(HORIZON, end, color="#eeeeee", zorder=0)
    ax.set(xlabel="time", ylabel="x", xlim=(0, end))


def over_time(ax: Axes, times: np.ndarray, found: Mapping[str, np.ndarray], end: float) -> None:
    """Mean square errors over time; behind the window shaded."""
    for k, (name, values) in enumerate(found.items()):
        ax.plot(times, values, color=COLOURS[k], linestyle=("-", "--", "-.", ":", (0, (1, 3)))[k], label=name)
    ax.axvspan(HORIZON, end, color="#eeeeee", zorder=0)
    ax.set(xlabel="time", ylabel="mean square error", yscale="log", xlim=(0, end))
    ax.legend(ncols=2)


def day(ax: Axes, models: Mapping[str, LatentModel], days: Tensor, shown: Tensor, which: int) -> None:
    """One day: all hours in grey, the hours shown as dots, and what each model expects."""
    window = rows_of(Window(hours(1), days[which : which + 1]), shown[which : which + 1])
    ax.plot(range(24), days[which], color=GREY, linewidth=3, alpha=0.5, label="truth")
    ax.plot(shown[which], days[which, shown[which]], "k.", markersize=7, label="shown")
    for k, (name, model) in enumerate(models.items()):
        ax.plot(
            range(24), guess(model, window, hours(1))[0], color=COLOURS[k], linestyle=("-", "--")[k], label=name
        )
    ax.set(xlabel="hour", ylabel="demand, standardised")
    ax.legend(fontsize=8)


def decoder(axes: Sequence[Axes], found: Mapping[str, np.ndarray]) -> None:
    """Evaluations of the field, and states made, over the number of distinct times of a batch."""
    for ax, ending, label in zip(axes, ("", " states"), ("evaluations for the batch", "states made"), strict=True):
        for k, way in enumerate(("own", "union")):
            name = ("own times", "union of times")[k]
            ax.plot(found["distinct"], found[way + ending], color=COLOURS[k], marker=MARKERS[k], label=name)
        ax.set(xscale="log", xlabel="distinct times of the batch", ylabel=label)
    axes[0].set(ylim=(0, None))
    axes[0].legend()
    axes[1].set(yscale="log")
