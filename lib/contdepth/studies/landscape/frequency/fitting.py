"""Three waves learned by Adam or by gradient descent, and when each of them is there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contdepth.studies.landscape.frequency.members import Design, outputs, start
from contdepth.training import mode_errors

__all__ = ["MODES", "Course", "fit_waves", "points", "waves"]

MODES = (1, 3, 5)
CLOSE = 0.1
"""A mode is there when its relative error is below this."""


@dataclass(frozen=True)
class Course:
    """``steps`` (T,) that were looked at, ``errors`` (T, S, 3) of the modes; ``first`` (S, 3) steps below 0.1.

    A mode that never came below has ``inf``.
    """

    steps: np.ndarray
    errors: np.ndarray

    @property
    def first(self) -> np.ndarray:
        below = self.errors < CLOSE
        found = np.where(below.any(0), self.steps[below.argmax(0)], np.inf)
        return np.asarray(found, dtype=float)

    @property
    def in_order(self) -> np.ndarray:
        """1 for a seed in which low frequencies came strictly first, (S,); never is later than any step."""
        first = self.first
        return ((first[:, 0] < first[:, 1]) & (first[:, 1] < first[:, 2])).astype(float)


def points(count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Equally spaced in [-π, π) without the second end, (count, 1)."""
    grid = torch.arange(count, dtype=torch.float64) * (2 * math.pi / count) - math.pi
    return grid[:, None].to(dtype)


def waves(x: Tensor) -> Tensor:
    """sin x + sin 3x + sin 5x at x (n, 1), (n,)."""
    return torch.stack([torch.sin(k * x[:, 0]) for k in MODES]).sum(0)


def fit_waves(
    design: Design,
    seeds: Sequence[int],
    *,
    rule: str = "adam",
    rate: float = 1e-3,
    most: int = 4000,
    count: int = 64,
    look: int = 10,
    momentum: float = 0.0,
) -> Course:
    """Full batches of ``count`` points; every ``look`` steps the modes are looked at, until all are close.

    ``rule``: ``"adam"`` or ``"descent"``, with ``momentum``.
    """
    x = points(count)
    y = waves(x)
    parameters = [part.to(x.dtype).requires_grad_() for part in start(design, seeds)]
    if rule == "adam":
        optimiser: torch.optim.Optimizer = torch.optim.Adam(parameters, lr=rate)
    else:
        optimiser = torch.optim.SGD(parameters, lr=rate, momentum=momentum)
    steps, errors = [], []
    done = np.zeros((len(seeds), len(MODES)), dtype=bool)
    for step in range(most + 1):
        found = outputs(design, parameters, x)[..., 0]
        if step % look == 0:
            now = mode_errors(found.detach(), y, MODES).numpy()
            steps.append(step)
            errors.append(now)
            done |= now < CLOSE
            if done.all():
                break
        optimiser.zero_grad()
        (found - y).square().mean(1).sum().div(2).backward()
        optimiser.step()
    return Course(np.array(steps), np.array(errors))
