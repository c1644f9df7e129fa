"""Matched comparison: the same recipe, data and seeds for every arm, one checkpoint file per arm and seed."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from contdepth import checks
from contdepth.parallel import prepare_worker, process_settings
from contdepth.training.evaluation import Pair, checked
from contdepth.training.loop import fit
from contdepth.training.recipes import Recipe

__all__ = ["Comparison", "compare"]

Maker = Callable[..., Mapping[str, nn.Module]]


@dataclass(frozen=True)
class Comparison:
    """``errors[arm]``: last-epoch test errors in percent, (seeds,). ``histories[arm][column]``: (seeds, epochs).

    ``k[arm]`` and ``k_start[arm]``: (seeds, blocks) after and before training, for arms that have k.
    """

    seeds: tuple[int, ...]
    errors: dict[str, np.ndarray]
    histories: dict[str, dict[str, np.ndarray]]
    k: dict[str, np.ndarray]
    k_start: dict[str, np.ndarray]

    def gap(self, arm: str, baseline: str) -> np.ndarray:
        """Paired difference errors[arm] - errors[baseline] in percentage points, (seeds,)."""
        return self.errors[arm] - self.errors[baseline]


def one_run(
    make: Maker, arm: str, train: Any, test: Any, recipe: Recipe, seed: int, options: dict[str, Any]
) -> dict[str, Any]:
    """Train one arm with one seed; data may come as numpy arrays (from another process)."""
    train, test = (tuple(torch.as_tensor(part) for part in data) for data in (train, test))
    model = make(seed=seed)[arm]
    ks = getattr(model, "ks", None)
    start = None if ks is None else ks().numpy()
    history = fit(model, train, test, recipe, seed=seed, **options).history
    return {"history": history, "k_start": start, "k": None if ks is None else ks().numpy()}


def compare(
    make: Maker,
    train: Pair,
    test: Pair,
    recipe: Recipe,
    seeds: Sequence[int],
    *,
    checkpoints: Path | str | None = None,
    workers: int = 1,
    device: str = "cpu",
    progress: bool = True,
    **options: Any,
) -> Comparison:
    """Train every arm of ``make(seed=…)`` (a mapping arm -> model, such as ``matched_pair``) with every seed.

    All arms of one seed see the same batches in the same order. With ``checkpoints`` (a folder) each run keeps its
    own file and a second call goes on where the first stopped. ``workers`` > 1 trains that many runs at once, each
    in its own process with one thread; ``make`` must then be importable (a function of a module or a
    ``functools.partial`` of one, no lambda), and a script needs its ``if __name__ == "__main__"`` guard.
    ``options`` go to ``fit``.
    """
    seeds = tuple(checks.integer("seeds", s, at_least=0) for s in seeds)
    if len(set(seeds)) != len(seeds) or not seeds:
        checks.fail("seeds", "at least one seed, none twice", seeds)
    checks.integer("workers", workers, at_least=1)
    train, test = checked("train", train), checked("test", test)
    arms = list(make(seed=seeds[0]))
    jobs = [(arm, seed) for seed in seeds for arm in arms]

    def settings(arm: str, seed: int) -> dict[str, Any]:
        path = None if checkpoints is None else Path(checkpoints) / f"{arm}-{recipe.name}-seed{seed}.pt"
        return {**options, "checkpoint": path, "device": device, "progress": progress and workers == 1}

    done: dict[tuple[str, int], dict[str, Any]] = {}
    if workers == 1:
        for arm, seed in jobs:
            done[arm, seed] = one_run(make, arm, train, test, recipe, seed, settings(arm, seed))
    else:
        arrays = [tuple(part.cpu().contiguous().numpy() for part in data) for data in (train, test)]
        context = multiprocessing.get_context("spawn")
        with (
            ProcessPoolExecutor(workers, context, prepare_worker, (os.getpid(), process_settings())) as pool,
            tqdm(total=len(jobs), disable=None if progress else True, unit="run") as bar,
        ):
            futures = {
                pool.submit(one_run, make, arm, *arrays, recipe, seed, settings(arm, seed)): (arm, seed)  # type: ignore[call-arg, arg-type]
                for arm, seed in jobs
            }
            try:
                for future in as_completed(futures):
                    done[futures[future]] = future.result()
                    bar.update()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return gather(arms, seeds, done)


def gather(arms: Sequence[str], seeds: tuple[int, ...], done: dict[tuple[str, int], dict[str, Any]]) -> Comparison:
    """Stack the runs by arm, seeds in the given order."""
    histories = {
        arm: {
            name: np.array([done[arm, s]["history"][name] for s in seeds])
            for name in done[arm, seeds[0]]["history"]
        }
        for arm in arms
    }
    ks = {
        key: {
            arm: np.stack([done[arm, s][key] for s in seeds])
            for arm in arms
            if done[arm, seeds[0]][key] is not None
        }
        for key in ("k", "k_start")
    }
    errors = {arm: histories[arm]["test_error"][:, -1] for arm in arms}
    return Comparison(seeds, errors, histories, ks["k"], ks["k_start"])
