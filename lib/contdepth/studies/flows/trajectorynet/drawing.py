"""Pictures: energy and distance over the weight, paths beside the truth, points on their way, days of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from contdepth.flows import TrajectoryFlow
from contdepth.studies.common.plots import COLOURS, MARKERS
from contdepth.studies.flows.trajectorynet.contest import pairs
from contdepth.studies.flows.trajectorynet.truths import Truth, mirrored

__all__ = ["cells_rows", "on_the_way", "over_weights", "paths_beside"]

GREY = "#7a7a7a"


def over_weights(
    ax: Axes, weights: Sequence[float], arms: Mapping[str, np.ndarray], lines: Mapping[str, float]
) -> None:
    """Values (weights, seeds) of each arm as dots, means as lines, and ``lines`` that have no weight."""
    for k, (name, values) in enumerate(arms.items()):
        places = np.arange(len(weights) - len(values), len(weights)) + 0.12 * k
        ax.plot(places, values.mean(1), color=COLOURS[k], marker=MARKERS[k], label=name)
        for value in values.T:
            ax.plot(places, value, MARKERS[k], color=COLOURS[k], alpha=0.45, markersize=3)
    for k, (name, height) in enumerate(lines.items()):
        ax.axhline(height, color=GREY, linestyle=("--", ":", "-.")[k], linewidth=1.3, label=name)
    ax.set_xticks(range(len(weights)), [f"{w:g}" for w in weights])
    ax.set(xlabel=r"weight $\lambda$")
    ax.legend()


def _followed(flow: TrajectoryFlow, truth: Truth, z: Tensor, count: int = 41) -> tuple[list[float], np.ndarray]:
    times = np.linspace(truth.times[0], truth.times[-1], count).tolist()
    with torch.no_grad():
        return times, flow.paths(z, truth.times[0], times).numpy()


def paths_beside(
    axes: Sequence[Axes], truth: Truth, flows: Mapping[str, TrajectoryFlow], shown: Sequence[Tensor]
) -> None:
    """Paths of forty points: of the truth, of each flow, and of optimal pairs from snapshot to snapshot."""
    z = mirrored(40, 0, "drawn")
    fine = np.linspace(truth.times[0], truth.times[-1], 41).tolist()
    tracks = {"truth": np.stack([truth.at(z, t).numpy() for t in fine])}
    for name, flow in flows.items():
        tracks[name] = _followed(flow, truth, z)[1]
    chain = [shown[0]]
    for later in shown[1:]:
        chain.append(pairs(chain[-1], later))
    tracks["optimal pairs"] = torch.stack(chain)[:, :: max(1, len(shown[0]) // 40)].numpy()
    for k, (ax, (name, track)) in enumerate(zip(axes, tracks.items(), strict=True)):
        for path in track.transpose(1, 0, 2):
            ax.plot(path[:, 0], path[:, 1], color=COLOURS[k], linewidth=0.8, alpha=0.7)
        for t in truth.times:
            spot = truth.at(z, t)
            ax.plot(spot[:, 0], spot[:, 1], ".", color="#4a4a4a", markersize=2.5)
        ax.set(title=name, xlabel="$x_1$")
        ax.set_aspect("equal")
    axes[0].set_ylabel("$x_2$")


def on_the_way(
    figure: Figure, flow: TrajectoryFlow, truth: Truth, t: float, limits: tuple[float, float, float, float]
) -> None:
    """One frame: points at time ``t``, the way they have come, and the field as arrows."""
    ax, z = figure.subplots(), mirrored(120, 1, "drawn")
    times = np.linspace(truth.times[0], max(t, truth.times[0] + 1e-6), 12).tolist()
    with torch.no_grad():
        track = flow.paths(z, truth.times[0], times).numpy()
        x, y = np.meshgrid(np.linspace(*limits[:2], 13), np.linspace(*limits[2:], 9))
        grid = torch.tensor(np.stack([x.ravel(), y.ravel()], 1), dtype=torch.float32)
        field = flow.f(torch.tensor(t), grid).numpy()
    ax.quiver(grid[:, 0], grid[:, 1], field[:, 0], field[:, 1], color="#b0b0b0", width=0.003, scale=90)
    for path in track.transpose(1, 0, 2)[::2]:
        ax.plot(path[:, 0], path[:, 1], color=COLOURS[5], linewidth=0.7, alpha=0.6)
    ax.plot(track[-1, :, 0], track[-1, :, 1], ".", color=COLOURS[0], markersize=4)
    ax.set(xlim=limits[:2], ylim=limits[2:], xlabel="$x_1$", ylabel="$x_2$")
    ax.set_aspect("equal")
    ax.grid(False)


def cells_rows(axes: Sequence[Axes], rows: Sequence[Mapping[str, np.ndarray]], floors: Sequence[float]) -> None:
    """W₁ at each hidden day as dots in a row for each way of guessing, and halves of the day as a dashed line."""
    for ax, found, floor in zip(axes, rows, floors, strict=True):
        for k, values in enumerate(found.values()):
            ax.plot(values, np.full(len(values), -k), MARKERS[k], color=COLOURS[k])
        ax.axvline(floor, color=GREY, linestyle="--", linewidth=1)
        ax.set_yticks([-k for k in range(len(found))], list(found))
        ax.set(xlabel="$W_1$ to the hidden cells", xlim=(0, None))
