"""Pictures: the gap while a flow learns, laws of magnetisation, fields, kinds of symmetry, moving points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contdepth.flows import ContinuousFlow, MongeAmpereFlow
from contdepth.schemes import RK4, RungeKutta, integrate
from contdepth.seeds import generator
from contdepth.studies.common.plots import COLOURS, MARKERS, series
from contdepth.studies.flows.mongeampere.training import Fit

__all__ = ["carried_points", "draw_plane", "fields", "gaps_of_arms", "laws", "learning", "orders", "paths"]

GREY = "#5a5a5a"


def learning(ax: Axes, fits: Sequence[Fit], exact: float, lines: Mapping[str, float], title: str) -> None:
    """Gap a site over iterations, a curve for each seed (means of 20 batches), normal laws as dashed lines."""
    for k, one in enumerate(fits):
        width = min(20, len(one.history))
        smooth = np.convolve(one.history, np.full(width, 1 / width), "valid") - exact
        at = np.arange(len(smooth)) + width / 2
        label = "flows, three seeds" if k == 0 else None
        ax.plot(at, smooth.clip(1e-4), color=COLOURS[0], linewidth=1.2, alpha=0.8, label=label)
    for k, (name, height) in enumerate(lines.items(), 1):
        ax.axhline(height, color=COLOURS[k], linestyle=("--", "-.", ":")[k % 3], linewidth=1.5, label=name)
    ax.set(yscale="log", xlabel="iteration", title=title, ylim=(0.008, 2))


def laws(ax: Axes, values: np.ndarray, exact: np.ndarray, found: Mapping[str, np.ndarray]) -> None:
    """The exact law of the magnetisation a site as bars, others as markers."""
    at, width = values / values[-1], 1.6 / len(values)
    ax.bar(at, exact, width=width, color="#d9d9d9", edgecolor=GREY, linewidth=0.5, label="exact")
    for k, (name, law) in enumerate(found.items()):
        ax.plot(at, law, MARKERS[k], color=COLOURS[k], label=name, markersize=4)
    ax.set(xlabel="magnetisation a site", ylabel="probability")
    ax.legend(loc="upper center")


def fields(axes: Sequence[Axes], x: torch.Tensor, side: int) -> None:
    """Fields as squares of colour, one in each axes."""
    for ax, one in zip(axes, x, strict=False):
        ax.imshow(one.reshape(side, side).numpy(), cmap="PuOr", vmin=-6, vmax=6)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(False)


def gaps_of_arms(ax: Axes, found: Mapping[str, tuple[np.ndarray, np.ndarray]], line: float) -> None:
    """For each kind of symmetry the gap that its own steps tell (hollow) and the true one (full), by seed."""
    for k, (told, true) in enumerate(found.values()):
        for shift, heights, full in ((-0.1, told, False), (0.1, true, True)):
            face = COLOURS[k] if full else "none"
            label = (("its own steps", "true") if k == 0 else (None, None))[int(full)]
            at = np.full(len(heights), k + shift)
            ax.plot(at, heights, MARKERS[k], color=COLOURS[k], markerfacecolor=face, label=label)
    ax.axhline(line, color=GREY, linestyle="--", linewidth=1, label="best pair of normal laws")
    ax.set_xticks(range(len(found)), list(found))
    ax.set(ylabel="gap a site", ylim=(0, None))
    ax.legend()


def orders(ax: Axes, steps: Sequence[int], there: np.ndarray, wrong: np.ndarray) -> None:
    """Errors of the round trip and of ln q over the number of steps, with guides of orders 5 and 4."""
    series(ax, 0, steps, there, "there and back")
    series(ax, 1, steps, wrong, r"$\ln q$")
    for found, order in ((there, 5), (wrong, 4)):
        guide = found[-1] * (np.asarray(steps, float) / steps[-1]) ** -order
        ax.plot(steps, guide, color="#7a7a7a", linestyle="--", linewidth=1, zorder=0)
    ax.set(xscale="log", yscale="log", xlabel="steps of RK4", ylabel="largest error")
    ax.set_xticks(list(steps), [str(each) for each in steps])
    ax.minorticks_off()
    ax.legend()


@torch.no_grad()
def paths(flow: ContinuousFlow, count: int, frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Times ``(frames,)`` and where ``count`` points of the base are then, ``(frames, count, 2)``."""
    z = torch.randn(count, 2, generator=generator(seed, "paths"))
    each = 4
    grid = torch.linspace(*flow.span, (frames - 1) * each + 1)
    found = integrate(flow.f, z, grid, RungeKutta(RK4))
    return grid[::each].numpy(), found[::each].numpy()


def draw_plane(ax: Axes, flow: MongeAmpereFlow, points: np.ndarray, arrows: bool = True) -> None:
    """φ by contours, ∇φ by arrows, points on top."""
    line = torch.linspace(-3, 3, 61)
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
    with torch.no_grad():
        heights = flow.f.potential(grid)  # type: ignore[union-attr,operator]
        coarse = grid[3::6, 3::6]
        slope = flow.f.potential.gradient(coarse)  # type: ignore[union-attr,operator]
    ax.contour(line, line, heights, levels=12, cmap="Greys", linewidths=0.8, alpha=0.8)
    if arrows:
        ax.quiver(*coarse.unbind(-1), *slope.unbind(-1), color=COLOURS[1], alpha=0.7, width=0.004)
    ax.plot(points[:, 0], points[:, 1], ".", color=COLOURS[0], markersize=2.5, alpha=0.6)
    ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    ax.grid(False)


def carried_points(
    flow: MongeAmpereFlow, times: np.ndarray, points: np.ndarray
) -> Callable[[Figure, float], None]:
    """A function that draws the points at one of ``times`` into an empty figure."""

    def draw(figure: Figure, t: float) -> None:
        ax = figure.subplots()
        draw_plane(ax, flow, points[int(np.abs(times - t).argmin())])
        ax.set_title(f"t = {t:.2f}")

    return draw
