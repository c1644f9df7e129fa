"""One step for all coordinates: the loop, which yields every accepted step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth.errors import IntegrationError
from contdepth.schemes.adaptive.control import CONTROL, Allowance, first_step
from contdepth.schemes.adaptive.explicit import ExplicitSteps
from contdepth.schemes.adaptive.flow import Flow, number
from contdepth.schemes.adaptive.implicit import RosenbrockSteps

__all__ = ["Course", "Step", "Walk"]

EPS = 2.0**-52
Steps = ExplicitSteps | RosenbrockSteps


@dataclass(frozen=True)
class Course:
    """Where a walk begins and ends, what it may err, and how it begins."""

    t0: Tensor
    stops: list[float]
    allowed: Allowance
    first: float | None
    most: int


@dataclass(frozen=True, slots=True)
class Step:
    """An accepted step from offset ``at`` of size ``h`` (both signed) and the states before and after."""

    at: float
    h: float
    end: float
    t: Tensor
    before: Tensor
    after: Tensor
    error: Tensor


@dataclass
class Walk:
    """The loop; ``accepted`` and ``rejected`` count its steps, ``start`` is the time it began at."""

    flow: Flow
    steps: Steps
    course: Course
    accepted: int = 0
    rejected: int = 0
    start: float = 0.0

    def __call__(self, u: Tensor) -> Iterator[Step]:
        """Yield the accepted steps, each before the next one overwrites its slopes; one ends at every stop."""
        course, steps, stops = self.course, self.steps, iter(self.course.stops)
        self.start = number(course.t0.detach())
        stop, last, total = next(stops), CONTROL.aim, course.stops[-1]
        sign, at, t, size = math.copysign(1.0, total), 0.0, course.t0, u.abs()
        h, again = self._first(u, sign), False
        for _ in range(course.most):
            left = abs(stop - at)
            whole = h >= left * (1 - 1e-10)
            step = stop - at if whole else sign * h
            after, estimate = steps.attempt(t, u, step)
            error, after_size = course.allowed.of(estimate, size, after)
            share = number(error)
            if not share <= 1.0:
                self.rejected += 1
                h = abs(step) * CONTROL.factor(share, last, again)
                again = True
                if h <= self._smallest(at):
                    self._stuck(u, at, h, share)
                continue
            self.accepted += 1
            end = stop if whole else at + step
            yield Step(at, step, end, t, u, after, error)
            grown = abs(step) * CONTROL.factor(share, last, again)
            h = max(grown, h) if whole else grown
            steps.accept()
            last, again, at, u, size = share, False, end, after, after_size
            if end == total:
                return
            if h <= self._smallest(at):
                self._stuck(u, at, h, share)
            if whole:
                stop = next(stops)
            t = course.t0 + at
        raise IntegrationError(
            f"solve at t = {self._time(at):.10g}, step {h:.3g}: expected the end in {course.most} steps, found "
            f"{abs(total - at):.3g} left; allow more, or take RODAS5P if the equation is stiff",
            time=self._time(at),
            state=u.detach(),
            step=h,
        )

    def _first(self, u: Tensor, sign: float) -> float:
        """Return the size of the first step; the slope at the start is made for the step too."""
        course, total = self.course, abs(self.course.stops[-1])
        slope = self.steps.begin(course.t0, u)
        with torch.no_grad():
            if not math.isfinite(number(torch.linalg.vector_norm(slope))):
                self._stuck(u, 0.0, 0.0, math.nan)
            if course.first is not None:
                return min(course.first, total)
            return min(number(first_step(self.flow, course.t0, u, slope, sign, course.allowed)), total)

    def _smallest(self, at: float) -> float:
        """Return the size of a step that hardly moves the time, or not at all."""
        return max(4 * EPS * abs(self._time(at)), 1e-30 * abs(self.course.stops[-1]))

    def _stuck(self, u: Tensor, at: float, h: float, share: float) -> None:
        time = self._time(at)
        known = math.isfinite(share)
        found = f"an error {share:.3g} times as large" if known else "values that are not finite"
        raise IntegrationError(
            f"solve at t = {time:.10g}, step {h:.3g}: expected a step whose error is allowed, found {found}; the "
            "solution may end there, or the tolerances ask for more than the dtype holds",
            time=time,
            state=u.detach(),
            step=h,
        )

    def _time(self, at: float) -> float:
        return self.start + at
