"""Kinds of symmetry with equal effort, and all flows judged alike: by finer steps than they learnt with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from contdepth.flows import DualIsing
from contdepth.seeds import generator
from contdepth.studies.flows.mongeampere.measures import Judged, discrete_error, finer, judge
from contdepth.studies.flows.mongeampere.shuffled import ShuffledFlow
from contdepth.studies.flows.mongeampere.training import Arm, Fit, fits

__all__ = ["FINE", "PUBLISHED_GAP", "Told", "contest", "judged", "law_distance", "return_error"]

FINE = 20
"""Steps of RK4 by which a trained flow is judged."""

PUBLISHED_GAP = -2.2939 - -2.31592
"""Of the authors' stored run, 16 x 16 sites: the mean of its last ten entries above the exact free energy."""


class Told(NamedTuple):
    """Of an arm: gaps a site by its own steps and true ones, ``(seeds,)``, and the flows."""

    told: np.ndarray
    true: np.ndarray
    fits: list[Fit]


@torch.no_grad()
def judged(found: Sequence[Fit], model: DualIsing, draws: int, steps: int = FINE) -> list[Judged]:
    """Judge each flow by ``draws`` fields with ``steps`` steps; a seed has the same points of the base for all."""
    several = []
    for one in found:
        assert not isinstance(one.flow, ShuffledFlow)
        flow = finer(one.flow, steps, torch.float32)
        several.append(judge(model, flow.draw(draws, generator(one.seed, "judge"))))
    return several


def contest(
    model: DualIsing,
    kinds: Sequence[str],
    rows: int,
    iterations: int,
    rates: Sequence[float],
    seeds: Sequence[int],
) -> dict[str, Told]:
    """Train every kind of ``Arm.symmetry`` with as many rows, iterations and rates.

    A flow by chance is judged with the steps it learnt with and the determinant of the map that these are, for the
    permutations that were drawn: the mixture over them is nearer still.
    """
    several = {}
    for kind in kinds:
        found = fits(Arm(model.side, kind, rows, iterations), model, rates, seeds)
        if kind == "random":
            told, more = [], []
            for one in found:
                with torch.no_grad():
                    told.append(judge(model, one.flow.draw(2000, generator(one.seed, "judge"))).gap)
                more.append(discrete_error(one.flow, 200, one.seed).mean())
            several[kind] = Told(np.array(told), np.array(told) + np.array(more), found)
        else:
            own = [one.gap for one in judged(found, model, 2000, Arm(model.side).steps)]
            true = [one.gap for one in judged(found, model, 2000)]
            several[kind] = Told(np.array(own), np.array(true), found)
    return several


@torch.no_grad()
def return_error(fit: Fit, steps: int, count: int) -> float:
    """Mean |z - z(x(z))| over coordinates of a flow by chance, new permutations on the way back."""
    flow, source = fit.flow, generator(fit.seed, "return")
    assert isinstance(flow, ShuffledFlow)
    now = ShuffledFlow(flow.potential, flow.symmetries, flow.time, steps)
    z = now.base(count, source)
    x = now.carried(z, now.order(count, source)).x
    return float((now.carried(x, now.order(count, source), -1.0).x - z).abs().mean())


def law_distance(one: np.ndarray, two: np.ndarray) -> float:
    """Total variation of two laws on the same values."""
    return float(np.abs(one - two).sum()) / 2
