"""The weight of a regulariser, chosen by one rule for all of them, on pictures kept from training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from contdepth.studies.depth.ode_classifier import Setting, digits, train_classifier

__all__ = ["Choice", "arms", "sweep"]

LOSS = 0.5
"""Points of accuracy that a weight may cost where it is chosen."""

Runs = tuple[dict[str, float], ...]


@dataclass(frozen=True)
class Choice:
    """Runs of a regulariser ``kind`` by weight, seed after seed; weight 0 is the plain net."""

    kind: str
    runs: dict[float, Runs]

    def mean(self, name: str) -> np.ndarray:
        """Means over the seeds of a result, ``(weights,)``."""
        return np.array([np.mean([one[name] for one in runs]) for runs in self.runs.values()])

    @cached_property
    def weight(self) -> float:
        """The weight with the fewest evaluations of those that cost at most half a point of accuracy.

        Among equals the more accurate one, then the smaller one; 0 if every weight costs more.
        """
        accuracy, evaluations = self.mean("accuracy"), self.mean("evaluations")
        weights = list(self.runs)
        fit = [n for n in range(len(weights)) if accuracy[n] >= accuracy[weights.index(0.0)] - LOSS]
        return weights[min(fit, key=lambda n: (evaluations[n], -accuracy[n], weights[n]))]


def sweep(
    grids: Mapping[str, Sequence[float]], seeds: Sequence[int], setting: Setting, limit: int = 1348
) -> dict[str, Choice]:
    """Train with each weight of each kind, and the plain net once for all kinds.

    Args:
        grids: kind of :func:`train_classifier` → weights above 0.
        seeds: of the trainings; others than those that are judged later.
        setting: how all train.
        limit: training pictures at most, a fifth of which chooses.
    """
    data = digits("choose", limit)

    def runs(kind: str, weight: float) -> Runs:
        return tuple(train_classifier(data, kind, weight, seed, setting) for seed in seeds)

    plain = runs("none", 0.0)
    return {
        kind: Choice(kind, {0.0: plain} | {weight: runs(kind, weight) for weight in grid})
        for kind, grid in grids.items()
    }


def arms(
    weights: Mapping[str, float], seeds: Sequence[int], setting: Setting, limit: int = 1348
) -> dict[str, dict[str, np.ndarray]]:
    """Train each kind at its weight and judge it on the test pictures: kind → result → values ``(seeds,)``."""
    data = digits("judge", limit)
    found = {}
    for kind, weight in weights.items():
        runs = [train_classifier(data, kind, weight, seed, setting) for seed in seeds]
        found[kind] = {name: np.array([one[name] for one in runs]) for name in runs[0]}
    return found
