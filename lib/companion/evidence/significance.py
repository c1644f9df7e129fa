"""How often chance alone would give such verdicts: p-values of claims judged on intervals, and false discovery.

Verdicts follow from 95 % intervals, one claim at a time; of many claims some come out wrong by chance. Benjamini
and Hochberg (1995) tell which would stay if the share of wrong ones among them were to be held at 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from companion.book.ledger import Claim
from companion.evidence.judging import Checked
from companion.evidence.verdict import Region, paired_differences

__all__ = ["FALSE_DISCOVERY", "adjusted", "p_value"]

FALSE_DISCOVERY = 0.05
"""Rate of false discoveries that is held."""


def p_value(claim: Claim, check: Checked, *, against: bool = False) -> float | None:
    """Return the one-sided p-value of the hypothesis that the mean (or the probability) lies outside the region
    that supports the claim; with ``against``, outside the one that refutes it.

    None where there is no interval. The 95 % interval lies in the region just where this is below 2.5 %.
    """
    expect = claim.expect[check.profile]
    if check.interval is None or expect.support is None:
        return None
    tails = _tails(check)
    if not against:
        return _inside(tails, expect.support)
    if expect.refute is not None:
        return _inside(tails, expect.refute)
    return _outside(tails, expect.support)


def adjusted(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return the adjusted p-values of Benjamini and Hochberg by the same keys: those at most 5 % stay."""
    ordered = sorted(p_values, key=p_values.__getitem__, reverse=True)
    found, least = {}, 1.0
    for rank, key in zip(range(len(ordered), 0, -1), ordered, strict=True):
        least = min(least, p_values[key] * len(ordered) / rank)
        found[key] = least
    return found


class _Tails(Protocol):
    """The chance to find what was found, or more on that side, if the truth were a point."""

    def above(self, point: float) -> float:
        """To find a value at least as high as ours."""

    def below(self, point: float) -> float:
        """To find a value at least as low as ours."""


class _Student:
    """Of the mean of a few numbers."""

    def __init__(self, values: Sequence[float]) -> None:
        self.n, self.mean = len(values), math.fsum(values) / len(values)
        squares = math.fsum((value - self.mean) ** 2 for value in values)
        self.error = math.sqrt(squares / (self.n - 1) / self.n)

    def above(self, point: float) -> float:
        return self.below(2 * self.mean - point)

    def below(self, point: float) -> float:
        from scipy.special import stdtr

        return float(stdtr(self.n - 1, (self.mean - point) / self.error))


class _Binomial:
    """Of successes in trials."""

    def __init__(self, successes: int, trials: int) -> None:
        self.successes, self.trials = successes, trials

    def above(self, point: float) -> float:
        from scipy.special import betainc

        if self.successes == 0:
            return 1.0
        return float(betainc(self.successes, self.trials - self.successes + 1, min(max(point, 0.0), 1.0)))

    def below(self, point: float) -> float:
        return _Binomial(self.trials - self.successes, self.trials).above(1 - point)


def _tails(check: Checked) -> _Tails:
    if check.successes is not None:
        return _Binomial(*check.successes)
    assert check.values is not None
    return _Student(check.values if check.baseline is None else paired_differences(check.values, check.baseline))


def _inside(tails: _Tails, region: Region) -> float:
    """Both ends have to be excluded: the larger tail counts."""
    low = tails.above(region.low) if math.isfinite(region.low) else 0.0
    high = tails.below(region.high) if math.isfinite(region.high) else 0.0
    return max(low, high)


def _outside(tails: _Tails, region: Region) -> float:
    """One end is enough: the smaller tail counts."""
    low = tails.below(region.low) if math.isfinite(region.low) else 1.0
    high = tails.above(region.high) if math.isfinite(region.high) else 1.0
    return min(low, high)
