"""A Lagrangian network against networks of the acceleration: fit, energy after a long way, place on the path."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from contdepth.errors import DivergenceError
from contdepth.mechanics import AccelerationNet, LagrangianNet, fit_accelerations, forecast
from contdepth.schemes import RK4, RungeKutta
from contdepth.seeds import generator
from contdepth.studies.mechanics.lnn.even import EvenNet
from contdepth.studies.mechanics.lnn.phase import PhaseNet
from contdepth.studies.mechanics.lnn.systems import Case

__all__ = ["ARMS", "Arm", "Judged", "Plan", "judge", "made", "still", "sweep", "table", "train", "versus", "zero"]


@dataclass(frozen=True)
class Plan:
    """``points`` learned from, rows in a ``batch``, ``test`` states; ``starts`` go ``count`` steps of ``step``."""

    points: int = 600
    batch: int = 128
    test: int = 2000
    starts: int = 40
    count: int = 1000
    step: float = 0.1

    @property
    def times(self) -> Tensor:
        """The times ``(count + 1,)`` float64 of the roll-outs."""
        return self.step * torch.arange(self.count + 1, dtype=torch.float64)


@dataclass(frozen=True)
class Arm:
    """A ``kind`` of network with two hidden layers, its peak ``rate``, and how often the steps it takes."""

    kind: str
    width: int
    rate: float
    times: int = 1
    init: str = "lagrangian"


ARMS = {
    "Lagrangian": Arm("lagrangian", 64, 3e-1),
    "baseline": Arm("acceleration", 64, 1e-1),
    "wide": Arm("acceleration", 256, 1e-2),
    "as long": Arm("acceleration", 64, 1e-1, times=3),
    "even": Arm("even", 64, 1e-1),
    "plain start": Arm("lagrangian", 64, 3e-1, init="plain"),
    "H of (q, v)": Arm("hamiltonian", 64, 3e-2),
    "H of (q, p)": Arm("momenta", 64, 3e-2),
}
"""Rates were chosen on validation states with two other seeds, from one grid; the even arm has the baseline's."""


@dataclass(frozen=True)
class Judged:
    """What was measured: entries by budget and seed, or numbers of one network.

    ``fit`` is the mean absolute error of q' and q'' together on fresh states, q' being exact without an H;
    ``energy`` that of the true energy at the last time as a share of the largest; ``path`` the mean distance of
    the states from the true ones; ``own`` the largest change of the network's own energy along its path as a share
    of how much it differs between starts. A start whose roll-out is lost, or ends where the true energy is not
    defined, counts as 1 in ``energy``, and a lost one is left out of ``path`` and ``own``; ``lost`` counts both.
    """

    fit: np.ndarray
    energy: np.ndarray
    path: np.ndarray
    own: np.ndarray
    lost: np.ndarray
    seconds: np.ndarray
    models: list[list[nn.Module]]


def made(arm: Arm, seed: int) -> nn.Module:
    """Return the untrained network of ``arm``."""
    widths, source = (arm.width, arm.width), generator(seed, "weights")
    if arm.kind == "lagrangian":
        return LagrangianNet(1, widths, init=arm.init, generator=source)
    if arm.kind == "acceleration":
        return AccelerationNet(1, widths, generator=source)
    if arm.kind == "even":
        return EvenNet(widths, generator=source)
    return PhaseNet(widths, momenta=arm.kind == "momenta", generator=source)


def train(case: Case, arm: Arm, plan: Plan, steps: int, seed: int) -> tuple[nn.Module, float]:
    """Return the network of ``arm`` after ``steps`` times the arm's own factor, and the seconds that took.

    A training that ends in numbers that are not finite hands out what it had made of the network.
    """
    model, began = made(arm, seed), time.perf_counter()
    q, v, a = case.sample(plan.points, seed, "learned")
    samples = model.samples(q, v, a) if isinstance(model, PhaseNet) else (q, v, a)
    if steps:
        try:
            fit_accelerations(model, samples, steps=arm.times * steps, seed=seed, batch=plan.batch, rate=arm.rate)
        except (DivergenceError, ValueError):
            pass
    return model, time.perf_counter() - began


def judge(
    model: nn.Module, case: Case, plan: Plan, seed: int, truth: Tensor
) -> tuple[float, float, float, float, int]:
    """Return fit, energy, path, own and lost of one network; ``truth`` are the true states from its starts."""
    q, v, a = case.sample(plan.test, seed, "fresh")
    exact = copy.deepcopy(model).double()
    with torch.no_grad():
        rates = exact.field(torch.tensor(0.0), torch.cat((q, v), -1).double())  # type: ignore[operator]
    fit = float((rates - torch.cat((v, a), -1)).abs().sum(-1).mean())
    way = forecast(exact, case.starts(plan.starts), plan.times, scheme=RungeKutta(RK4))
    wrong = way.energy_error(case.system.energy, case.scale)[-1]
    energy = float(wrong.nan_to_num(1.0).clamp(max=1.0).mean())
    whole = way.whole
    path = float((way.states - truth)[:, whole].norm(dim=-1).mean())
    own = float("nan")
    if hasattr(exact, "energy") and bool(whole.any()):
        with torch.no_grad():
            kept = exact.energy(way.states[:, whole])  # type: ignore[operator]
        own = float((kept - kept[0]).abs().max() / (kept[0].max() - kept[0].min()))
    return fit, energy, path, own, int((~whole | wrong.isnan()).sum())


def sweep(case: Case, arm: Arm, plan: Plan, budgets: Sequence[int], seeds: Sequence[int], truth: Tensor) -> Judged:
    """Train ``arm`` anew for each budget of steps and each seed, and judge it by the states of ``truth``."""
    found = np.empty((6, len(budgets), len(seeds)))
    models: list[list[nn.Module]] = [[] for _ in budgets]
    for i, steps in enumerate(budgets):
        for k, seed in enumerate(seeds):
            model, seconds = train(case, arm, plan, steps, seed)
            found[:, i, k] = (*judge(model, case, plan, seed, truth), seconds)
            models[i].append(model)
    return Judged(*found, models)  # type: ignore[call-arg]


def versus(
    case: Case, plan: Plan, budgets: Sequence[int], seeds: Sequence[int], *, last: Sequence[str] = ()
) -> dict[str, Judged]:
    """Sweep the Lagrangian network and the baseline over all budgets, the arms ``last`` over the last one."""
    arms = {"Lagrangian": budgets, "baseline": budgets, **dict.fromkeys(last, budgets[-1:])}
    truth = case.truth(case.starts(plan.starts), plan.times)
    return {name: sweep(case, ARMS[name], plan, steps, seeds, truth) for name, steps in arms.items()}


def table(found: dict[str, Judged]) -> str:
    """Return means over the seeds at the last budget, a line for each arm."""
    rows = [f"{'':14}{'fit':>9}{'energy':>9}{'path':>8}{'lost':>6}"]
    for name, one in found.items():
        fit, energy, path, lost = (x[-1].mean() for x in (one.fit, one.energy, one.path, one.lost))
        rows.append(f"{name:14}{fit:9.4f}{energy:9.4f}{path:8.3f}{lost:6.1f}")
    return "\n".join(rows)


def zero(case: Case, plan: Plan, seeds: Sequence[int]) -> np.ndarray:
    """Return the fit (seeds,) of no acceleration at all: the control of every fit."""
    return np.array([float(case.sample(plan.test, seed, "fresh")[2].abs().mean()) for seed in seeds])


def still(case: Case, plan: Plan) -> float:
    """Return the path's distance of a body that stays where it starts: it keeps every energy."""
    starts = case.starts(plan.starts)
    return float((starts - case.truth(starts, plan.times)).norm(dim=-1).mean())
