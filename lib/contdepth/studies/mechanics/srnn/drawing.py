"""Pictures: errors along time, curvatures of modes, orbits at coarse steps, a chain that swings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contdepth.mechanics import forecast
from contdepth.schemes import Leapfrog
from contdepth.studies.common.plots import COLOURS, MARKERS
from contdepth.studies.mechanics.srnn.contest import Coarsened
from contdepth.studies.mechanics.srnn.exact import shares

__all__ = ["along", "chain_at", "curvature_dots", "film_of"]

GREY = "#7a7a7a"
LINES = ("-", "--", "-.", ":", (0, (4, 1, 1, 1, 1, 1)), (0, (7, 2)))


def along(ax: Axes, times: np.ndarray, arms: Mapping[str, np.ndarray], *, trained: float | None = None) -> None:
    """Values (seeds, times) of each arm over time: geometric means as lines, least to most as bands.

    ``trained`` marks the length of the trajectories that were seen.
    """
    for k, (name, values) in enumerate(arms.items()):
        colour = COLOURS[k % len(COLOURS)]
        shown = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        ax.plot(times, np.exp(np.log(shown).mean(0)), color=colour, linestyle=LINES[k % len(LINES)], label=name)
        if len(values) > 1:
            ax.fill_between(times, shown.min(0), shown.max(0), color=colour, alpha=0.15, linewidth=0)
    if trained is not None:
        ax.axvline(trained, color=GREY, linewidth=1)
    ax.set(yscale="log", xlabel="time $t$")


def curvature_dots(axes: Sequence[Axes], found: Sequence[Coarsened], steps: Sequence[float]) -> None:
    """Learned curvatures of T, left, and of V, right, of all modes and seeds over ωh, a marker for each step."""
    angles = [np.concatenate(one.angles) for one in found]
    x = torch.linspace(0.02, 1.02 * max(float(one.max()) for one in angles), 200, dtype=torch.float64)
    for which, (ax, curve) in enumerate(zip(axes, shares(x), strict=True)):
        ax.axhline(1, color=GREY, linestyle="--", linewidth=1.2)
        name = (r"$\sin x\,/\,x$", r"$\tan(x/2)\,/\,(x/2)$")[which]
        ax.plot(x, curve, color="#000000", linewidth=1.2, label=name)
        for k, (place, one, step) in enumerate(zip(angles, found, steps, strict=True)):
            values = np.concatenate([parts[which] for parts in one.curved])
            ax.plot(place, values, MARKERS[k], color=COLOURS[k], alpha=0.7, markersize=4, label=f"{step:g} border")
        ax.set(xlabel=r"angle a step, $x=\omega h$", title=f"${'TV'[which]}$")
        ax.legend()
    axes[0].set_ylabel("curvature over the true one")


def film_of(found: Coarsened, frames: int, rows: int = 24) -> tuple[Callable[[Figure, float], None], np.ndarray]:
    """Return how to draw one chain of the first seed at a time, and the times of ``frames`` frames."""
    data, fit = found.data[0], found.fits[0]
    times, truth = data.judged_times[: rows + 1], data.truth[: rows + 1, 0]
    n = truth.shape[-1] // 2
    true = forecast(data.chain, truth[0], times.double(), scheme=Leapfrog(), limit=1e6).states
    learned = forecast(fit.model, truth[0].float(), times, scheme=Leapfrog(), limit=1e6).states
    paths = {"truth": truth, "true energy, leapfrog": true, "learned energy": learned}
    places = {name: path[:, :n].double().numpy() for name, path in paths.items()}
    limit = 1.5 * float(np.abs(places["truth"]).max())
    shown = np.linspace(0, rows, frames).round().astype(int)
    return (lambda figure, t: chain_at(figure, t, times.numpy(), places, limit)), times.numpy()[shown]


def chain_at(figure: Figure, t: float, times: np.ndarray, paths: Mapping[str, np.ndarray], limit: float) -> None:
    """One frame: displacements of the masses at time ``t``; ``paths`` hold q (times, n), truth first."""
    ax, row = figure.subplots(), int(np.abs(times - t).argmin())
    for k, (name, path) in enumerate(paths.items()):
        q = np.concatenate([[0.0], np.clip(path[row], -2 * limit, 2 * limit), [0.0]])
        style = {"color": "#000000" if k == 0 else COLOURS[k - 1], "linestyle": LINES[k]}
        ax.plot(q, marker=MARKERS[k], markersize=4, linewidth=1.2, label=name, **style)  # type: ignore[arg-type]
    ax.set(ylim=(-limit, limit), xlabel="mass", ylabel="displacement $q$")
    figure.legend(loc="outside upper center", ncols=len(paths))
