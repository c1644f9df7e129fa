"""Pictures of differential dynamic programming: objectives over iterations, losses over rates, rows of dots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from contdepth.control import SolvedDDP
from contdepth.studies.common.plots import COLOURS, MARKERS, series
from contdepth.studies.control.ddp.digits import CURVATURES, GRIDS, Arm, Kind

__all__ = ["USUAL", "objectives", "over_rates", "rows"]

USUAL = {"identity": "SGD", "diagonal": "RMSprop", "kronecker": "K-FAC", "Adam": "Adam"}


def objectives(ax: Axes, found: Mapping[str, Sequence[SolvedDDP]]) -> None:
    """Geometric mean over seeds of J against the iteration, the band from least to greatest."""
    for k, (way, solved) in enumerate(found.items()):
        logs = np.log10(np.array([one.costs.numpy() for one in solved]))
        steps = np.arange(logs.shape[1])
        ax.fill_between(steps, 10 ** logs.min(0), 10 ** logs.max(0), color=COLOURS[k], alpha=0.12, linewidth=0)
        series(ax, k, steps, 10 ** logs.mean(0), way, markevery=5)
    ax.set(yscale="log", xlabel="iteration", ylabel="objective J")
    ax.legend()


def over_rates(axes: Sequence[Axes], arms: Mapping[Kind, Arm]) -> None:
    """Mean training loss over seeds against the rate, a curvature in each axes, with and without feedback."""
    for ax, curvature in zip(axes, CURVATURES, strict=True):
        for k, feedback in enumerate((False, True)):
            loss = arms[curvature, feedback].loss.mean(1)
            series(ax, k, GRIDS[curvature], loss, "with feedback" if feedback else "without")
        ax.set(xscale="log", yscale="log", xlabel="rate η", title=f"{curvature} ({USUAL[curvature]})")
    axes[0].set_ylabel("training loss")
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)


def rows(ax: Axes, accuracies: Mapping[str, np.ndarray]) -> None:
    """Accuracy of every seed as a dot, the mean as a stroke; the first arm on top."""
    for k, right in enumerate(accuracies.values()):
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        ax.plot(right, np.full(len(right), -k), marker, color=colour)
        ax.plot([right.mean()] * 2, [-k - 0.3, -k + 0.3], color="black", linewidth=1.2)
    ax.set_yticks([-k for k in range(len(accuracies))], list(accuracies))
    ax.set_xlabel("accuracy on test images, %")
