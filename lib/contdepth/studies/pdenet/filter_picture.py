"""Pictures of filters and moment matrices: squares with area for size, colour and hatching for sign."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from contdepth import checks
from contdepth.studies.common.plots import COLOURS

__all__ = ["draw_entries"]


def draw_entries(ax: Axes, entries: Tensor, boxes: Tensor | None = None, *, centred: bool = False) -> None:
    """Draw the matrix ``entries`` (N, N), first index to the right, second upwards.

    Args:
        ax: axes to draw in.
        entries: numbers; areas are relative to the largest. Positive squares are blue, negative ones orange
            and hatched.
        boxes: bool mask (N, N) of places to outline.
        centred: label the places -(N-1)/2, ..., (N-1)/2 instead of 0, ..., N-1.

    Raises:
        TypeError, ValueError: ``entries`` is no square matrix of numbers.
    """
    checks.floating("entries", entries, ndim=2)
    if entries.shape[0] != entries.shape[1]:
        checks.fail("entries", "a square matrix", f"shape {tuple(entries.shape)}")
    size, largest = len(entries), float(entries.abs().max()) or 1.0
    for i, row in enumerate(entries.tolist()):
        for j, value in enumerate(row):
            side = 0.9 * (abs(value) / largest) ** 0.5
            look: dict[str, Any] = (
                {"facecolor": COLOURS[0]} if value > 0 else {"facecolor": COLOURS[1], "hatch": "////"}
            )
            corner = (i - side / 2, j - side / 2)
            ax.add_patch(Rectangle(corner, side, side, edgecolor="white", linewidth=0, **look))
    for i, j in [] if boxes is None else boxes.nonzero().tolist():
        ax.add_patch(Rectangle((i - 0.5, j - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=1.6))
    first = -(size // 2) if centred else 0
    labels = [str(first + i) for i in range(size)]
    ax.set_xticks(range(size), labels)
    ax.set_yticks(range(size), labels)
    ax.set(xlim=(-0.6, size - 0.4), ylim=(-0.6, size - 0.4), aspect="equal")
    ax.set_axisbelow(True)
    ax.grid(False)
