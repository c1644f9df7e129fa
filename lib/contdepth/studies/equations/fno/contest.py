"""Arms beside each other: every seed has functions, first weights and an order of its own, one set judges all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from contdepth.pde import FourierNeuralOperator, relative_error
from contdepth.seeds import derive
from contdepth.studies.equations.fno.arms import Arm, Plan, errors, trained
from contdepth.studies.equations.fno.tasks import Task, drifting_heat, level

__all__ = ["Contest", "contest", "guesses", "shown", "starts"]


@dataclass(frozen=True)
class Contest:
    """What was trained and measured: by arm the ``nets`` of each seed and their ``errors`` (seeds, grids)."""

    task: Task
    grids: tuple[int, ...]
    fresh: tuple[Tensor, Tensor]
    nets: dict[str, list[FourierNeuralOperator]]
    errors: dict[str, np.ndarray]

    def ratio(self, over: str, under: str) -> np.ndarray:
        """Return the error of the first arm over that of the second on the grid of training, (seeds,)."""
        return self.errors[over][:, 0] / self.errors[under][:, 0]


def shown(task: Task, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the ``n`` pairs that a seed is trained on."""
    a = starts(task, n, seed)
    return a, task.later(a)


def starts(task: Task, n: int, seed: int) -> Tensor:
    """Return the first ``n`` functions that a seed is trained on, (n, 1, fine)."""
    return task.drawn(n, derive(seed, "shown") % 2**31)


def contest(
    task: Task, arms: Mapping[str, Arm], plan: Plan, seeds: Sequence[int], grids: Sequence[int]
) -> Contest:
    """Train every arm with every seed and judge it on ``grids``, the first of them that of the training."""
    fresh = task.pairs(plan.judged, derive(0, "judged") % 2**31)
    nets: dict[str, list[FourierNeuralOperator]] = {name: [] for name in arms}
    for seed in seeds:
        pairs = shown(task, plan.functions, seed)
        for name, arm in arms.items():
            nets[name].append(trained(arm, pairs, plan, seed))
    found = {name: np.array([errors(net, fresh, grids) for net in row]) for name, row in nets.items()}
    return Contest(task, tuple(grids), fresh, nets, found)


def guesses(task: Task, fresh: tuple[Tensor, Tensor]) -> dict[str, float]:
    """Return the mean relative errors of what needs no net: a as it is, its mean, its drift and heat."""
    a, u = fresh
    tried = {"unchanged": a, "mean": level(a), "drift and heat": drifting_heat(a, task.viscosity)}
    return {name: relative_error(guess, u).mean().item() for name, guess in tried.items()}
