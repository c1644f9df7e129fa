"""The devices of this machine, asked for without PyTorch, and which worker is given which."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from companion.machine import cores

__all__ = ["Slot", "Worker", "gpus", "workers_for"]

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Worker:
    """One process at a time, with ``threads`` threads and at most one GPU, by the name that CUDA knows it by."""

    threads: int
    gpu: str | None = None

    def takes(self, device: str) -> bool:
        """Tell whether a piece for ``device`` can be computed."""
        return device == "cpu" or self.gpu is not None

    def environment(self, device: str) -> dict[str, str]:
        """Return the variables of a piece's process: one on the CPU sees no GPU."""
        return {VISIBLE: self.gpu or "" if device == "cuda" else ""}


@dataclass(frozen=True)
class Slot(Worker):
    """Room for one piece somewhere; the engine gives it its device."""

    def takes(self, device: str) -> bool:
        """Tell that a piece for any device can be given out."""
        return True

    def environment(self, device: str) -> dict[str, str]:
        """Return the variables of a piece's process: one on the CPU sees no GPU."""
        return {VISIBLE: ""} if device == "cpu" else {}


def gpus() -> list[str]:
    """Return the GPUs that this process may use, by their numbers or as ``CUDA_VISIBLE_DEVICES`` names them."""
    named = os.environ.get(VISIBLE)
    if named is None:
        return [str(number) for number in range(_installed())]
    return [name for name in named.replace(" ", "").split(",") if name not in ("", "-1", "NoDevFiles")]


@cache
def _installed() -> int:
    try:
        asked = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in asked.stdout.splitlines())


def workers_for(count: int, found: Iterable[str] | None = None) -> list[Worker]:
    """Return ``count`` workers that share the processors; the first ones have a GPU each, as long as there are.

    ``found``: the GPUs; default: those of this machine.
    """
    named = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(named) if named.isdigit() and int(named) else max(1, cores() // count)
    free = iter(gpus() if found is None else found)
    return [Worker(threads, next(free, None)) for _ in range(count)]
