"""Pictures of the contest: dots for every seed, clean and attacked; amplification and accuracy over the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from contdepth.studies.common.plots import COLOURS, MARKERS, series
from contdepth.studies.control.implicit.contest import Arm

__all__ = ["NAMES", "curves_over_steps", "rows_of_dots"]

NAMES = {
    "implicit": "implicit steps",
    "explicit": "explicit steps",
    "short steps": "eight short steps",
    "bounded": "bounded steps",
    "usual blocks": "usual blocks",
    "relaxed": "usual blocks, relaxed",
}


def rows_of_dots(ax: Axes, arms: Mapping[str, Arm]) -> None:
    """Accuracy of every seed under attack, filled, and on clean pictures, hollow; strokes are means."""
    for k, name in enumerate(arms):
        look: dict[str, Any] = {
            "color": COLOURS[k % len(COLOURS)],
            "linestyle": "none",
            "marker": MARKERS[k % len(MARKERS)],
        }
        found = arms[name].judged
        for values, fill in ((found.pgd, "full"), (found.clean, "none")):
            ax.plot(values, np.full(len(values), -k), fillstyle=fill, **look)
            ax.plot([values.mean()] * 2, [-k - 0.3, -k + 0.3], color="black", linewidth=1.2)
    ax.set_yticks([-k for k in range(len(arms))], [NAMES[name] for name in arms])
    ax.set_xlabel("accuracy, %: filled under attack, hollow on clean images")


def curves_over_steps(
    axes: Sequence[Axes],
    steps: Sequence[float],
    found: Mapping[str, Sequence[Arm]],
    grown: Mapping[str, Sequence[np.ndarray]],
) -> None:
    """Against h: the largest amplification, in the first axes, and accuracy under attack; means over seeds."""
    for k, name in enumerate(found):
        series(axes[0], k, steps, [one.mean() for one in grown[name]], NAMES[name])
        series(axes[1], k, steps, [arm.judged.pgd.mean() for arm in found[name]], NAMES[name])
    axes[0].set(yscale="log", ylabel="largest amplification")
    axes[1].set(ylim=(0, 100), ylabel="accuracy under attack, %")
    for ax in axes:
        ax.set(xlabel="step h")
    axes[0].legend()
