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
    checks.integer("rounds", rounds, at_least=1)
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(rounds + 1):
        for name, task in tasks.items():
            clock = time.process_time()
            task()
            if turn:
                taken[name].append(time.process_time() - clock)
    return {name: statistics.median(values) for name, values in taken.items()}


def gpu_seconds(tasks: Mapping[str, Callable[[], object]], rounds: int = 10) -> dict[str, float]:
    """Median seconds of each task on the current CUDA device, interleaved, after one warm-up round.

    Raises:
        RuntimeError: no CUDA device.
    """
    if not torch.cuda.is_available():
        raise RuntimeError("gpu_seconds: expected a CUDA device, found none; use cpu_seconds")
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(checks.integer("rounds", rounds, at_least=1) + 1):
        for name, task in tasks.items():
            torch.cuda.synchronize()
            clock = time.perf_counter()
            task()
            torch.cuda.synchronize()
            if turn:
                taken[name].append(time.perf_counter() - clock)
    return {name: statistics.median(values) for name, values in taken.items()}
