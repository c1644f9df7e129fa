"""Pictures: the answer in three panels, a density block by block, losses over blocks, what a cut series claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from contdepth.flows import ResidualFlow
from contdepth.studies.common.plots import COLOURS, MARKERS, series
from contdepth.studies.flows.iresnet.bias import cut_eigenvalue
from contdepth.studies.flows.iresnet.carried import on_a_grid

__all__ = ["answer", "block_by_block", "cut", "frame", "losses"]


def answer(
    axes: Sequence[Axes],
    counts: Sequence[int],
    errors: Mapping[str, np.ndarray],
    accuracy: Mapping[str, np.ndarray],
    claims: Mapping[str, np.ndarray],
    bound: float,
) -> None:
    """Errors of inverses (nets, counts) by arm; accuracy (nets,) by arm; losses (nets,) claimed and true."""
    for k, rows in enumerate(errors.values()):
        for row in rows:
            kept = np.clip(np.nan_to_num(row, nan=1e30, posinf=1e30), 1e-13, 1e4)
            axes[0].plot(counts, kept, color=COLOURS[k], marker=MARKERS[k], markersize=3, linewidth=1)
    line = np.array(counts, dtype=float)
    axes[0].plot(line, bound**line, color="#5a5a5a", linestyle="--", linewidth=1)
    axes[0].annotate(
        "$L^k$", (line[-1], bound ** line[-1]), xytext=(-4, 5), textcoords="offset points", ha="right"
    )
    axes[0].set(yscale="log", xlabel="iterations $k$ of a block", title="largest error of the inverse")
    rows_of_dots(axes[1], accuracy, "%")
    axes[1].set_title("accuracy, digits")
    rows_of_dots(axes[2], claims, "nats")
    axes[2].set_title("loss, moons")


def rows_of_dots(ax: Axes, found: Mapping[str, np.ndarray], unit: str) -> None:
    """A row for each entry, a dot for each seed and a stroke for their mean."""
    for k, values in enumerate(found.values()):
        ax.plot(values, np.full(len(values), -k), MARKERS[k], color=COLOURS[k])
        ax.plot([values.mean()] * 2, [-k - 0.3, -k + 0.3], color="black", linewidth=1.2)
    ax.set_yticks([-k for k in range(len(found))], list(found))
    ax.set(xlabel=unit, ylim=(-len(found) + 0.4, 0.6))


def block_by_block(axes: Sequence[Axes], flow: ResidualFlow, stages: Sequence[int], points: np.ndarray) -> None:
    """The density after each of ``stages`` blocks from the normal law, and ``points`` (n, 2) of the data last."""
    for ax, t in zip(axes[:-1], stages, strict=True):
        _square(ax, on_a_grid(flow, t))
        ax.set_title(f"{t} block" + "s" * (t > 1) if t else "normal")
    axes[-1].plot(*points.T, ".", markersize=1, color=COLOURS[0])
    axes[-1].set(title="data", xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[])
    axes[-1].grid(visible=False)


def _square(ax: Axes, values: np.ndarray) -> None:
    """Densities (nodes, nodes) as shades: their square root, so that thin parts are seen."""
    ax.imshow(np.sqrt(values), origin="lower", extent=(-3, 3, -3, 3), cmap="Blues", vmin=0, vmax=0.8)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)


def frame(figure: Figure, flow: ResidualFlow, t: float) -> None:
    """One picture of the density at ``t`` blocks from the normal law."""
    ax = figure.subplots()
    _square(ax, on_a_grid(flow, t))
    ax.set_title(f"{t:.2f} of {len(flow.blocks)} blocks")


def losses(ax: Axes, blocks: Sequence[int], residual: np.ndarray, continuous: np.ndarray, floor: float) -> None:
    """Losses (blocks, seeds) over the number of blocks, those of the continuous flow (seeds,), and the entropy."""
    series(ax, 0, blocks, residual.mean(1), "residual flow")
    for column in residual.T:
        ax.plot(blocks, column, MARKERS[0], color=COLOURS[0], alpha=0.5, markersize=3)
    ax.axhline(continuous.mean(), color=COLOURS[1], linestyle="--", label="continuous flow")
    ax.plot([blocks[-1]] * len(continuous), continuous, MARKERS[1], color=COLOURS[1], markersize=4)
    ax.axhline(floor, color="black", linewidth=1, label="entropy: no lower loss")
    ax.set(xscale="log", xlabel="blocks", ylabel="loss on new points, nats")
    ax.set_xticks(blocks, [str(m) for m in blocks])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.legend()


def cut(axes: Sequence[Axes], terms: Sequence[int], found: Mapping[str, np.ndarray]) -> None:
    """Left the error of the series at a real eigenvalue; right the claimed less the true loss (seeds, terms)."""
    eigenvalues = np.linspace(-0.92, 0.92, 185)
    for k, n in enumerate((2, 5, 10)):
        series(axes[0], k, eigenvalues, cut_eigenvalue(eigenvalues, n), f"{n} terms", marker="", linewidth=1.5)
    axes[0].set(xlabel="eigenvalue of $J$", ylabel="claimed less true $\\ln\\det$", ylim=(-0.25, 0.75))
    axes[0].legend()
    for k, (name, rows) in enumerate(found.items()):
        series(axes[1], k, terms, rows.mean(0), name)
    axes[1].axhline(0, color="black", linewidth=1)
    axes[1].set(xlabel="terms in the evaluation", ylabel="claimed less true loss, nats")
    axes[1].legend()
