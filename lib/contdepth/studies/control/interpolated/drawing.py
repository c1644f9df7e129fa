"""Pictures of the contest: differences from the ResNet seed by seed, and accuracy over the damping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from contdepth.studies.common.plots import COLOURS, MARKERS, series
from contdepth.studies.control.interpolated.contest import Arm, difference

__all__ = ["LABELS", "ahead_of_resnet", "over_damping"]

LABELS = {"In": "In-ResNet", "lambda-In": "λ-In-ResNet", "fixed": "In-ResNet, λ = 0.25"}


def ahead_of_resnet(ax: Axes, arms: Mapping[str, Arm], rows: Sequence[str]) -> None:
    """Points ahead of the ResNet of the same seed, a dot a seed, the mean as a stroke; rows from the left."""
    for k, arm in enumerate(LABELS):
        for place, row in enumerate(rows):
            points, at = difference(arms, arm, "ResNet", row), place + 0.25 * (k - 1)
            label = LABELS[arm] if place == 0 else None
            colour = COLOURS[k]
            ax.plot(np.full(len(points), at), points, MARKERS[k], color=colour, alpha=0.7, label=label)
            ax.plot([at - 0.1, at + 0.1], [points.mean()] * 2, color="black", linewidth=1.6)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xticks(range(len(rows)), list(rows))
    ax.set_ylabel("points ahead of ResNet")
    ax.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.18))


def over_damping(ax: Axes, rates: Sequence[float], right: np.ndarray) -> None:
    """Clean accuracy (rates, seeds) against λ: every seed as a point, means joined."""
    for one in right.T:
        ax.plot(rates, one, ".", color="#888888")
    series(ax, 0, rates, right.mean(1), "mean")
    ax.set(xlabel="damping λ", ylabel="accuracy on test images, %", ylim=(0, 102))
