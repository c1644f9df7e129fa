"""Pictures of the page on trained diffusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from contdepth.restoration.models.reaction import ReactionDiffusion
from contdepth.studies.adaptive.tnrd.baselines import PeronaMalik
from contdepth.studies.adaptive.tnrd.shapes import FALLS, IDLE, REVERSED, RISES, Influence
from contdepth.studies.common.plots import COLOURS, MARKERS

__all__ = ["arm_rows", "filters", "functions", "over_steps", "state", "strip"]

KINDS = {RISES: COLOURS[0], FALLS: COLOURS[2], REVERSED: COLOURS[1], IDLE: "#8a8a8a"}


def over_steps(ax: Axes, trained: Mapping[int, Sequence[float]], hand: PeronaMalik, tv: float, title: str) -> None:
    """PSNR over steps: dots of trained nets, the best Perona–Malik of each number of steps, total variation."""
    steps = np.arange(1, len(hand.at))
    ax.plot(steps, hand.at[1:], color=COLOURS[0], label="Perona–Malik, tuned")
    ax.axhline(tv, color="#5a5a5a", linestyle="--", linewidth=1.2, label="total variation, tuned")
    means = {count: float(np.mean(values)) for count, values in trained.items()}
    ax.plot(list(means), list(means.values()), color=COLOURS[1], marker=MARKERS[1], label="trained")
    for count, values in trained.items():
        ax.plot([count] * len(values), values, ".", color="black", markersize=4, zorder=3)
    ax.set(xscale="log", xlabel="steps", title=title)
    ticks = [1, 3, 5, 10, 20, 40]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()


def strip(axes: Sequence[Axes], pictures: Sequence[Tensor], titles: Sequence[str]) -> None:
    """Grey pictures ``(1, 1, h, w)`` side by side."""
    for ax, picture, title in zip(axes, pictures, titles, strict=True):
        ax.imshow(picture[0, 0].clamp(0, 1).numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(title, fontsize=9)
        ax.set_axis_off()


def state(figure: Figure, picture: Tensor, title: str) -> None:
    """One grey picture in an empty figure."""
    strip([figure.add_subplot()], [picture], [title])


def functions(found: Sequence[Influence], stages: int) -> Figure:
    """Every influence function: a row a stage, a column a filter, its kind by colour."""
    count = len(found) // stages
    figure, axes = plt.subplots(stages, count, figsize=(7.2, 0.8 * stages + 0.5), squeeze=False)
    for one in found:
        ax = axes[one.stage - 1, one.number]
        ax.axhline(0, color="#bbbbbb", linewidth=0.6)
        ax.axvline(0, color="#bbbbbb", linewidth=0.6)
        ax.plot(one.z, one.values, color=KINDS[one.kind], linewidth=1.4)
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
    for t in range(stages):
        axes[t, 0].set_ylabel(f"t = {t + 1}", fontsize=8)
    lines = [plt.Line2D([], [], color=colour) for colour in KINDS.values()]
    figure.legend(lines, list(KINDS), loc="outside lower center", ncols=4)
    return figure


def filters(net: ReactionDiffusion) -> Figure:
    """The filters of every stage: a row a stage, grey is zero."""
    rows = [stage.filters().detach()[:, 0].numpy() for stage in net.stages]  # type: ignore[operator]
    figure, axes = plt.subplots(len(rows), len(rows[0]), figsize=(7.2, 0.75 * len(rows)), squeeze=False)
    for line, kernels in zip(axes, rows, strict=True):
        for ax, kernel in zip(line, kernels, strict=True):
            size = np.abs(kernel).max()
            ax.imshow(kernel, cmap="gray", vmin=-size, vmax=size, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
    for t, line in enumerate(axes, 1):
        line[0].set_ylabel(f"t = {t}", fontsize=8)
    return figure


def arm_rows(ax: Axes, arms: Mapping[str, Sequence[float]]) -> None:
    """A row an arm, a dot a seed, a bar at the mean."""
    for row, values in enumerate(arms.values()):
        ax.plot(values, [row] * len(values), MARKERS[row], color=COLOURS[row], alpha=0.75)
        ax.plot([np.mean(values)] * 2, [row - 0.25, row + 0.25], color=COLOURS[row])
    ax.set_yticks(range(len(arms)), list(arms))
    ax.set(ylim=(len(arms) - 0.5, -0.5), xlabel="PSNR, dB")
