"""Gradients from checkpoints: steps are chosen without a graph, then taken again in stretches."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from contdepth.schemes.adaptive.common import Step, Walk
from contdepth.schemes.adaptive.explicit import ExplicitSteps
from contdepth.schemes.adaptive.outputs import passed, states
from contdepth.schemes.adaptive.setting import Setting

__all__ = ["from_checkpoints"]

Plan = list[tuple[float, float, float]]


def from_checkpoints(setting: Setting, quiet: Setting, u0: Tensor, t: Tensor) -> tuple[list[Tensor], Walk]:
    """Return the states at the times after the first, and the walk of ``quiet``, which chose the steps.

    Of N steps the states of about √N are kept, and in the backward pass the graph of as many steps at a time.
    """
    walk = Walk(quiet.flow, quiet.steps, quiet.course)
    with torch.no_grad():
        plan = [(step.at, step.h, step.end) for step in walk(u0.detach().contiguous())]
    stretch, u, kept = math.isqrt(len(plan) - 1) + 1, u0.contiguous(), list[Tensor]()
    for start in range(0, len(plan), stretch):
        taken = plan[start : start + stretch]
        u, *found = checkpoint(
            _stretch, setting, t, taken, len(kept) + 1, u, use_reentrant=False, preserve_rng_state=False
        )
        kept += found
    return kept, walk


def _stretch(setting: Setting, t: Tensor, plan: Plan, start: int, u: Tensor) -> tuple[Tensor, ...]:
    """Return the state after the steps of ``plan``, and those at the times from ``start`` that they pass."""
    assert isinstance(setting.steps, ExplicitSteps)
    slope = setting.flow(setting.course.t0 + plan[0][0], u)
    steps, kept = ExplicitSteps(setting.steps.pair, setting.flow, u, slope, True), list[Tensor]()
    for at, h, end in plan:
        time = setting.course.t0 + at
        after, estimate = steps.attempt(time, u, h)
        first, stop = start + len(kept), passed(setting.offsets, start + len(kept), end)
        if stop > first:
            step = Step(at, h, end, time, u, after, estimate)
            kept += states(replace(setting, steps=steps), step, t, first, stop)
        steps.accept()
        u = after
    return u, *kept
