"""One figure style for every page: colour-blind safe, readable at phone width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from contdepth import checks

__all__ = ["COLOURS", "MARKERS", "convergence", "new_figure", "region", "series"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The palette of Okabe and Ito, dark to light enough on white; index it by series."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""One marker a series, so that colour is never the only difference."""

_STYLE: dict[Any, Any] = {
    "figure.dpi": 144,
    "savefig.dpi": 144,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#d9d9d9",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "axes.prop_cycle": plt.cycler(color=COLOURS),
}


def new_figure(columns: int = 1, *, height: float = 3.4, **subplots: Any) -> tuple[Figure, np.ndarray | Axes]:
    """Return a figure 7.2 inches wide with ``columns`` axes in the book's style; one axes object for one column.

    The style is set for the session, because legends and labels drawn later take theirs from it too.

    Raises:
        TypeError, ValueError: ``columns`` or ``height`` is not a positive number.
    """
    checks.integer("columns", columns, at_least=1)
    checks.real("height", height, above=0)
    plt.rcParams.update(_STYLE)
    return plt.subplots(1, columns, figsize=(7.2, height), **subplots)


def series(ax: Axes, index: int, x: object, y: object, label: str, **style: Any) -> None:
    """Draw the curve number ``index`` of a figure: ``x``, ``y`` of shape ``(n,)``, colour and marker by index."""
    options = {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)], "label": label}
    ax.plot(np.asarray(x, dtype=float), np.asarray(y, dtype=float), **(options | style))


def convergence(
    ax: Axes, h: object, errors: Mapping[str, object], *, guides: Sequence[float] = (), ylabel: str = "error"
) -> None:
    """Draw errors against step sizes on logarithmic axes, with dashed guide lines of the given slopes.

    Args:
        ax: axes to draw in.
        h: step sizes ``(n,)``, positive.
        errors: label → errors ``(n,)``, positive.
        guides: slopes of guide lines, drawn through the geometric middle of the errors.
        ylabel: label of the vertical axis.

    Raises:
        ValueError: a step or an error is not positive, or a series has another length than ``h``.
    """
    h = np.asarray(h, dtype=float)
    for index, (label, values) in enumerate(errors.items()):
        values = np.asarray(values, dtype=float)
        if values.shape != h.shape or not (values > 0).all() or not (h > 0).all():
            checks.fail(f"errors[{label!r}]", f"{h.size} positive numbers, one per step size", values)
        series(ax, index, h, values, label)
    middle = np.exp(np.mean([np.log(np.asarray(e, dtype=float)).mean() for e in errors.values()]))
    centre = np.exp(np.log(h).mean())
    for slope in guides:
        ax.plot(h, middle * (h / centre) ** slope, color="#7a7a7a", linestyle="--", linewidth=1, zorder=0)
        ax.annotate(
            f"slope {slope:g}",
            (h.max(), middle * (h.max() / centre) ** slope),
            color="#5a5a5a",
            fontsize=8.5,
            textcoords="offset points",
            xytext=(3, 0),
            va="center",
        )
    ax.set(xscale="log", yscale="log", xlabel="step size $h$", ylabel=ylabel)
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.legend()


def region(ax: Axes, index: int, x: object, y: object, modulus: object, label: str) -> None:
    """Draw the border ``modulus = 1`` of a stability region over the grid ``x`` × ``y``.

    Args:
        ax: axes to draw in.
        index: number of the curve, which sets its colour and line style.
        x: real parts of h λ, ``(n,)``.
        y: imaginary parts, ``(m,)``.
        modulus: largest root modulus, ``(m, n)``.
        label: legend entry.
    """
    colour = COLOURS[index % len(COLOURS)]
    line = ("solid", "dashed", "dashdot", "dotted")[index % 4]
    ax.contour(
        np.asarray(x),
        np.asarray(y),
        np.asarray(modulus),
        levels=[1.0],
        colors=[colour],
        linestyles=[line],
        linewidths=1.8,
    )
    ax.plot([], [], color=colour, linestyle=line, label=label)
