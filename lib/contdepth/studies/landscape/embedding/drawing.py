"""Losses of wide nets beside critical values of narrow ones, and spectra over the share of a split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from contdepth.studies.common.plots import COLOURS, MARKERS, series
from contdepth.studies.landscape.embedding.plateaus import Plateau

__all__ = ["courses", "new_eigenvalues"]


def courses(ax: Axes, small: Plateau, large: Plateau, value: float, title: str) -> None:
    """Losses over steps from small and large weights, the narrow critical ``value`` as a line, slowest points."""
    for i, (label, found) in enumerate((("small start", small), ("large start", large))):
        later = found.steps > 0
        for j, curve in enumerate(found.losses.T):
            name = label if j == 0 else None
            ax.plot(found.steps[later], curve[later], color=COLOURS[i], linewidth=0.9, alpha=0.7, label=name)
            at = found.slowest[j]
            ax.plot(found.steps[at], curve[at], MARKERS[i], color=COLOURS[i], markersize=4)
    ax.axhline(value, color="black", linewidth=1, linestyle="--", label="one neuron")
    ax.set(xscale="log", yscale="log", xlabel="step", title=title)


def new_eigenvalues(ax: Axes, shares: Sequence[float], inner: np.ndarray) -> None:
    """The two eigenvalues (2,) of an inner Hessian over α(1 - α), for shares on three pieces of the line."""
    grid = np.asarray(shares)
    factor = 1 / (grid * (1 - grid))
    for i, own in enumerate(inner):
        for part, inside in enumerate((grid < 0, (grid > 0) & (grid < 1), grid > 1)):
            label = f"eigenvalue {i + 1}" if part == 0 else "_"
            series(ax, i, grid[inside], own * factor[inside], label, markevery=6)
    ax.axhline(0, color="#5a5a5a", linewidth=1)
    ax.set(xlabel="share α")
    ax.legend()
