"""Errors of the modes over steps, and parts of the labels over epochs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from contdepth.studies.common.plots import COLOURS, MARKERS

__all__ = ["mode_curves", "order_shares", "parts_of_labels"]


def mode_curves(ax: Axes, steps: np.ndarray, errors: np.ndarray, modes: Sequence[int], title: str) -> None:
    """Errors (T, 3) or (T, S, 3) of the modes on logarithmic axes; a thick line is the median over seeds."""
    many = errors[:, None] if errors.ndim == 2 else errors
    later = steps > 0
    places = np.unique(np.geomspace(1, later.sum(), 12).astype(int) - 1)
    for i, k in enumerate(modes):
        middle = np.median(many[later, :, i], axis=1)
        ax.plot(steps[later], many[later, :, i], color=COLOURS[i], linewidth=0.5, alpha=0.35)
        line = ax.plot(steps[later], middle, color=COLOURS[i], label=f"k = {k}")[0]
        line.set(marker=MARKERS[i], markevery=list(places))
    ax.axhline(0.1, color="#5a5a5a", linewidth=1, linestyle="--")
    ax.set(xscale="log", yscale="log", title=title)
    ax.set_ylim(bottom=1e-3)


def parts_of_labels(ax: Axes, low: np.ndarray, high: np.ndarray, title: str) -> None:
    """e_low and e_high (T, S) over epochs."""
    epochs = np.arange(1, 1 + len(low))
    for i, (label, errors) in enumerate((("low", low), ("high", high))):
        ax.plot(epochs, errors, color=COLOURS[i], linewidth=0.5, alpha=0.4)
        line = ax.plot(epochs, np.median(errors, axis=1), color=COLOURS[i], label=label)[0]
        line.set(marker=MARKERS[i], markevery=5)
    ax.axhline(0.5, color="#5a5a5a", linewidth=1, linestyle="--")
    ax.set(xlabel="epoch", title=title)
    ax.set_ylim(bottom=0)


def order_shares(ax: Axes, rates: np.ndarray, first: np.ndarray, index: int, label: str) -> None:
    """Steps until a mode is there over its rate at the start, a dot a mode and seed, if it ever is."""
    seen = np.isfinite(first) & (first > 0)
    ax.plot(rates[seen], first[seen], MARKERS[index], color=COLOURS[index], alpha=0.6, label=label)
    ax.set(xscale="log", yscale="log")
