"""Pictures: functions and their answers, errors and gaps over grids, arms in rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from torch import Tensor

from contdepth.studies.common.plots import COLOURS, MARKERS

__all__ = ["answers", "in_rows", "over_grids"]

GREY = "#7a7a7a"
DASHES = ("--", ":", "-.")


def answers(ax: Axes, curves: Mapping[str, Tensor]) -> None:
    """One function a curve, each (points,) on its own grid; the first is grey and dashed."""
    for k, (name, values) in enumerate(curves.items()):
        x, y = np.arange(len(values)) / len(values), values.numpy()
        style = {"color": GREY, "linestyle": "--"} if k == 0 else {"color": COLOURS[k - 1]}
        ax.plot(x, y, linewidth=1.6 if k < 2 else 1.2, label=name, **style)  # type: ignore[arg-type]
    ax.set(xlabel="$x$")
    ax.legend()


def over_grids(
    ax: Axes, grids: Sequence[int], arms: Mapping[str, np.ndarray], lines: Mapping[str, float] | None = None
) -> None:
    """Values (seeds, grids) of each arm as dots, means as lines, both axes logarithmic; ``lines`` have no grid."""
    for k, (name, values) in enumerate(arms.items()):
        ax.loglog(grids, values.mean(0), color=COLOURS[k], marker=MARKERS[k], label=name)
        for value in values:
            ax.loglog(grids, value, MARKERS[k], color=COLOURS[k], alpha=0.45, markersize=3)
    for k, (name, height) in enumerate((lines or {}).items()):
        ax.axhline(height, color=GREY, linestyle=DASHES[k], linewidth=1.3, label=name)
    ax.set_xticks(grids, [str(g) for g in grids])
    ax.set_xticks([], minor=True)
    ax.set(xlabel="points")
    ax.legend()


def in_rows(ax: Axes, rows: Mapping[str, np.ndarray], lines: Mapping[str, float] | None = None) -> None:
    """Values of each row as dots on a logarithmic axis, the mean as a large mark; ``lines`` as upright lines."""
    for k, values in enumerate(rows.values()):
        ax.semilogx(values, np.full(len(values), -k), MARKERS[k], color=COLOURS[k], alpha=0.5, markersize=4)
        ax.semilogx([np.mean(values)], [-k], MARKERS[k], color=COLOURS[k], markersize=8)
    for k, (name, place) in enumerate((lines or {}).items()):
        ax.axvline(place, color=GREY, linestyle=DASHES[k], linewidth=1.3, label=name)
    ax.set_yticks([-k for k in range(len(rows))], list(rows))
    ax.xaxis.set_major_locator(FixedLocator([one * 10.0**power for power in range(-6, 3) for one in (1, 2, 5)]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    if lines:
        ax.legend(loc="best")
