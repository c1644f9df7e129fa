"""What a step tells of itself: its size, its error and how stiff the equation was there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth.schemes.adaptive.common import Step, Steps
from contdepth.schemes.adaptive.explicit import ExplicitSteps

__all__ = ["Record", "recorded_step"]


@dataclass(frozen=True)
class Record:
    """Accepted steps, each ``(steps,)``; ``error`` and ``stiffness`` can be differentiated.

    ``t`` and ``h`` are start and signed size, ``error`` the error as a share of the allowed one, ``stiffness``
    the estimate of Shampine 1977: the norm of the change of the slope from the last stage but one to the last,
    both at the step's end, over that of the change of the state.
    """

    t: Tensor
    h: Tensor
    error: Tensor
    stiffness: Tensor

    @classmethod
    def of(cls, steps: list[tuple[Tensor, Tensor, Tensor, Tensor]]) -> Record:
        """Return the record of ``steps``, each made by :func:`recorded_step`."""
        return cls(*(torch.stack(column) for column in zip(*steps, strict=True)))


def recorded_step(steps: Steps, step: Step) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return start, size, error and stiffness of the last step; ``steps`` recorded it."""
    assert isinstance(steps, ExplicitSteps)
    change = torch.linalg.vector_norm((steps.slopes[-1] - steps.slopes[-2]) / step.h)
    moved = torch.linalg.vector_norm(step.after - steps.before_last)
    still = moved == 0
    stiffness = torch.where(still, 0.0, change) / torch.where(still, 1.0, moved)
    h = torch.tensor(step.h, dtype=step.t.dtype, device=step.t.device)
    return step.t.detach(), h, step.error, stiffness
