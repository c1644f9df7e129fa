"""Steps of their own for members that jump at times of their own: none waits for another."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from contdepth.errors import IntegrationError
from contdepth.schemes.adaptive.common import EPS
from contdepth.schemes.adaptive.control import first_step
from contdepth.schemes.adaptive.own.control import OwnControl
from contdepth.schemes.adaptive.own.status import raised
from contdepth.schemes.adaptive.own.steps import OwnPairSteps
from contdepth.schemes.adaptive.pairs import EmbeddedPair
from contdepth.schemes.adaptive.setting import Tolerances, prepared

__all__ = ["pair_stage", "steps_between_jumps"]

OFTEN = 16
"""After so many rounds it is asked whose step has become too small."""

Jump = Callable[[Tensor, Tensor, Tensor], Tensor]
"""States ``(m, d)`` of some members, whose they are ``(m,)`` and at which jump ``(m,)``: the states after it."""


def steps_between_jumps(
    rate: Callable[[Tensor], Tensor],
    u: Tensor,
    gaps: Tensor,
    jump: Jump,
    pair: EmbeddedPair,
    *,
    rtol: float,
    atol: float,
    most: int,
) -> tuple[Tensor, Tensor]:
    """Return how many steps u' = rate(u) takes in each gap, ``(n, T)``, and their sizes in a row, ``(n, J)``.

    Every gap has at least one step, of size 0 if it is empty, and ends with one. A step that a jump cuts short
    makes the next one no shorter; behind a jump the slope is made anew, and the controller goes on.

    Args:
        rate: the right-hand side of any number of members, ``(m, d)`` to ``(m, d)``.
        u: states ``(n, d)`` before the first gap.
        gaps: ``(n, T)``, each >= 0; a jump stands behind each.
        jump: at the end of gap k of some members.
        pair: the scheme.
        rtol: relative tolerance.
        atol: absolute one.
        most: rounds at most.

    Raises:
        IntegrationError: the error of a member cannot be kept, or the rounds do not suffice.
    """
    with torch.no_grad():
        grid, limits = torch.tensor([0.0, 1.0], dtype=u.dtype, device=u.device), Tolerances(rtol, atol, None, most)
        setting = prepared(lambda _, u: rate(u), u, grid, pair, limits, own=True, recorded=False)
        steps, course, rests = setting.steps, setting.course, gaps.double()
        assert isinstance(steps, OwnPairSteps)
        t, u, row = course.t0, u.clone(), torch.zeros(len(u), dtype=torch.long, device=u.device)
        first = first_step(setting.flow, t, u, steps.begin(t, u), 1.0, course.allowed).double()
        control = OwnControl(course.allowed, first, rests[:, :1].clone(), u.shape[1])
        rests, waiting = torch.cat([rests, torch.zeros_like(rests[:, :1])], dim=1), gaps.numel()
        taken, rows, least = list[Tensor](), list[Tensor](), 4 * EPS * rests.sum(1, keepdim=True)
        for count in range(course.most):
            if count % OFTEN == OFTEN - 1:
                _check(u, rests, row, control, least)
            bold = control.h
            step = torch.minimum(bold, control.left)
            there = (step == control.left)[:, 0] & (row < gaps.shape[1])
            after, estimate = steps.attempt(t, u, step)
            good = control.judge(control.error(estimate, u.abs(), after.abs()), step)
            control.h = torch.where(good & (bold > step), torch.fmax(bold, control.h), control.h)
            mask = good.expand_as(u)
            u = torch.where(mask, after, u)
            steps.accept_where(mask)
            there &= good[:, 0]
            rows.append(torch.where((good & (step > 0))[:, 0] | there, row, gaps.shape[1]))
            taken.append(step[:, 0])
            who = there.nonzero()[:, 0]
            if len(who):
                u[who] = jump(u[who], who, row[who])
                steps.first[who] = rate(u[who])
                row = row + there
                control.left.copy_(torch.where(there[:, None], rests.gather(1, row[:, None]), control.left))
                waiting -= len(who)
                if not waiting:
                    return _packed(torch.stack(rows, dim=1), torch.stack(taken, dim=1), gaps)
    raise IntegrationError(
        f"solve between jumps: expected the end in {most} rounds, found one short; allow more, or larger errors",
        time=float((rests.sum(1) - rests[:, :-1].sum(1)).max()),
        state=u,
        step=float(control.h.min()),
    )


def pair_stage(pair: EmbeddedPair, rate: Callable[[Tensor], Tensor], u: Tensor, size: Tensor) -> Tensor:
    """Return the states after steps of ``size`` ``(n, 1)`` from ``u`` ``(n, d)``, with their graph."""
    slopes, stage = list[Tensor](), u
    for row in pair.a[1:]:
        slopes.append(size * rate(stage))
        stage = u
        for a, slope in zip(row, slopes, strict=True):
            stage = torch.add(stage, slope, alpha=a) if a else stage
    return stage


def _packed(rows: Tensor, taken: Tensor, gaps: Tensor) -> tuple[Tensor, Tensor]:
    """Return counts and sizes of the steps that count: those whose row, ``(n, rounds)``, is one of ``gaps``."""
    width = gaps.shape[1]
    counts = torch.zeros_like(gaps, dtype=torch.long)
    counts = torch.cat([counts, counts[:, :1]], dim=1).scatter_add_(1, rows, torch.ones_like(rows))[:, :width]
    kept = rows < width
    place = torch.where(kept, kept.cumsum(1) - 1, int(counts.sum(1).max()))
    sizes = taken.new_zeros(len(gaps), int(counts.sum(1).max()) + 1).scatter_(1, place, taken)[:, :-1]
    return counts, sizes.to(gaps.dtype)


def _check(u: Tensor, rests: Tensor, row: Tensor, control: OwnControl, least: Tensor) -> None:
    """Raise for the first member whose step hardly moves its time."""
    small = ((control.left > 0) & (control.h <= least))[:, 0]
    if bool(small.any()):
        first = int(small.nonzero()[0])
        time = float(rests[first, : row[first] + 1].sum() - control.left[first, 0])
        raise raised(
            u, first, time, float(control.h[first, 0]), "expected a step whose error is allowed, found none"
        )
