"""Pictures: losses in rows, a walk and what is predicted for it, steps of the solver, costs of both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import nn

from contdepth.recurrent import Series
from contdepth.studies.common.plots import COLOURS, MARKERS
from contdepth.studies.common.plots import series as curve
from contdepth.studies.sequences.gruode.contest import Judged
from contdepth.studies.sequences.gruode.walks import Told, Walk, exact
from contdepth.studies.sequences.gruode.ways import Cost

__all__ = ["asked", "costs", "followed", "losses", "solved"]

GREY = "#7a7a7a"


def losses(
    ax: Axes, groups: Mapping[str, Judged], names: Sequence[str], *, squared: bool = False, most: float = np.inf
) -> None:
    """A row for each name, a mark for each seed, a kind of mark for each group; exact filters as lines.

    What is above ``most`` is drawn there as an arrow with its number, and such a mean is left out.
    """
    for g, (label, found) in enumerate(groups.items()):
        for k, name in enumerate(names):
            values = found.squared(name) if squared else found.of(name)
            height = np.full(len(values), -k + 0.16 * (1 - 2 * g) * (len(groups) > 1))
            told = label if k == 0 and len(groups) > 1 else None
            near = values <= most
            ax.plot(values[near], height[near], MARKERS[g], color=COLOURS[g], markersize=4, alpha=0.6, label=told)
            for far in values[~near]:
                ax.annotate(
                    f"{far:.1f} →", (most, height[0]), ha="right", va="center", fontsize=9, color=COLOURS[g]
                )
            if values.mean() <= most:
                ax.plot(values.mean(), height[0], "|", color=COLOURS[g], markersize=14, markeredgewidth=2)
    one = next(iter(groups.values()))
    if "exact" in one.names:
        floor = one.squared("exact") if squared else one.of("exact")
        ax.axvline(floor.mean(), color=GREY, linestyle="--", linewidth=1.3, label="exact filter")
    ax.set_yticks([-k for k in range(len(names))], names)
    ax.set(ylim=(-len(names) + 0.5, 0.5), xlabel="squared error" if squared else r"$-\ln p$ a number")
    if squared:
        ax.set_xscale("log")


def asked(series: Series, i: int, count: int = 121) -> Series:
    """Return series ``i`` with ``count`` more rows that show nothing, at equal distances up to its last time."""
    fine = torch.linspace(0, float(series.times[i, -1]), count)
    times, order = torch.cat([series.times[i], fine]).sort(stable=True)
    values = torch.cat([series.values[i], torch.zeros(count, series.values.shape[2])])[order]
    mask = torch.cat([series.mask[i], torch.zeros(count, series.mask.shape[2], dtype=torch.bool)])[order]
    return Series(values[None], times[None], mask[None])


def followed(axes: Sequence[Axes], models: Mapping[str, nn.Module], series: Series, i: int, walk: Walk) -> None:
    """One walk in each panel: numbers seen, and mean and two standard deviations that a filter gives."""
    fine = asked(series, i)
    times = fine.times[0].numpy()
    with torch.no_grad():
        told: dict[str, Told] = {name: model(fine) for name, model in models.items()}
    told["exact"] = exact(walk, fine)
    for ax, (name, one) in zip(axes, told.items(), strict=True):
        for j in range(series.values.shape[2]):
            mean = one.mean[0, :, j].numpy()
            spread = 2 * torch.exp(0.5 * one.log_variance[0, :, j]).numpy()
            ax.plot(times, mean, color=COLOURS[j], linewidth=1.4)
            ax.fill_between(times, mean - spread, mean + spread, color=COLOURS[j], alpha=0.2, linewidth=0)
            seen = series.mask[i, :, j]
            ax.plot(
                series.times[i][seen], series.values[i, :, j][seen], MARKERS[j], color=COLOURS[j], markersize=4
            )
        ax.set(title=name, xlabel="$t$")


def solved(left: Axes, right: Axes, steps: Sequence[float], errors: np.ndarray, change: np.ndarray) -> None:
    """Left the error of predicted means, right the change of the loss, over Euler's step; (steps, seeds)."""
    for k, (ax, values) in enumerate(((left, errors), (right, np.abs(change) + 1e-12))):
        curve(ax, k, steps, values.mean(1), "")
        for value in values.T:
            ax.plot(steps, value, MARKERS[k], color=COLOURS[k], alpha=0.4, markersize=3)
        ax.set(xscale="log", yscale="log", xlabel="Euler's step")
        ax.set_xticks(list(steps), [f"{one:g}" for one in steps])
        ax.set_yticks(places := [10.0**k for k in (-4, -3, -2, -1)], [f"{one:g}" for one in places])
        ax.set_ylim(values[values > 0].min() / 2, 2 * values.max())
        ax.minorticks_off()
    middle = errors.mean(1)
    left.plot(steps, middle[-1] * np.array(steps) / steps[-1], color=GREY, linestyle="--", linewidth=1)
    left.set(ylabel="error of the means")
    right.set(ylabel="change of the loss, nats")


def costs(ax: Axes, found: Sequence[Cost], *, over: Sequence[int] | None = None, xlabel: str) -> None:
    """Evaluations on the whole batch by both ways, over ``over`` or the number of distinct times."""
    x = [one.distinct for one in found] if over is None else list(over)
    curve(ax, 0, x, [one.union for one in found], "union of times")
    curve(ax, 1, x, [one.own for one in found], "steps of their own")
    ax.set(xscale="log", yscale="log", xlabel=xlabel, ylabel="evaluations on the batch")
    ax.set_xticks(x, [str(k) for k in x])
    ax.minorticks_off()
