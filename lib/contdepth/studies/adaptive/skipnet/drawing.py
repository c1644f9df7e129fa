"""Pictures: accuracy over computation, how often a block is computed, the printed savings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from contdepth.studies.adaptive.skipnet.judging import Seen
from contdepth.studies.common.plots import COLOURS, MARKERS

__all__ = ["chart", "cloud", "line", "shares"]


def cloud(ax: Axes, index: int, seen: Seen, label: str | None, *, filled: bool = True) -> None:
    """A mark for each net of an arm: computation and accuracy in per cent; ``index`` sets colour and marker."""
    colour = COLOURS[index % len(COLOURS)]
    face = colour if filled else "none"
    marker = MARKERS[index % len(MARKERS)]
    ax.plot(100 - seen.saved, seen.accuracy, marker, color=colour, markerfacecolor=face, alpha=0.8, label=label)


def line(ax: Axes, index: int, arms: Sequence[Seen], label: str) -> None:
    """Means of arms, joined in the order of their computation."""
    at = [(float(100 - one.saved.mean()), float(one.accuracy.mean())) for one in arms]
    x, y = zip(*sorted(at), strict=True)
    ax.plot(x, y, color=COLOURS[index % len(COLOURS)], linewidth=1.5, label=label)


def shares(axes: Sequence[Axes], arms: Mapping[str, Seen], clean: int) -> None:
    """How often each block was computed, an axes an arm; rows in pairs, clean and noisy pictures of one net."""
    for ax, (name, seen) in zip(axes, arms.items(), strict=True):
        halves = [seen.gates[:, :clean].mean(1), seen.gates[:, clean:].mean(1)]
        rows = np.stack(halves, 1).reshape(-1, seen.gates.shape[2])
        shown = ax.imshow(rows, vmin=0, vmax=1, cmap="cividis", aspect="auto")
        for k in range(1, len(rows) // 2):
            ax.axhline(2 * k - 0.5, color="white", linewidth=2)
        ax.set_xticks(range(rows.shape[1]), [str(k + 2) for k in range(rows.shape[1])])
        ax.set_yticks(range(len(rows)), ["clean", "noisy"] * (len(rows) // 2), fontsize=8)
        ax.set(xlabel="block", title=name)
        ax.grid(False)
    axes[0].figure.colorbar(shown, ax=list(axes), label="share computed", shrink=0.9)


def chart(ax: Axes, printed: Mapping[str, Mapping[str, float]], low: float, high: float) -> None:
    """Printed savings, a bar each, and the stated range as a band."""
    ax.axhspan(low, high, color="#d9d9d9", alpha=0.6, label="as the abstract says")
    place, ticks = 0, []
    names: list[str] = []
    for k, (data, row) in enumerate(printed.items()):
        for layers, value in row.items():
            ax.bar(
                place, value, color=COLOURS[k], width=0.8, label=data if not names or layers == [*row][0] else None
            )
            ticks.append(place)
            names.append(layers)
            place += 1
        place += 1
    ax.set_xticks(ticks, names, fontsize=9)
    ax.set(xlabel="layers", ylabel="computation saved, %", ylim=(0, 100))
    ax.legend(fontsize=8.5, ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0))
