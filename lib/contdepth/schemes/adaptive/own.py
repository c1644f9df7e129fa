"""A step of its own for every member of a batch: all step at once, and those at the end stay there."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from contdepth.errors import IntegrationError
from contdepth.schemes.adaptive.common import EPS, Course, Steps
from contdepth.schemes.adaptive.control import CONTROL, first_step
from contdepth.schemes.adaptive.explicit import ExplicitSteps
from contdepth.schemes.adaptive.flow import Flow

__all__ = ["OwnWalk"]

OFTEN = 8
"""Every so many steps it is asked whether a step has become too small."""


@dataclass
class OwnWalk:
    """The loop. States are ``(members, d)``, offsets of time, steps and errors ``(members, 1)``.

    ``offsets`` are where states are kept: inside steps for pairs; other schemes end steps there. A member at the
    end takes steps of size 0, so that no one asks where it is.
    """

    flow: Flow
    steps: Steps
    course: Course
    offsets: list[float]
    accepted: Tensor = field(init=False)
    rejected: Tensor = field(init=False)

    def __call__(self, u: Tensor) -> list[Tensor]:
        """Return the states at the offsets after the first, each ``(members, d)``."""
        self.at = torch.zeros(len(u), 1, dtype=torch.float64, device=u.device)
        self.next = self.at.long()
        self.sign = 1.0 if self.offsets[-1] > 0 else -1.0
        self.goals = torch.tensor(self.offsets[1:], dtype=torch.float64, device=u.device).abs()
        self.kept: list[tuple[Tensor, Tensor, Tensor]] = []
        self.inside = isinstance(self.steps, ExplicitSteps) and len(self.goals) > 1
        last = self._walk(u)
        if not self.kept:
            return [last]
        where, who, states = (torch.cat(parts) for parts in zip(*self.kept, strict=True))
        table = u.new_zeros((len(self.goals), *u.shape)).index_put((where, who), states)
        return [*table[:-1].unbind(), last]

    def _walk(self, u: Tensor) -> Tensor:
        """Return the states at the end."""
        course, steps, one_goal = self.course, self.steps, self.inside or len(self.goals) == 1
        h, size, last = self._first(u), u.abs(), torch.zeros_like(self.at)
        goal = self.goals[-1] if one_goal else self.goals[self.next]
        most = torch.full_like(self.at, math.log(CONTROL.most))
        moved, good_ones = torch.zeros_like(self.at), torch.zeros_like(self.at)
        backward, dtype = self.sign < 0, course.t0.dtype
        for count in range(course.most):
            left = goal - self.at
            if not left.any():
                break
            step = torch.minimum(h, left)
            t = torch.add(course.t0, self.at.to(dtype), alpha=self.sign)
            after, estimate = steps.attempt(t, u, (-step if backward else step).to(size.dtype))
            error, after_size = course.allowed.of(estimate.detach(), size, after.detach())
            good = error <= 1.0
            factor, last, most = CONTROL.factors(error.to(step.dtype), last, most, good)
            if self.inside:
                self._keep(u, after, step, good & (left > 0))
            moved += left > 0
            good_ones += good
            h = (
                step * factor
                if one_goal
                else torch.where(good & (h > left), torch.fmax(h, step * factor), step * factor)
            )
            self.at = torch.where(good, self.at + step, self.at)
            u, size = torch.where(good, after, u), torch.where(good, after_size, size)
            steps.accept_where(good)
            if not one_goal:
                goal = self._next_goal(u, goal)
            if count % OFTEN == 0:
                self._look(u, h)
        else:
            self._fail(u, h, self.at < self.goals[-1], f"expected the end in {course.most} steps, found one short")
        self.rejected = (count - good_ones).long()
        self.accepted = moved.long() - self.rejected
        return u

    def _first(self, u: Tensor) -> Tensor:
        """Return the first steps; the slopes at the start are made for the steps too."""
        course = self.course
        slope = self.steps.begin(course.t0, u)
        with torch.no_grad():
            if course.first is not None:
                return torch.full_like(self.at, course.first)
            return first_step(self.flow, course.t0, u, slope, self.sign, course.allowed).double()

    def _keep(self, u: Tensor, after: Tensor, step: Tensor, good: Tensor) -> None:
        """Keep the states at goals that members step over."""
        goals = self.goals[:-1]
        passed = good & (goals > self.at) & (goals <= self.at + step)
        who, where = passed.nonzero(as_tuple=True)
        if len(who):
            theta = (goals[where] - self.at[who, 0]) / step[who, 0]
            assert isinstance(self.steps, ExplicitSteps)
            self.kept.append((where, who, self.steps.inside_own(u, after, theta, who)))

    def _next_goal(self, u: Tensor, goal: Tensor) -> Tensor:
        """Keep the states of those who arrived, and return every member's next goal."""
        who = (self.at == goal)[:, 0].nonzero()[:, 0]
        if len(who):
            self.kept.append((self.next[who, 0], who, u[who]))
            self.next = torch.clamp(self.next + (self.at == goal), max=len(self.goals) - 1)
        return self.goals[self.next]

    def _look(self, u: Tensor, h: Tensor) -> None:
        """Raise where a step hardly moves the time, or not at all."""
        time = (self.course.t0.detach() + self.sign * self.at).abs()
        smallest = torch.clamp(4 * EPS * time, min=1e-30 * float(self.goals[-1]))
        small = (self.at < self.goals[-1]) & (h <= smallest)
        if bool(small.any()):
            self._fail(u, h, small, "expected a step whose error is allowed, found none")

    def _fail(self, u: Tensor, h: Tensor, who: Tensor, said: str) -> None:
        first = int(who[:, 0].nonzero()[0])
        time = float(self.course.t0.detach()[first]) + self.sign * float(self.at[first])
        step = float(h[first])
        raise IntegrationError(
            f"solve, member {first} of {len(u)} at t = {time:.10g}, step {step:.3g}: {said}; the solution may end "
            "there, more steps may be needed, or RODAS5P if it is stiff",
            time=time,
            state=u.detach()[first],
            step=step,
        )
