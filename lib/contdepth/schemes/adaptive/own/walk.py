"""A step of its own for every member of a batch: all step at once, and those at the end stay there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from contdepth.schemes.adaptive.common import EPS, Course, Steps
from contdepth.schemes.adaptive.control import first_step
from contdepth.schemes.adaptive.explicit import ExplicitSteps
from contdepth.schemes.adaptive.flow import Flow
from contdepth.schemes.adaptive.own.control import OwnControl
from contdepth.schemes.adaptive.own.counts import OwnCounts
from contdepth.schemes.adaptive.own.status import Status, raised
from contdepth.schemes.adaptive.own.steps import OwnPairSteps

__all__ = ["OwnWalk", "Watch"]

OFTEN = 8
"""After so many steps at most it is asked who is at the end, and whose step has become too small."""
MANY = 1e6
"""With fewer steps of the last size to go none is too small."""

Watch = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor | None]


@dataclass
class OwnWalk:
    """The loop. States are ``(members, d)``, times, steps and errors ``(members, 1)``.

    ``offsets`` are where states are kept: inside steps for pairs; other schemes end steps there. A member at the
    end takes steps of size 0, so that no one asks where it is, and so does one that fails, where ``lenient``.
    ``watch`` is shown every step, as time, states before and after, size, and whose is accepted; it returns the
    members that stay for good, if any.
    """

    flow: Flow
    steps: Steps
    course: Course
    offsets: list[float]
    lenient: bool = False
    watch: Watch | None = None
    counts: OwnCounts = field(init=False)
    status: Tensor = field(init=False)
    reached: Tensor = field(init=False)

    def __call__(self, u: Tensor) -> list[Tensor]:
        """Return the states at the offsets after the first, each ``(members, d)``; NaN after a failure."""
        total, self.sign = abs(self.offsets[-1]), 1.0 if self.offsets[-1] > 0 else -1.0
        left = torch.full((len(u), 1), total, dtype=torch.float64, device=u.device)
        self.rests = total - torch.tensor(self.offsets[1:], dtype=torch.float64, device=u.device).abs()
        self.end = torch.add(self.course.t0.detach(), left.to(self.course.t0.dtype), alpha=self.sign)
        self.next = torch.zeros_like(left, dtype=torch.long)
        self.status, self.reached, self.kept = torch.zeros_like(self.next), self.end, list[tuple[Tensor, ...]]()
        self.counts = OwnCounts(self.next)
        self.control = OwnControl(self.course.allowed, self._first(u), left, u.shape[-1])
        last = self._walk(u)
        if self.lenient:
            last = torch.where(self.status > 0, torch.nan, last)
        if len(self.rests) == 1:
            return [last]
        table = u.new_full((len(self.rests), *u.shape), torch.nan)
        if self.kept:
            where, who, states = (torch.cat(parts) for parts in zip(*self.kept, strict=True))
            table = table.index_put((where, who), states)
        return [*table[:-1].unbind(), last]

    def _walk(self, u: Tensor) -> Tensor:
        """Return the states at the end."""
        steps, control = self.steps, self.control
        quick, inside = isinstance(steps, OwnPairSteps), isinstance(steps, ExplicitSteps)
        several = len(self.rests) > 1
        u, size, mask = u.clone() if quick else u, u.detach().abs(), torch.empty_like(u, dtype=torch.bool)
        fresh = torch.empty_like(size)
        count = look = 0
        while True:
            if count == look:
                look = self._look(u, count)
                if look == count:
                    self.counts.add_up()
                    return u
            t, left, bold = self._times(), control.left, control.h
            goal = left if inside else left - self.rests[self.next]
            step = torch.minimum(bold, goal)
            signed = step if self.sign > 0 else -step
            after, estimate = steps.attempt(t, u, signed if quick else signed.to(size.dtype))
            found = after if quick else after.detach()
            after_size = torch.abs(found, out=fresh)
            self.norm = control.error(estimate if quick else estimate.detach(), size, after_size)
            before = left.clone() if several else left
            good = control.judge(self.norm, step)
            self.counts.note(step, good)
            stay = self.watch(t, u, found, step, good) if self.watch else None
            if several and inside:
                self._keep(u, after, step, good, before)
            mask = mask.copy_(good) if quick else good.expand_as(u)
            if quick:
                torch.where(mask, after, u, out=u)
                torch.abs(u, out=size)
            else:
                u = torch.where(mask, after, u)
                torch.where(mask, after_size, size, out=size)
            steps.accept_where(mask)
            if several and not inside:
                self._arrive(u, good & (step == goal), good & (bold > goal), bold)
            if stay is not None:
                left.masked_fill_(stay, 0.0)
            count += 1

    def _first(self, u: Tensor) -> Tensor:
        """Return the first steps; the slopes at the start are made for the steps too."""
        course = self.course
        slope = self.steps.begin(course.t0, u)
        with torch.no_grad():
            if course.first is not None:
                return torch.full_like(self.end, course.first, dtype=torch.float64)
            return first_step(self.flow, course.t0, u, slope, self.sign, course.allowed).double()

    def _times(self) -> Tensor:
        left, end = self.control.left, self.end
        left = left if left.dtype == end.dtype else left.to(end.dtype)
        return end - left if self.sign > 0 else end + left

    def _keep(self, u: Tensor, after: Tensor, step: Tensor, good: Tensor, left: Tensor) -> None:
        """Keep the states at goals that members step over, of whose way ``left`` was left before the step."""
        rests = self.rests[:-1]
        who, where = (good & (rests < left) & (rests >= self.control.left)).nonzero(as_tuple=True)
        if len(who):
            theta = (left[who, 0] - rests[where]) / step[who, 0]
            assert isinstance(self.steps, ExplicitSteps)
            self.kept.append((where, who, self.steps.inside_own(u, after, theta, who)))

    def _arrive(self, u: Tensor, arrived: Tensor, cut: Tensor, bold: Tensor) -> None:
        """Keep the states of those ``arrived`` at a goal; a step ``cut`` short makes the next one no shorter."""
        control = self.control
        control.h = torch.where(cut, torch.fmax(bold, control.h), control.h)
        arrived = arrived & (self.next < len(self.rests) - 1)
        who = arrived[:, 0].nonzero()[:, 0]
        if len(who):
            self.kept.append((self.next[who, 0], who, u[who]))
            control.left.copy_(torch.where(arrived, self.rests[self.next], control.left))
            self.next = self.next + arrived

    def _look(self, u: Tensor, count: int) -> int:
        """Return when to look next, ``count`` if all are at the end; fail those whose steps are too small."""
        control, most = self.control, self.course.most
        steps = float((control.left / torch.clamp(control.h, min=1e-300)).max())
        if not steps:
            return count
        if count == most:
            self._fail(
                u, control.left > 0, f"expected the end in {most} steps, found one short", Status.TOO_MANY_STEPS
            )
            return count
        if count and steps > MANY:
            least = torch.clamp(4 * EPS * self._times().abs(), min=1e-30 * abs(self.offsets[-1]))
            small = (control.left > 0) & (control.h <= least)
            if bool(small.any()):
                said = "expected a step whose error is allowed, found none"
                self._fail(u, small & torch.isfinite(self.norm), said, Status.ERROR_TOO_LARGE)
                self._fail(u, small & ~torch.isfinite(self.norm), said, Status.NOT_FINITE)
        return min(most, count + max(1, int(min(steps / 2, OFTEN))))

    def _fail(self, u: Tensor, who: Tensor, said: str, status: Status) -> None:
        """Raise for the first of ``who``, or let them stay where they are."""
        if self.lenient:
            self.status = torch.where(who, int(status), self.status)
            self.reached = torch.where(who, self._times(), self.reached)
            self.control.left.masked_fill_(who, 0.0)
        elif bool(who.any()):
            first = int(who[:, 0].nonzero()[0])
            time, step = float(self._times()[first]), float(self.control.h[first])
            raise raised(u, first, time, step, said)
