"""Pictures of the page: gains over the noise, distributions of the stop, restored pictures, temperatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from contdepth.studies.adaptive.stopping.races import Race
from contdepth.studies.common.plots import COLOURS, MARKERS, series

__all__ = ["ends", "gains", "heat", "restored", "temperatures"]

Rule = tuple[str, str]


def gains(ax: Axes, races: Sequence[Race], rules: Mapping[str, Rule], base: Rule, last: float) -> None:
    """PSNR of ``rules`` less that of ``base`` over the noise, a dot for each race; beyond ``last`` is unheard."""
    levels = races[0].levels
    for k, (label, rule) in enumerate(rules.items()):
        rows = np.stack([(r.quality[rule] - r.quality[base]).numpy() for r in races])
        series(ax, k, levels, rows.mean(0), label)
        for row in rows:
            ax.plot(levels, row, MARKERS[k], color=COLOURS[k], alpha=0.4, markersize=3)
    ax.axvspan(last, max(levels) * 1.03, color="#eeeeee", zorder=0)
    ax.axhline(0, color="#7a7a7a", linewidth=0.8)
    ax.set(xlabel="noise $\\sigma$", xlim=(min(levels) * 0.9, max(levels) * 1.03))


def ends(ax: Axes, races: Sequence[Race], rules: Mapping[str, Rule], last: float) -> None:
    """Mean number of steps of ``rules`` over the noise."""
    levels = races[0].levels
    for k, (label, rule) in enumerate(rules.items()):
        series(ax, k, levels, np.mean([r.depth[rule].numpy() for r in races], 0), label)
    ax.axvspan(last, max(levels) * 1.03, color="#eeeeee", zorder=0)
    ax.set(xlabel="noise $\\sigma$", ylabel="steps", xlim=(min(levels) * 0.9, max(levels) * 1.03))


def heat(axes: Sequence[Axes], q: tuple[Tensor, Tensor], levels: Sequence[float]) -> None:
    """Mean q(n) of a policy and of the oracle posterior: rows are levels, columns steps."""
    for ax, part, title in zip(axes, q, ("policy", "oracle posterior $q^*$"), strict=True):
        picture = ax.imshow(part, vmin=0, vmax=1, cmap="Blues", aspect="auto", origin="lower")
        ax.set_yticks(range(len(levels)), [f"{level:g}" for level in levels])
        ax.set(xlabel="step $n$", title=title)
        ax.grid(visible=False)
    axes[0].set_ylabel("noise $\\sigma$")
    axes[0].figure.colorbar(picture, ax=list(axes), label="mean $q(n)$")


def restored(axes: np.ndarray, race: Race, rule: Rule, levels: Sequence[float], row: int = 0) -> None:
    """Picture number ``row`` at some ``levels``: noisy above, at its chosen step below, with step and PSNR."""
    bank = race.tests[rule[0]]
    each = len(bank) // len(race.levels)
    for column, level in enumerate(levels):
        k = race.levels.index(level) * each + row
        stop = int(race.stops[rule][k])
        shown = {f"$\\sigma$ = {level:g}": 0, f"step {stop}": stop}
        for ax, (title, n) in zip(axes[:, column], shown.items(), strict=True):
            ax.imshow(bank.states[k, n].float(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            ax.set_title(f"{title}, {float(bank.psnr[k, n]):.1f} dB", fontsize=9)
            ax.set_axis_off()


def temperatures(
    axes: Sequence[Axes], betas: Sequence[float], found: tuple[Tensor, Tensor], losses: Tensor
) -> None:
    """The marginal loss between the best step and the mean, and the posterior's entropy, over β in dB."""
    value, spread = found
    series(axes[0], 0, betas, value, "marginal loss")
    for k, (level, name) in enumerate(((losses.amin(1), "best step"), (losses.mean(1), "mean of the steps"))):
        height = float(level.mean())
        axes[0].axhline(height, color=COLOURS[k + 1], linestyle=("--", ":")[k], label=name)
    series(axes[1], 0, betas, spread, "entropy")
    top = float(torch.tensor(float(losses.shape[1])).log())
    axes[1].axhline(top, color=COLOURS[2], linestyle=":", label="uniform")
    for ax, name in zip(axes, ("loss, dB", "entropy, nats"), strict=True):
        ax.set(xscale="log", xlabel="temperature $\\beta$, dB", ylabel=name)
        ax.legend()
