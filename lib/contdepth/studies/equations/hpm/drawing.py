"""Pictures: coefficients of every pair, errors over the gap, intervals beside errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from contdepth.studies.common.plots import COLOURS, MARKERS, series
from contdepth.studies.equations.hpm.contest import Found

__all__ = ["clouds", "errors", "intervals"]


def clouds(axes: Sequence[Axes], arms: Mapping[str, Found], shown: Sequence[Sequence[float]]) -> None:
    """Both coefficients over their truth, a row of dots for each arm, and ``shown``, the paper's, as a cross."""
    for which, ax in enumerate(axes):
        for k, (found, cross) in enumerate(zip(arms.values(), shown, strict=True)):
            ratio = found.values[:, which] / found.truth[which]
            ax.plot(ratio, -k + np.linspace(-0.25, 0.25, len(ratio)), ".", color=COLOURS[k], markersize=5)
            ax.plot([np.median(ratio)] * 2, [-k - 0.35, -k + 0.35], color=COLOURS[k])
            ax.plot([cross[which]], [-k], "x", color=COLOURS[6], markersize=9)
        ax.axvline(1, color="#7a7a7a", linestyle="--", linewidth=1)
        ax.set_yticks([-k for k in range(len(arms))], list(arms))
        ax.set(xlabel=rf"$\lambda_{which + 1}$ over its truth", xlim=(0.5, 1.5))


def errors(ax: Axes, gaps: Sequence[float], arms: Mapping[str, Sequence[float]]) -> None:
    """Median errors over the gap in time, both on logarithmic axes."""
    for k, (name, values) in enumerate(arms.items()):
        series(ax, k, gaps, values, name)
    ax.set(xscale="log", yscale="log", xlabel=r"gap $\Delta t$", ylabel="median error, relative")
    ax.legend()


def intervals(ax: Axes, arms: Mapping[str, Found], which: int) -> None:
    """Error of coefficient ``which`` in its own deviations, sorted, for every pair; two are shaded."""
    for k, (name, found) in enumerate(arms.items()):
        z = np.sort((found.values - found.truth)[:, which] / found.deviations[:, which])
        ax.plot(z, (np.arange(len(z)) + 0.5) / len(z), MARKERS[k], color=COLOURS[k], markersize=4, label=name)
    ax.axvspan(-2, 2, color="#d9d9d9", alpha=0.6)
    ax.set(xscale="symlog", xlabel="error in its own deviations", ylabel="share of pairs")
    ax.legend()
