"""Arms that differ in how a correction is trained, and in nothing else: data, networks, order, steps, rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from contdepth.studies.control.calibration import Plan, Solver, held_out_loss, offline, online
from contdepth.studies.control.corrections import Corrections
from contdepth.studies.control.forecasts import Climate, climate, skill, stacked
from contdepth.studies.control.lorenz import trajectories

__all__ = ["SAMPLING", "Arm", "best", "contest"]

SAMPLING = {0.01: (10, 1), 0.03: (4, 3), 0.1: (2, 10)}
"""Interval between data → intervals in a window, and steps of the model in each."""

COUNT, LENGTH = 25, 200


@dataclass(frozen=True)
class Arm:
    """One number for each seed.

    ``loss``: mean square over windows that no training saw; ``near``, ``far``: errors of forecasts over 0.1 and
    1.0 units of time; ``lyapunov_times`` that a forecast holds; ``climate``: distance of z from the truth's;
    ``exponent``: largest Lyapunov exponent.
    """

    loss: np.ndarray
    near: np.ndarray
    far: np.ndarray
    lyapunov_times: np.ndarray
    climate: np.ndarray
    exponent: np.ndarray


def contest(
    plan: Plan,
    interval: float,
    gradients: Sequence[str],
    orders: Sequence[int | str],
    truth: Climate,
    *,
    solvers: dict[str, Solver] | None = None,
    starts: int = 100,
    time: float = 40.0,
    seed: int = 0,
) -> dict[str, Arm]:
    """Train and try all arms on data in distances of ``interval``.

    Args:
        plan: what arms have in common; its sampling is replaced.
        interval: a key of ``SAMPLING``.
        gradients: online arms, by their gradients.
        orders: offline arms, by how slopes are found; such an arm is called ``"offline 4"``.
        truth: climate of the true equations.
        solvers: static arms more, by the solver in place of RK4.
        starts: of forecasts; a third of them of climates.
        time: over which climates are told, and forecasts followed, these over 10 at most.
        seed: of data, in training and after it.
    """
    intervals, inner = SAMPLING[interval]
    plan = replace(plan, interval=interval, intervals=intervals, inner=inner)
    data, unseen = (trajectories(COUNT, LENGTH + intervals, interval, seed=seed + k) for k in (1, 2))
    trainers: dict[str, Callable[[], Corrections]] = {
        **{one: lambda one=one: online(data, plan, one)[0] for one in gradients},  # type: ignore[misc]
        **{
            name: lambda one=one: online(data, plan, "static", one)[0]  # type: ignore[misc]
            for name, one in (solvers or {}).items()
        },
        **{f"offline {one}": lambda one=one: offline(data, plan, one)[0] for one in orders},  # type: ignore[misc]
    }
    trained = {name: train() for name, train in trainers.items()}
    losses = {name: held_out_loss(one, unseen, plan).numpy() for name, one in trained.items()}
    model, models = stacked(list(trained.values())), len(trained) * len(plan.seeds)
    with torch.no_grad():
        told = skill(model, models, starts=starts, seed=seed + 3, time=min(10.0, time))
        found = climate(model, models, starts=max(2, starts // 3), seed=seed + 4, time=time)
    columns = (told.near, told.far, told.lyapunov_times, found.distance(truth), found.exponent)
    rows = {name: slice(k * len(plan.seeds), (k + 1) * len(plan.seeds)) for k, name in enumerate(trained)}
    return {name: Arm(losses[name], *(one[row] for one in columns)) for name, row in rows.items()}


def best(arms: dict[str, Arm], what: str) -> str:
    """Return the offline arm whose geometric mean of ``what`` over seeds is smallest."""
    means = {
        name: float(np.log(getattr(arm, what)).mean()) for name, arm in arms.items() if name.startswith("offline")
    }
    return min(means, key=lambda name: means[name])
