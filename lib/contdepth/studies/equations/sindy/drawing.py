"""Pictures: shares of right supports over noise and threshold, errors of forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from contdepth.studies.common.plots import COLOURS, MARKERS, series

__all__ = ["errors", "shares", "windows"]


def shares(
    ax: Axes, noises: Sequence[Sequence[float]], arms: Mapping[str, Sequence[float]], factors: Sequence[float]
) -> None:
    """Share of right supports of each arm over its noises times its factor, that is noise of the rates."""
    for k, ((name, values), sizes, factor) in enumerate(zip(arms.items(), noises, factors, strict=True)):
        series(ax, k, factor * np.asarray(sizes), values, name)
    ax.set(xscale="log", ylim=(-0.05, 1.05), ylabel="share with the true terms")
    ax.legend()


def windows(ax: Axes, thresholds: np.ndarray, right: Mapping[str, np.ndarray], marks: Sequence[float]) -> None:
    """For each system a bar where every draw has the true terms, and a cross at the threshold ``marks``."""
    for k, (good, mark) in enumerate(zip(right.values(), marks, strict=True)):
        ax.plot(thresholds[good], np.full(good.sum(), -k), "s", color=COLOURS[0], markersize=5)
        ax.plot([mark], [-k], "x", color=COLOURS[1], markersize=8)
    ax.set_yticks([-k for k in range(len(right))], list(right))
    ax.set(xscale="log", xlabel="threshold", xlim=(thresholds[0] / 1.3, thresholds[-1] * 1.3))


def errors(ax: Axes, years: Sequence[int], arms: Mapping[str, Sequence[float]]) -> None:
    """Error of each way to foretell over the years ahead."""
    for k, (name, values) in enumerate(arms.items()):
        ax.plot(years, values, color=COLOURS[k], marker=MARKERS[k], label=name)
    ax.set(xlabel="years ahead", ylabel="error in deviations", ylim=(0, None))
    ax.set_xticks(list(years))
    ax.legend()
