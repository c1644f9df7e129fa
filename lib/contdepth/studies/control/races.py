"""CPU seconds until the value at the origin is near the exact one."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from torch import Tensor

__all__ = ["Course", "course", "seconds_to"]


class Course:
    """``times`` (n,) and ``values`` (n, S): CPU seconds since the start and the values then, one for each call."""

    def __init__(self) -> None:
        self.begun, self.seen, self.read = time.process_time(), list[float](), list[list[float]]()

    def __call__(self, done: int, value: Tensor) -> None:
        self.seen.append(time.process_time() - self.begun)
        self.read.append(value.tolist())

    @property
    def times(self) -> np.ndarray:
        return np.array(self.seen)

    @property
    def values(self) -> np.ndarray:
        return np.array(self.read)


def course(train: Callable[[Course], object]) -> Course:
    """Let ``train`` call a course after each iteration; return it."""
    watched = Course()
    train(watched)
    return watched


def seconds_to(run: Course, exact: float, within: float) -> float:
    """The first time at which a value is within the relative distance; infinite if none."""
    near = np.any(np.abs(run.values / exact - 1) <= within, axis=1).ravel()
    return float(run.times[int(near.argmax())]) if near.any() else float("inf")
