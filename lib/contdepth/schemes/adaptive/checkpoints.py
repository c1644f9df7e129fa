"""Gradients from checkpoints: steps are chosen without a graph, then taken again in stretches."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from contdepth.schemes.adaptive.common import Step, Steps, Walk
from contdepth.schemes.adaptive.explicit import ExplicitSteps
from contdepth.schemes.adaptive.implicit import RosenbrockSteps
from contdepth.schemes.adaptive.outputs import passed, states
from contdepth.schemes.adaptive.setting import Setting
from contdepth.schemes.gradients.held import check_named
from contdepth.schemes.gradients.pulled import all_named, apart

__all__ = ["from_checkpoints", "from_here"]

Plan = list[tuple[float, float, float]]


def from_checkpoints(
    setting: Setting, quiet: Setting, u0: Tensor, t: Tensor, held: tuple[Tensor, ...]
) -> tuple[list[Tensor], Walk]:
    """Return the states at the times after the first, and the walk of ``quiet``, which chose the steps.

    Of N steps the states of about √N are kept, and in the backward pass the graph of as many steps at a time.
    ``held`` is what f holds and is to be differentiated.
    """
    walk = Walk(quiet.flow, quiet.steps, quiet.course)
    check_named(setting.flow.f, t[0], u0, held)
    with torch.no_grad():
        plan = [(step.at, step.h, step.end) for step in walk(u0.detach().contiguous())]
    stretch, u, kept = math.isqrt(len(plan) - 1) + 1, u0.contiguous(), list[Tensor]()
    for start in range(0, len(plan), stretch):
        taken, first = plan[start : start + stretch], len(kept) + 1

        def again(u: Tensor, *moving: Tensor, taken: Plan = taken, first: int = first) -> tuple[Tensor, ...]:
            return _stretch(setting, moving[0] if moving else t.detach(), taken, first, u)

        u, *found = apart(all_named(again, held), (u, t) if t.requires_grad else (u,), held)
        kept += found
    check_named(setting.flow.f, t[-1], u, held)
    return kept, walk


def from_here(setting: Setting, t: Tensor, u: Tensor) -> Steps:
    """Return steps of the setting's kind, with their graph, from the state ``u`` at ``t``."""
    steps = setting.steps
    if isinstance(steps, RosenbrockSteps):
        return RosenbrockSteps(steps.scheme, setting.flow, u, True, steps.blocks)
    return ExplicitSteps(steps.pair, setting.flow, u, setting.flow(t, u), True)


def _stretch(setting: Setting, t: Tensor, plan: Plan, start: int, u: Tensor) -> tuple[Tensor, ...]:
    """Return the state after the steps of ``plan``, and those at the times from ``start`` that they pass."""
    steps, kept = from_here(setting, t[0] + plan[0][0], u), list[Tensor]()
    for at, h, end in plan:
        time = t[0] + at
        after, estimate = steps.attempt(time, u, h)
        first, stop = start + len(kept), passed(setting.offsets, start + len(kept), end)
        if stop > first:
            step = Step(at, h, end, time, u, after, estimate)
            kept += states(replace(setting, steps=steps), step, t, first, stop)
        steps.accept()
        u = after
    return u, *kept
