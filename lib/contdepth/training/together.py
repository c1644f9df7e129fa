"""Several runs of ``fit`` at once: on a device that records steps, each in a lane of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch

from contdepth import checks, devices
from contdepth.training.loop import Fit, check_cublas, deterministic_algorithms, fitting

__all__ = ["fit_together"]


def fit_together(
    runs: Sequence[Mapping[str, Any]], *, device: str | torch.device = "cpu", deterministic: bool = False
) -> list[Fit]:
    """``[fit(**run) for run in runs]`` on one device, seeds and arms side by side.

    ``runs``: the arguments of each, without ``device`` and ``deterministic``; no two may share a model. On CUDA
    the runs take their steps in turn, each on a stream of its own, so that a small net leaves no part of the
    device idle: a step is one launch, and the launches of one run do not wait for the kernels of another.
    Elsewhere they are made one after another. Either way each run is the one that ``fit`` makes alone.

    Raises:
        TypeError, ValueError: no run, arguments that ``fit`` does not take, a model that is trained twice.
    """
    device = devices.named("device", device)
    check_cublas(device, deterministic)
    jobs = [dict(checks.instance("runs", run, Mapping)) for run in checks.several("runs", runs, "of dictionaries")]  # type: ignore[type-abstract]
    if not jobs:
        raise ValueError("runs: expected at least one, found none")
    if len({id(job.get("model")) for job in jobs}) < len(jobs):
        raise ValueError("runs: expected a model for each, found one in two of them; it would be trained twice")
    lanes = [devices.lane(device) for _ in jobs]
    with ExitStack() as kept:
        kept.enter_context(devices.random_state_kept(device))
        kept.enter_context(deterministic_algorithms(deterministic))
        going = [fitting(**job, device=device) for job in jobs]
        results: dict[int, Fit] = {}
        while waiting := [n for n, one in enumerate(going) if one is not None]:
            for n in waiting if devices.records(device) else waiting[:1]:
                with lanes[n]():
                    done = next(going[n], None)
                if done is None:
                    going[n] = None  # type: ignore[call-overload]
                else:
                    results[n] = done
    return [results[n] for n in range(len(jobs))]
