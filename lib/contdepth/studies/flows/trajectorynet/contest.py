"""Flows with and without a price on their path against optimal pairs, all judged at times that were hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from contdepth.flows import TrajectoryFlow, wasserstein1, wasserstein2
from contdepth.seeds import generator
from contdepth.studies.flows.trajectorynet.training import Plan, train
from contdepth.studies.flows.trajectorynet.truths import Truth, mirrored

__all__ = ["Judged", "apart", "between", "chosen", "floors", "judge", "pairs", "snapshots", "sweep", "widened"]


@dataclass(frozen=True)
class Judged:
    """What was measured on a ``flow``: entries by weight and seed, or of one flow.

    ``spent`` is the mean of ∫|f|² dt of fresh points, ``least`` ΣW₂²/Δt between their own laws at the times shown,
    ``middle`` the mean of W₁ over the hidden times, ``end`` W₁ at the last time.
    """

    spent: np.ndarray
    least: np.ndarray
    middle: np.ndarray
    end: np.ndarray
    flow: list[list[TrajectoryFlow]]


def snapshots(truth: Truth, n: int, seed: int) -> list[Tensor]:
    """The samples that are shown, one for each time."""
    return [truth.draw(n, t, seed, "shown") for t in truth.times]


def judge(flow: TrajectoryFlow, truth: Truth, n: int, seed: int) -> tuple[float, float, float, float]:
    """Return what ``Judged`` holds, of one flow on ``n`` fresh points."""
    z, stops = mirrored(n, seed, "judged"), sorted({*truth.times, *truth.hidden})
    with torch.no_grad():
        found = dict(zip(stops, flow.paths(z, stops[0], stops), strict=True))
        spent = float(flow.energy(z, stops[0], stops[-1]).mean())
    shown = list(zip(truth.times, truth.times[1:], strict=False))
    least = sum(float(wasserstein2(found[a], found[b])) ** 2 / (b - a) for a, b in shown)
    middle = np.mean([apart(found[t], truth, t, seed) for t in truth.hidden])
    return spent, least, float(middle), apart(found[stops[-1]], truth, stops[-1], seed)


def apart(x: Tensor, truth: Truth, t: float, seed: int) -> float:
    """Return W₁ of ``x`` from as many fresh points of the law at time ``t``, a mean over four draws of these."""
    laws = [truth.draw(len(x), t, seed, f"law {draw}") for draw in range(4)]
    return float(np.mean([wasserstein1(x, law).item() for law in laws]))


def sweep(
    truth: Truth, plan: Plan, weights: Sequence[float], seeds: Sequence[int], *, jacobian: bool = False
) -> Judged:
    """Train a flow for each weight and seed; with ``jacobian`` the weight is also that of ∫|J|² dt."""
    found = np.empty((4, len(weights), len(seeds)))
    flows: list[list[TrajectoryFlow]] = []
    for i, weight in enumerate(weights):
        flows.append([])
        for k, seed in enumerate(seeds):
            price = {"energy": weight, "jacobian": weight if jacobian else 0.0}
            shown = snapshots(truth, plan.points, seed)
            flows[-1].append(train(shown, truth.times, plan, seed, **price))
            found[:, i, k] = judge(flows[-1][-1], truth, plan.judged, seed)
    spent, least, middle, end = found
    return Judged(spent, least, middle, end, flows)


def floors(truth: Truth, n: int, seeds: Sequence[int]) -> np.ndarray:
    """Return W₁ at the hidden times of points that are moved as the truth is, (seeds,): the sampling floor."""
    z = [mirrored(n, seed, "judged") for seed in seeds]
    found = [[apart(truth.at(x, t), truth, t, s) for t in truth.hidden] for x, s in zip(z, seeds, strict=True)]
    return np.mean(found, axis=1)


def pairs(x: Tensor, y: Tensor) -> Tensor:
    """Return ``y`` in the order in which its points are the partners of those of ``x``, by squared distance."""
    costs = torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    return y[torch.from_numpy(linear_sum_assignment(costs.numpy())[1])]


def between(x: Tensor, y: Tensor) -> Tensor:
    """Return the middles of the straight lines between optimal pairs (McCann 1997)."""
    return (x + pairs(x, y)) / 2


def widened(truth: Truth, plan: Plan, noises: Sequence[float], seeds: Sequence[int]) -> np.ndarray:
    """Return W₁ at the hidden times of interpolated optimal pairs of all points shown, (noises, seeds)."""
    found = np.empty((len(noises), len(seeds)))
    for k, seed in enumerate(seeds):
        shown = snapshots(truth, plan.points, seed)
        lines = [between(x, y) for x, y in zip(shown, shown[1:], strict=False)]
        for i, noise in enumerate(noises):
            source = generator(seed, "noise")
            loud = [(x + noise * torch.randn(x.shape, generator=source))[: plan.judged] for x in lines]
            found[i, k] = np.mean([apart(x, truth, t, seed) for x, t in zip(loud, truth.hidden, strict=True)])
    return found


def chosen(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each seed the value (seeds,) at the setting that is best on the mean of all others, and which.

    ``values`` are (settings, seeds), the smaller the better. Every arm is given its setting in this way.
    """
    others = (values.sum(1, keepdims=True) - values).argmin(0)
    return values[others, np.arange(values.shape[1])], others
