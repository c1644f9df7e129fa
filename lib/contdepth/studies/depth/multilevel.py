"""Multi-level training against nets of full depth from the start: errors, work, CPU seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from contdepth import checks
from contdepth.nets import stepped_resnet
from contdepth.parallel import run_all
from contdepth.training import Levels, Recipe, fit_levels
from contdepth.training.evaluation import Pair

__all__ = ["ARMS", "Contest", "contest", "train_arm"]

ARMS = (
    "multi-level",
    "full depth, same cycles",
    "full depth, equal work",
    "multi-level, by time",
    "full depth, by time",
    "full depth, equal work, by time",
    "first depth, by time",
)


@dataclass(frozen=True)
class Contest:
    """By arm: test errors in percent, CPU seconds of training, (seeds,); work; and curves.

    ``work[arm]``: blocks times epochs. ``curves[arm]``: work done and training error in percent after every
    epoch, (epochs,) and (seeds, epochs).
    """

    seeds: tuple[int, ...]
    errors: dict[str, np.ndarray]
    seconds: dict[str, np.ndarray]
    work: dict[str, int]
    curves: dict[str, tuple[np.ndarray, np.ndarray]]

    def saved(self, arm: str, baseline: str) -> float:
        """Median CPU seconds of ``arm`` below those of ``baseline``, in percent."""
        return 100 * float(1 - np.median(self.seconds[arm]) / np.median(self.seconds[baseline]))


def plan(arm: str, depth: int, recipe: Recipe, cycles: int, lr_by_time: float) -> tuple[int, list[Recipe], bool]:
    """Blocks at the start, recipes of the cycles, and whether depth grows.

    Equal work: at full depth by one cycle, as many epochs as have the blocks times epochs of multi-level.
    """
    coarse, rest = divmod(depth, 2 ** (cycles - 1))
    if rest:
        checks.fail("depth", f"a multiple of {2 ** (cycles - 1)}", depth)
    work = recipe.epochs * sum(coarse * 2**cycle for cycle in range(cycles))
    if work % depth:
        checks.fail("recipe", f"epochs that make {work} a multiple of {depth}", recipe.epochs)
    if arm.endswith("by time"):
        recipe = replace(recipe, lr=lr_by_time)
    name, epochs = arm.removesuffix(", by time"), work // depth if "work" in arm else cycles * recipe.epochs
    one_cycle = [replace(recipe, epochs=epochs, test_every=epochs)]
    if name in ("multi-level", "full depth, same cycles"):
        grow = name == "multi-level"
        return (coarse if grow else depth), [recipe] * cycles, grow
    return (coarse if name == "first depth" else depth), one_cycle, False


def train_arm(
    arm: str,
    depth: int,
    train: Pair,
    test: Pair,
    recipe: Recipe,
    seed: int,
    *,
    lr_by_time: float,
    width: int,
    cycles: int,
) -> dict[str, Any]:
    """Train one arm with one seed: a job for ``contdepth.parallel.run_all``."""
    blocks, recipes, grow = plan(checks.one_of("arm", arm, ARMS), depth, recipe, cycles, lr_by_time)
    net = stepped_resnet((blocks,), width=width, in_channels=train[0].shape[1], seed=seed)
    settings = {"grow": grow, "by_time": arm.endswith("by time"), "progress": False}
    start = time.process_time()
    done = fit_levels(net, train, test, recipes, seed=seed, **settings)  # type: ignore[arg-type]
    return {
        "seconds": time.process_time() - start,
        "error": done.test_error,
        "work": done.block_epochs,
        "steps": _work(done),
        "curve": [error for fit in done.fits for error in fit.history["train_error"]],
    }


def contest(
    depth: int,
    train: Pair,
    test: Pair,
    recipe: Recipe,
    seeds: Sequence[int],
    *,
    lr_by_time: float,
    width: int,
    cycles: int = 3,
    workers: int = 1,
) -> Contest:
    """Train every arm with every seed; all but the last end with one stage of ``depth`` blocks, h = 1/depth.

    ``recipe`` is that of one cycle. Multi-level: ``cycles`` of them, the depth doubled before each but the first.
    Same cycles: the same at full depth. Full depth by time, and first depth (the net with which multi-level
    begins): as many epochs by one cycle of the rate. Equal work: see ``plan``. The arms by time have the peak rate
    ``lr_by_time`` and gradients of blocks multiplied by 1/h (see ``fit_levels``).

    Raises:
        ValueError: ``depth`` is no multiple of 2 ** (cycles - 1), or the epochs of equal work are not whole.
    """
    settings = {"lr_by_time": lr_by_time, "width": width, "cycles": cycles}
    jobs: list[dict[str, Any]] = [
        {"arm": arm, "depth": depth, "train": train, "test": test, "recipe": recipe, "seed": seed, **settings}
        for seed in seeds
        for arm in ARMS
    ]
    done: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for job, one in zip(jobs, run_all(train_arm, jobs, workers), strict=True):
        done[job["arm"]].append(one)
    return Contest(
        tuple(seeds),
        {arm: np.array([one["error"] for one in runs]) for arm, runs in done.items()},
        {arm: np.array([one["seconds"] for one in runs]) for arm, runs in done.items()},
        {arm: runs[0]["work"] for arm, runs in done.items()},
        {arm: (runs[0]["steps"], np.array([one["curve"] for one in runs])) for arm, runs in done.items()},
    )


def _work(one: Levels) -> np.ndarray:
    """Blocks times epochs done after every epoch: (epochs,)."""
    per_epoch = [blocks for blocks, fit in zip(one.blocks, one.fits, strict=True) for _ in fit.history["epoch"]]
    return np.cumsum(per_epoch)
