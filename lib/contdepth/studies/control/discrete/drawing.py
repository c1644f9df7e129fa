"""Pictures of the contest: a row of dots for each arm, and accuracy and sparsity over the penalty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from contdepth.studies.common.plots import COLOURS, MARKERS, series
from contdepth.studies.control.discrete.contest import Arm

__all__ = ["over_sparsity", "rows_of_dots"]


def rows_of_dots(ax: Axes, arms: Mapping[str, Arm]) -> None:
    """Accuracy of every seed as a dot, the mean as a stroke; the first arm on top."""
    for k, name in enumerate(arms):
        right, row = arms[name].accuracy, -k
        ax.plot(right, np.full(len(right), row), MARKERS[k % len(MARKERS)], color=COLOURS[k % len(COLOURS)])
        ax.plot([right.mean()] * 2, [row - 0.3, row + 0.3], color="black", linewidth=1.2)
    ax.set_yticks([-k for k in range(len(arms))], list(arms))
    ax.set_xlabel("accuracy on test images, %")


def over_sparsity(axes: Sequence[Axes], levels: Sequence[float], found: Mapping[str, Sequence[Arm]]) -> None:
    """Means over seeds against λ: accuracy in the first axes, the share of non-zero weights in the second."""
    for k, (way, arms) in enumerate(found.items()):
        series(axes[0], k, levels, [one.accuracy.mean() for one in arms], way)
        series(axes[1], k, levels, [one.non_zero.mean() for one in arms], way)
    for ax, label in zip(axes, ("accuracy on test images, %", "non-zero weights, %"), strict=True):
        ax.set(xscale="log", xlabel="penalty λ", ylabel=label, ylim=(-3, 103))
    axes[0].legend()
