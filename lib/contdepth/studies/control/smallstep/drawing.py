"""Pictures: accuracy over the rate by depth and step, remedies as rows of dots, gradients along the depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from contdepth.studies.common.plots import COLOURS, MARKERS, series
from contdepth.studies.control.smallstep.training import Trained

__all__ = ["along_the_depth", "over_rates", "remedy_rows"]


def over_rates(axes: Sequence[Axes], found: Mapping[tuple[int, float], Trained]) -> None:
    """Accuracy of every seed against the rate, axes for each depth, a series for each step."""
    depths = sorted({depth for depth, _ in found})
    steps = list(dict.fromkeys(h for _, h in found))
    for ax, depth in zip(axes, depths, strict=True):
        for k, h in enumerate(steps):
            one = found[depth, h]
            series(ax, k, one.rates, one.accuracy.mean(1), f"h = {h:g}")
            for seed in range(one.accuracy.shape[1]):
                right = one.accuracy[:, seed]
                ax.plot(one.rates, right, MARKERS[k], color=COLOURS[k], alpha=0.5, markersize=3)
        ax.set(xscale="log", xlabel="learning rate", title=f"{depth} blocks", ylim=(-4, 104))
    axes[0].set_ylabel("accuracy on test images, %")
    axes[0].legend(loc="lower left")


def remedy_rows(ax: Axes, found: Mapping[str, Trained], border: float) -> None:
    """Accuracy of every seed at the chosen rate as a dot, the mean as a stroke; ``border`` as a dashed line."""
    for k, name in enumerate(found):
        right, row = found[name].result, -k
        ax.plot(right, np.full(len(right), row), MARKERS[k % len(MARKERS)], color=COLOURS[k % len(COLOURS)])
        ax.plot([right.mean()] * 2, [row - 0.3, row + 0.3], color="black", linewidth=1.2)
    ax.axvline(border, color="#7a7a7a", linestyle="--", linewidth=1)
    ax.set_yticks([-k for k in range(len(found))], list(found))
    ax.set(xlabel="accuracy on test images, %", xlim=(-4, 104))


def along_the_depth(axes: Sequence[Axes], found: Mapping[float, np.ndarray]) -> None:
    """Norms (steps, L + 1, seeds), by h: along the depth at the start; x_0 over x_L, step by step."""
    for k, (h, norms) in enumerate(found.items()):
        options = {"marker": "", "linestyle": ("-", "--")[k % 2]}
        mean = np.exp(np.log(norms[0] / norms[0, -1:]).mean(-1))
        series(axes[0], k, np.arange(norms.shape[1]), mean, f"h = {h:g}", **options)
        ratio = np.exp(np.log(norms[:, 0] / norms[:, -1]).mean(-1))
        series(axes[1], k, np.arange(len(ratio)), ratio, f"h = {h:g}", **options)
    axes[0].set(
        yscale="log", xlabel="block n", ylabel="gradient by $x_n$ over that by $x_L$", title="at the start"
    )
    axes[1].set(yscale="log", xlabel="step of training", ylabel="gradient by $x_0$ over that by $x_L$")
    axes[1].set_title("in the first steps")
    axes[0].legend()
