"""Pictures: energy error over fit, energies on the way, learned masses, condition numbers at the start."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes

from contdepth.mechanics import LagrangianNet, forecast
from contdepth.schemes import RK4, RungeKutta
from contdepth.studies.common.plots import COLOURS, MARKERS
from contdepth.studies.mechanics.lnn.contest import Judged, Plan
from contdepth.studies.mechanics.lnn.masses import Masses, mass
from contdepth.studies.mechanics.lnn.systems import Case

__all__ = ["conditions", "energies", "energy_over_fit", "learned_mass"]

GREY = "#7a7a7a"


def energy_over_fit(ax: Axes, arms: Mapping[str, Judged], zero: float) -> None:
    """A mark for each training, larger for a larger budget; a dotted line where no acceleration at all stands."""
    for k, (name, found) in enumerate(arms.items()):
        sizes = np.linspace(14, 44, len(found.fit)) if len(found.fit) > 1 else [44]
        for i, size in enumerate(sizes):
            label = name if i == len(sizes) - 1 else None
            style = {"color": COLOURS[k], "marker": MARKERS[k], "s": size, "alpha": 0.8, "label": label}
            ax.scatter(found.fit[i], found.energy[i], **style)
    ax.axvline(zero, color=GREY, linestyle=":", linewidth=1.2)
    ax.set(xscale="log", yscale="log", xlabel="error of the rates")


def energies(ax: Axes, case: Case, plan: Plan, models: Mapping[str, Any]) -> None:
    """The true energy along each model's path from the highest start, as a share of what it was."""
    start = case.starts(plan.starts)[-1:]
    for k, (name, model) in enumerate(models.items()):
        way = forecast(copy.deepcopy(model).double(), start, plan.times, scheme=RungeKutta(RK4))
        with torch.no_grad():
            kept = case.system.energy(way.states[:, 0]) / case.scale
        ax.plot(plan.times, kept, color=COLOURS[k], linewidth=1.2, label=name)
    ax.axhline(1.0, color=GREY, linestyle="--", linewidth=1)
    ax.set(xlabel="time", title=case.name)


def learned_mass(ax: Axes, case: Case, models: Mapping[str, LagrangianNet], true: Any) -> None:
    """∂²L/∂v∂v at q = 0 over the speed, as a share of that at rest, beside the ``true`` function of v."""
    v = torch.linspace(-0.97 * case.speed, 0.97 * case.speed, 121)
    rest = torch.zeros(1, 2)
    for k, (name, model) in enumerate(models.items()):
        found = mass(model, torch.stack((torch.zeros_like(v), v), -1))[:, 0, 0] / mass(model, rest)[0, 0, 0]
        ax.plot(v, found, color=COLOURS[k], label=name)
    ax.plot(v, true(v), color="#000000", linestyle="--", linewidth=1.2, label="truth")
    ax.set(xlabel="$v$", title=case.name)


def conditions(ax: Axes, arms: Mapping[str, Masses]) -> None:
    """The share of states with a condition number above the one on the axis, a line for each way to begin."""
    for k, (name, found) in enumerate(arms.items()):
        values = np.sort(found.condition.ravel())
        ax.plot(values, 1 - np.arange(len(values)) / len(values), color=COLOURS[k], label=name)
    ax.set(xscale="log", yscale="log", xlabel="condition number", ylabel="share above it")
    ax.legend()
