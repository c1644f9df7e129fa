"""Weak errors of the random schemes on the linear test equation, exactly and by sampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from contdepth import checks
from contdepth.schemes.base import Field, Scheme, integrate
from contdepth.schemes.order import OrderMeasurement, counted
from contdepth.schemes.stochastic import Rate, WithMoments

__all__ = ["SampledMoments", "sample_moments", "variances", "weak_order"]


class RandomScheme(Scheme, WithMoments[Rate], Protocol[Rate]):
    """A random scheme: ``ShakeShake`` with a pair of coefficients, the others with one."""


def weak_order(
    scheme: RandomScheme[Rate],
    rate: Rate,
    steps: Sequence[int],
    *,
    T: float = 1.0,
    x0: float = 1.0,
    powers: Sequence[int] = (1, 2),
) -> tuple[OrderMeasurement, ...]:
    """Return the order measurement of E X^m for each m in ``powers`` for f = rate x, exactly (no sampling).

    The weak order is the smallest over all smooth test functions, so two powers do not settle it: stochastic
    depth with p other than 1/2 has order 1 in the first two moments and 1/2 from the third on.

    Args:
        scheme: a random scheme.
        rate: the coefficient of f (a pair for :class:`ShakeShake`).
        steps: numbers of steps to time ``T``, increasing.
        T: final time.
        x0: initial value.
        powers: which moments, each at least 1; mean and second moment by default.
    """
    _check_moments(scheme, rate, T, x0)
    counts = counted(steps)
    sizes, measured = tuple(T / n for n in counts), []
    for power in checks.several("powers", powers, "such as (1, 2)"):
        limit = scheme.limit_moment(power, rate, T, x0)
        errors = tuple(abs(scheme.linear_moment(power, rate, n, T, x0) - limit) for n in counts)
        measured.append(OrderMeasurement(counts, sizes, errors))
    return tuple(measured)


def variances(
    scheme: RandomScheme[Rate], rate: Rate, steps: Sequence[int], *, T: float = 1.0, x0: float = 1.0
) -> tuple[list[float], float]:
    """Return the exact variances of X_N for each number of steps, and that of the limit SDE."""

    _check_moments(scheme, rate, T, x0)

    def variance(moments: tuple[float, float]) -> float:
        return moments[1] - moments[0] ** 2

    return (
        [variance(scheme.linear_moments(rate, n, T, x0)) for n in counted(steps)],
        variance(scheme.limit_moments(rate, T, x0)),
    )


@dataclass(frozen=True)
class SampledMoments:
    """Sample means of X and X² with their standard errors, beside the exact values."""

    sampled: tuple[float, float]
    standard_error: tuple[float, float]
    exact: tuple[float, float]

    @property
    def gaps(self) -> tuple[float, float]:
        """Return |sampled - exact| / standard error of each moment."""
        columns = zip(self.sampled, self.exact, self.standard_error, strict=True)
        return tuple(abs(sampled - exact) / error for sampled, exact, error in columns)  # type: ignore[return-value]


def sample_moments(
    scheme: RandomScheme[Rate],
    rate: Rate,
    *,
    steps: int,
    paths: int,
    generator: torch.Generator,
    T: float = 1.0,
    x0: float = 1.0,
) -> SampledMoments:
    """Run ``paths`` paths of ``scheme`` for f = rate x and compare their moments with the exact recursion.

    It is computed on the device of ``generator``.
    """
    checks.integer("paths", paths, at_least=2)
    checks.integer("steps", steps, at_least=1)
    checks.affordable("paths", paths)
    checks.affordable("steps", steps)
    _check_moments(scheme, rate, T, x0)
    f: Any
    f = tuple(_linear(r) for r in rate) if isinstance(rate, tuple) else _linear(rate)
    where = checks.instance("generator", generator, torch.Generator).device
    t = torch.linspace(0.0, T, steps + 1, dtype=torch.float64, device=where)
    start = torch.full((paths, 1), x0, dtype=torch.float64, device=where)
    x = integrate(f, start, t, scheme, keep="last", generator=generator)
    powers = (x, x * x)
    return SampledMoments(
        tuple(p.mean().item() for p in powers),  # type: ignore[arg-type]
        tuple(p.std().item() / math.sqrt(paths) for p in powers),  # type: ignore[arg-type]
        scheme.linear_moments(rate, steps, T, x0),
    )


def _check_moments(scheme: object, rate: object, T: object, x0: object) -> None:
    """What every function here takes."""
    if not hasattr(scheme, "limit_moment"):
        raise TypeError(
            f"scheme: expected a random scheme such as StochasticDepth(), found {type(scheme).__name__}"
        )
    for one in rate if isinstance(rate, tuple) else (rate,):
        checks.real("rate", one)
    checks.real("T", T, above=0)
    checks.real("x0", x0)


def _linear(rate: float) -> Field:
    return lambda t, u: rate * u
