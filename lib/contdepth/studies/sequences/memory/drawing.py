"""Pictures: modes over memory, losses on their plateaus, times of escape over the delay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from contdepth.studies.common.plots import COLOURS, series
from contdepth.studies.sequences.memory.flow import Training

__all__ = ["escapes_over_delay", "modes_over_memory", "plateaus", "singular_values"]


def modes_over_memory(ax: Axes, memory: Sequence[float], low: Sequence[int], high: Sequence[int]) -> None:
    """How many modes are too few, how many enough, and the exponential through the first two of the latter."""
    series(ax, 0, memory, high, "enough")
    series(ax, 1, memory, low, "too few")
    grown = high[0] * (high[1] / high[0]) ** ((np.asarray(memory) - memory[0]) / (memory[1] - memory[0]))
    ax.plot(memory, grown, color="#7a7a7a", linestyle="--", linewidth=1, label="exponential")
    ax.set(xscale="log", yscale="log", xlabel=r"memory $1/\omega$", ylabel="modes for 1 %")
    ax.set_ylim(1, 4 * max(high))
    ax.set_xticks(list(memory), [f"{one:g}" for one in memory])
    ax.minorticks_off()
    ax.legend()


def singular_values(ax: Axes, found: Mapping[str, np.ndarray], most: int) -> None:
    """Singular values of Hankel's operator as shares of the kernel's area."""
    for k, (name, values) in enumerate(found.items()):
        shown = values[:most]
        series(ax, k, np.arange(1, len(shown) + 1), shown.clip(1e-18), name, markersize=3)
    ax.set(yscale="log", xlabel="number", ylabel="singular value", ylim=(1e-5, 2))
    ax.legend()


def plateaus(ax: Axes, found: Mapping[str, Training], bump: float) -> None:
    """The loss of the first seed over the time of the flow, as a share of the bump's energy."""
    for k, (name, one) in enumerate(found.items()):
        ax.plot(one.times, one.losses[:, 0] / bump, color=COLOURS[k], label=name)
    ax.axhline(1.0, color="#7a7a7a", linestyle="--", linewidth=1)
    ax.set(xscale="log", xlabel="time of the flow", ylabel="loss / plateau", ylim=(0.7, 1.5))
    ax.legend()


def escapes_over_delay(
    ax: Axes, delays: Sequence[float], found: Mapping[str, Sequence[np.ndarray]], first: int = 0
) -> None:
    """Times, or steps, until half of what the bump allows is gained: seeds as small marks, means as large ones.

    ``first`` is the number of the first colour.
    """
    for k, (name, times) in enumerate(found.items(), first):
        at, own = np.asarray(delays[: len(times)], dtype=float), np.asarray(times)
        ax.plot(np.repeat(at, own.shape[1]), own.ravel(), ".", color=COLOURS[k], markersize=4)
        series(ax, k, at, np.exp(np.log(own).mean(1)), name)
    ax.set(yscale="log", xlabel="delay of the bump", ylabel="time, or steps")
    ax.legend()
