"""Filters beside the exact one at few and at many series, all trained in one way and judged on fresh series."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from contdepth.recurrent import GRUODEBayes, Series
from contdepth.studies.sequences.gruode.simple import last_value, mean_value
from contdepth.studies.sequences.gruode.training import ARMS, Plan, fit, mse, nll
from contdepth.studies.sequences.gruode.walks import Told, Walk, draw, exact

__all__ = ["CONTROLS", "Judged", "drawn", "judged", "resolution", "resolved", "run", "tail", "typed", "with_pull"]

CONTROLS = ("last value", "mean")


@dataclass(frozen=True)
class Judged:
    """Losses and squared errors of ``names``, ``(names, seeds)`` each, CPU seconds of the trainings, the nets."""

    names: tuple[str, ...]
    nll: np.ndarray
    mse: np.ndarray
    seconds: np.ndarray
    models: dict[str, list[nn.Module]]

    def of(self, name: str) -> np.ndarray:
        """The loss of one name at each seed."""
        return self.nll[self.names.index(name)]

    def squared(self, name: str) -> np.ndarray:
        """The squared error of one name at each seed."""
        return self.mse[self.names.index(name)]


def typed(series: Series, dtype: torch.dtype) -> Series:
    """Return the series with values and times of ``dtype``."""
    return Series(series.values.to(dtype), series.times.to(dtype), series.mask)


def judged(told: Told, series: Series) -> tuple[float, float]:
    """Return loss and squared error of predictions."""
    series = typed(series, told.mean.dtype)
    return float(nll(told.mean, told.log_variance, series)), float(mse(told.mean, series))


def run(
    learnt: Mapping[int, Series],
    judges: Mapping[int, Series],
    plan: Plan,
    rates: Mapping[str, float],
    peers: int,
    walk: Walk | None = None,
) -> Judged:
    """Train all arms on the series of each seed and judge them, the controls, and the exact filter of ``walk``.

    ``peers`` times as many steps are given to the discrete arms, since one of theirs is cheaper.
    """
    names = (*ARMS, *CONTROLS, *(("exact",) if walk else ()))
    found = np.full((3, len(names), len(learnt)), np.nan)
    models: dict[str, list[nn.Module]] = {arm: [] for arm in ARMS}
    for k, (seed, series) in enumerate(learnt.items()):
        fresh = judges[seed]
        for i, arm in enumerate(ARMS):
            start = time.process_time()
            own = plan if i == 0 else replace(plan, steps=peers * plan.steps)
            models[arm].append(fit(arm, series, own, rates[arm], seed))
            found[2, i, k] = time.process_time() - start
            with torch.no_grad():
                found[:2, i, k] = judged(models[arm][-1](fresh), fresh)
        told = [last_value(series, fresh), mean_value(series, fresh), *([exact(walk, fresh)] if walk else [])]
        for i, one in enumerate(told, len(ARMS)):
            found[:2, i, k] = judged(one, fresh)
    return Judged(names, *found, models)  # type: ignore[call-arg]


def drawn(walk: Walk, n: int, seeds: Sequence[int], purpose: str) -> dict[int, Series]:
    """Return ``n`` walks for each seed."""
    return {seed: draw(walk, n, seed, purpose) for seed in seeds}


def with_pull(
    learnt: Mapping[int, Series], judges: Mapping[int, Series], plan: Plan, rate: float, weight: float
) -> np.ndarray:
    """Return the loss (seeds,) of GRU-ODE-Bayes trained with ``weight`` on the second term."""
    found = []
    for seed, series in learnt.items():
        model = fit(ARMS[0], series, plan, rate, seed, weight=weight)
        with torch.no_grad():
            found.append(judged(model(judges[seed]), judges[seed])[0])
    return np.array(found)


def resolved(model: GRUODEBayes, step: float | None, rtol: float = 1e-6) -> GRUODEBayes:
    """Return a copy that passes time by Euler steps of ``step``, or to a tolerance."""
    other = copy.deepcopy(model)
    other.between.step, other.between.rtol, other.between.atol = step, rtol, rtol / 10
    return other


def resolution(
    models: Sequence[GRUODEBayes], judges: Sequence[Series], steps: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return what Euler steps change against the solved equation, ``(steps, seeds)`` each, in float64.

    The first is the root mean square of the change of predicted means over the numbers seen, the second that of
    the loss.
    """
    found = np.empty((2, len(steps), len(models)))
    for k, (model, series) in enumerate(zip(models, judges, strict=True)):
        wide = typed(series, torch.float64)
        with torch.no_grad():
            fine = resolved(model, None, 1e-8).double()(wide)
            best = judged(fine, wide)[0]
            for i, step in enumerate(steps):
                told = resolved(model, step).double()(wide)
                apart = (told.mean - fine.mean)[wide.mask]
                found[:, i, k] = float(apart.square().mean().sqrt()), judged(told, wide)[0] - best
    return found[0], found[1]


def tail(models: Sequence[nn.Module], judges: Sequence[Series], part: float) -> tuple[np.ndarray, np.ndarray]:
    """Return for each seed the median of -ln p over numbers seen, and their mean without the worst ``part``."""
    found = np.empty((2, len(models)))
    for k, (model, series) in enumerate(zip(models, judges, strict=True)):
        with torch.no_grad():
            told = model(series)
        laws = torch.distributions.Normal(told.mean, torch.exp(0.5 * told.log_variance), validate_args=False)
        each = -laws.log_prob(series.values)[series.mask]
        best = each.sort().values[: len(each) - round(part * len(each))]
        found[:, k] = float(each.median()), float(best.mean())
    return found[0], found[1]
