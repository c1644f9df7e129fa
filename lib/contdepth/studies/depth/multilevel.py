"""Multi-level training against nets of full depth from the start: errors, work, CPU seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from contdepth import checks
from contdepth.nets import stepped_resnet
from contdepth.training import Levels, Recipe, fit_levels
from contdepth.training.evaluation import Pair

__all__ = ["ARMS", "Contest", "contest"]

ARMS = (
    "multi-level",
    "full depth, same cycles",
    "full depth, one cycle",
    "full depth, equal work",
    "first depth, one cycle",
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


def contest(
    depth: int, train: Pair, test: Pair, recipe: Recipe, seeds: Sequence[int], *, width: int, cycles: int = 3
) -> Contest:
    """Train every arm with every seed; all but the last end with one stage of ``depth`` blocks, h = 1/depth.

    ``recipe`` is that of one cycle. Multi-level: ``cycles`` of them, the depth doubled before each but the first.
    Same cycles: the same at full depth. One cycle: as many epochs by one cycle of the rate. Equal work: at full
    depth by one cycle, with as many epochs as have the blocks times epochs of multi-level, which must be whole.
    First depth: the net with which multi-level begins, for as many epochs by one cycle, never prolonged.

    Raises:
        ValueError: ``depth`` is no multiple of 2 ** (cycles - 1), or the epochs of equal work are not whole.
    """
    coarse, rest = divmod(depth, 2 ** (cycles - 1))
    if rest:
        checks.fail("depth", f"a multiple of {2 ** (cycles - 1)}", depth)
    work = recipe.epochs * sum(coarse * 2**cycle for cycle in range(cycles))
    if work % depth:
        checks.fail("recipe", f"epochs that make {work} a multiple of {depth}", recipe.epochs)

    def long(epochs: int) -> list[Recipe]:
        return [replace(recipe, epochs=epochs, test_every=epochs)]

    plans = dict(
        zip(
            ARMS,
            (
                (coarse, [recipe] * cycles, True),
                (depth, [recipe] * cycles, False),
                (depth, long(cycles * recipe.epochs), False),
                (depth, long(work // depth), False),
                (coarse, long(cycles * recipe.epochs), False),
            ),
            strict=True,
        )
    )
    done: dict[str, list[Levels]] = {arm: [] for arm in ARMS}
    seconds: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for seed in seeds:
        for arm, (blocks, recipes, grow) in plans.items():
            net = stepped_resnet((blocks,), width=width, in_channels=train[0].shape[1], seed=seed)
            start = time.process_time()
            done[arm].append(fit_levels(net, train, test, recipes, seed=seed, grow=grow, progress=False))
            seconds[arm].append(time.process_time() - start)
    return Contest(
        tuple(seeds),
        {arm: np.array([one.test_error for one in runs]) for arm, runs in done.items()},
        {arm: np.array(values) for arm, values in seconds.items()},
        {arm: runs[0].block_epochs for arm, runs in done.items()},
        {arm: (_work(runs[0]), np.array([_errors(one) for one in runs])) for arm, runs in done.items()},
    )


def _work(one: Levels) -> np.ndarray:
    per_epoch = [blocks for blocks, fit in zip(one.blocks, one.fits, strict=True) for _ in fit.history["epoch"]]
    return np.cumsum(per_epoch)


def _errors(one: Levels) -> list[float]:
    return [error for fit in one.fits for error in fit.history["train_error"]]
