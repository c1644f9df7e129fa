"""Pictures: accuracy over the inner steps, gradients along rows, what is left of the way to rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from contdepth.studies.common.plots import COLOURS, MARKERS

__all__ = ["along_rows", "over_inner", "way_left"]

GREY = "#5a5a5a"
RIVALS = {"RNN": "--", "LSTM": ":"}


def over_inner(ax: Axes, found: Mapping[str, np.ndarray], chance: float) -> None:
    """Accuracies of seeds over the inner steps as dots with their mean as a line; rivals and chance as lines."""
    names = [name for name in found if name not in RIVALS]
    places = np.arange(len(names))
    means = [found[name].mean() for name in names]
    ax.plot(places, means, color=COLOURS[0], marker=MARKERS[0], label="cell, mean")
    for place, name in zip(places, names, strict=True):
        ax.plot([place] * len(found[name]), found[name], MARKERS[0], color=COLOURS[0], alpha=0.45, markersize=3)
    for k, (name, style) in enumerate(RIVALS.items(), 1):
        ax.axhline(found[name].mean(), color=COLOURS[k], linestyle=style, label=name)
    ax.axhline(chance, color=GREY, linewidth=0.9, label="no memory")
    ax.set_xticks(places, [r"$\infty$" if name == "rest" else name for name in names])
    ax.set(xlabel="inner steps $K$", ylim=(0, 103))


def along_rows(ax: Axes, curves: Mapping[str, Sequence[float]]) -> None:
    """The norm of ∂h_k/∂h_0 over the row k, one curve a net."""
    for i, (name, values) in enumerate(curves.items()):
        line = RIVALS.get(name, "-")
        ax.plot(range(1, len(values) + 1), values, line, color=COLOURS[i % len(COLOURS)], label=name)
    ax.set(yscale="log", xlabel="row $k$", ylim=(1e-10, 30))
    ax.legend(ncols=2)


def way_left(ax: Axes, arms: Mapping[str, Sequence[float]]) -> None:
    """What part of the way to rest is left over the inner steps done, one curve a net."""
    for i, (name, values) in enumerate(arms.items()):
        ax.plot(range(len(values)), values, color=COLOURS[i], marker=MARKERS[i], label=name)
    ax.set(yscale="log", xlabel="inner steps done", ylabel="part of the way left")
    ax.legend()
