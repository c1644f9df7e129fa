"""Pictures: steps and walkers over the size of the quantum, and the drift of a flat direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from contdepth.studies.common.plots import COLOURS, series
from contdepth.studies.control.quantised.watching import Seen
from contdepth.studies.control.quantised.wells import rounded_variance

__all__ = ["drift", "over_quanta"]


def over_quanta(
    axes: Sequence[Axes], quanta: Sequence[float], shares: np.ndarray, lines: Mapping[str, float]
) -> None:
    """Variance of a rounded Gaussian step; shares that leave the shallow well (quanta,), and ``lines`` beside."""
    fine = np.geomspace(min(quanta), max(quanta), 200)
    left, right = axes
    left.plot(fine, rounded_variance(fine)[1], color=COLOURS[0], label="rounded to the nearest")
    left.plot(fine, 1 + fine**2 / 12, color=COLOURS[1], linestyle="--", label=r"$1+\Delta^2/12$, white noise")
    left.set(ylim=(0, 4), ylabel="variance of a step", xlabel="quantum / standard deviation of a step")
    series(right, 0, quanta, shares, "rounded to the nearest")
    for k, (name, share) in enumerate(lines.items()):
        right.axhline(share, color=COLOURS[k + 1], linestyle=("--", ":", "-.")[k], label=name)
    right.set(ylim=(-0.03, 1.03), ylabel="share that leaves", xlabel="quantum / standard deviation of a step")
    for ax in axes:
        ax.set_xscale("log", base=2)
        ax.legend()


def drift(ax: Axes, seen: Seen) -> None:
    """How far the mean of the last biases moves: a line for each seed, dashed what half a quantum a step gives."""
    epochs = np.arange(len(seen.halves))
    lines = ax.plot(epochs, 1e3 * seen.path, color=COLOURS[0], linewidth=0.9)
    lines[0].set_label("rounded down, a line for each seed")
    ax.plot(epochs, -1e3 * seen.halves, color="black", linestyle="--", label="half a quantum a step")
    ax.set(xlabel="epoch", ylabel="moved, thousandths")
    ax.legend()
