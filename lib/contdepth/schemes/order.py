"""Measured orders: errors at a sequence of step sizes and their slopes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from contdepth import checks
from contdepth.problems import Problem
from contdepth.schemes.base import Field, Scheme, integrate

__all__ = ["OrderMeasurement", "checked_problem", "counted", "field_for", "local_error_order", "measure_order"]


@dataclass(frozen=True)
class OrderMeasurement:
    """Errors at several step sizes; the order is their slope on doubly logarithmic axes.

    Attributes:
        steps: number of steps of each run.
        h: step size of each run.
        errors: error of each run.
        slopes: slope between neighbouring runs, one fewer than runs.
    """

    steps: tuple[int, ...]
    h: tuple[float, ...]
    errors: tuple[float, ...]
    slopes: tuple[float, ...] = field(init=False)

    def __post_init__(self) -> None:
        if len(self.errors) < 2 or len(self.errors) != len(self.h):
            checks.fail("errors", "at least two, one per step size", f"{len(self.errors)} and {len(self.h)}")
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = np.diff(np.log(self.errors)) / np.diff(np.log(self.h))
        object.__setattr__(self, "slopes", tuple(slopes.tolist()))

    @property
    def last(self) -> float:
        """Slope of the last pair of runs: the one claims are judged on."""
        return self.slopes[-1]

    @property
    def fitted(self) -> float:
        """Least-squares slope over all runs."""
        return float(np.polyfit(np.log(self.h), np.log(self.errors), 1)[0])


def checked_problem(argument: str, problem: object) -> None:
    """Raise ``TypeError`` unless ``problem`` has what a ``contdepth.problems.Problem`` has."""
    for part in ("f", "u0", "T", "solution"):
        if not hasattr(problem, part):
            raise TypeError(f"{argument}: expected a problem such as Pendulum(), found {type(problem).__name__}")


def counted(steps: Sequence[int]) -> tuple[int, ...]:
    """``steps`` as a tuple of counts; an error for anything else."""
    return tuple(
        checks.integer("steps", n, at_least=1) for n in checks.several("steps", steps, "such as (40, 80, 160)")
    )


def field_for(scheme: Scheme, problem: Problem) -> Field | tuple[Field, Field]:
    """Return ``problem.f``, or its halves ``problem.parts`` for schemes that take a pair."""
    return problem.parts if getattr(scheme, "fields", 1) == 2 else problem.f  # type: ignore[attr-defined]


def measure_order(
    scheme: Scheme,
    problem: Problem,
    steps: Sequence[int] = (40, 80, 160, 320, 640),
    *,
    target: Problem | None = None,
) -> OrderMeasurement:
    """Integrate ``problem`` over [0, T] in equal steps and measure the error at T (2-norm, float64).

    It is computed on the device of ``problem.u0``.

    Args:
        scheme: any deterministic scheme.
        problem: whose right-hand side is integrated.
        steps: numbers of steps, e.g. doubling.
        target: problem whose solution the result is compared with; default ``problem`` itself.
    """
    checked_problem("problem", problem)
    checked_problem("target", problem if target is None else target)
    counts = counted(steps)
    exact = (problem if target is None else target).solution(problem.T)
    f, errors = field_for(scheme, problem), []
    for n in counts:
        t = torch.linspace(0.0, problem.T, n + 1, dtype=torch.float64, device=problem.u0.device)
        errors.append(_distance(integrate(f, problem.u0, t, scheme, keep="last"), exact))
    return OrderMeasurement(counts, tuple(problem.T / n for n in counts), tuple(errors))


def local_error_order(
    scheme: Scheme,
    problem: Problem,
    h: Sequence[float] = (0.04, 0.02, 0.01, 0.005),
    *,
    against: Scheme | None = None,
) -> OrderMeasurement:
    """Measure how far one step of ``scheme`` from ``problem.u0`` lands from the solution or another scheme.

    A scheme of order p has slope p + 1 against the solution.

    Args:
        scheme: a one-step scheme.
        problem: where the step is taken, from t = 0.
        h: step sizes, at least two.
        against: a second one-step scheme to compare with; default the solution of ``problem``.
    """
    checked_problem("problem", problem)
    sizes = tuple(checks.real("h", value, above=0.0) for value in checks.several("h", h, "such as (0.02, 0.01)"))
    errors = []
    for size in sizes:
        t = torch.tensor([0.0, size], dtype=torch.float64, device=problem.u0.device)
        other = (
            problem.solution(size)
            if against is None
            else integrate(field_for(against, problem), problem.u0, t, against, keep="last")
        )
        u = integrate(field_for(scheme, problem), problem.u0, t, scheme, keep="last")
        errors.append(_distance(u, other))
    return OrderMeasurement((1,) * len(sizes), sizes, tuple(errors))


def _distance(u: Tensor, v: Tensor) -> float:
    return torch.linalg.vector_norm(u - v).item()
