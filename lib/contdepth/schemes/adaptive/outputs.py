"""States at the times asked for, from a step that passes them."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth.schemes.adaptive.common import Step
from contdepth.schemes.adaptive.setting import Setting

__all__ = ["passed", "states"]


def passed(offsets: list[float], start: int, end: float) -> int:
    """Return the first index from ``start`` whose offset lies beyond ``end``."""
    while start < len(offsets) and abs(offsets[start]) <= abs(end):
        start += 1
    return start


def states(setting: Setting, step: Step, t: Tensor, start: int, stop: int) -> list[Tensor]:
    """Return the states at the times ``start`` … ``stop`` - 1, inside a step or at its end."""
    offsets, steps = setting.offsets[start:stop], setting.steps
    if setting.moving:
        theta = (t[start:stop] - t[0] - step.at) / step.h
        return list(steps.inside(step.before, step.after, theta).unbind())
    ends = offsets[-1] == step.end
    shares = [(offset - step.at) / step.h for offset in (offsets[:-1] if ends else offsets)]
    if not shares:
        return [step.after]
    theta = torch.tensor(shares, dtype=torch.float64, device=step.after.device)
    found = list(steps.inside(step.before, step.after, theta).unbind())
    return [*found, step.after] if ends else found
