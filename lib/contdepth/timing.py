"""Seconds that tasks take, measured side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

from contdepth import checks

__all__ = ["cpu_seconds", "gpu_seconds"]


def cpu_seconds(tasks: Mapping[str, Callable[[], object]], rounds: int = 3) -> dict[str, float]:
    """Median CPU seconds of each task, the tasks interleaved in each of ``rounds`` rounds after one warm-up.

    Process time, so other programs' load does not count; run with ``torch.set_num_threads(1)``, since several
    threads' times add up.
    """
    return medians(tasks, checks.integer("rounds", rounds, at_least=1), time.process_time)


def gpu_seconds(tasks: Mapping[str, Callable[[], object]], rounds: int = 10) -> dict[str, float]:
    """Median seconds of each task on the current CUDA device, interleaved, after one warm-up round.

    Raises:
        RuntimeError: no CUDA device.
    """
    if not torch.cuda.is_available():
        raise RuntimeError("gpu_seconds: expected a CUDA device, found none; use cpu_seconds")

    def clock() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return medians(tasks, checks.integer("rounds", rounds, at_least=1), clock)


def medians(
    tasks: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Median by ``clock`` of each task over ``rounds`` rounds, the first round of all left out."""
    checks.instance("tasks", tasks, Mapping)  # type: ignore[type-abstract]
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(rounds + 1):
        for name, task in tasks.items():
            start = clock()
            task()
            if turn:
                taken[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in taken.items()}
