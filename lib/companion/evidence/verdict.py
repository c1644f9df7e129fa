"""Verdicts: regions of the real line, intervals over seeds, and the rule that joins them. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "FAILS",
    "HOLDS",
    "LEVEL",
    "NOT_ATTEMPTED",
    "NOT_REPRODUCED",
    "OPEN",
    "OWN_VERDICTS",
    "QUOTED",
    "REPRODUCED",
    "UNDECIDED",
    "VERDICTS",
    "Region",
    "exact_interval",
    "judge",
    "paired_differences",
    "student_interval",
    "student_quantile",
    "worst",
]

REPRODUCED, NOT_REPRODUCED, UNDECIDED = "reproduced", "not reproduced", "undecided"
HOLDS, FAILS, OPEN = "holds", "fails", "open"
NOT_ATTEMPTED, QUOTED = "not attempted", "quoted"
VERDICTS = (REPRODUCED, NOT_REPRODUCED, UNDECIDED, NOT_ATTEMPTED, QUOTED)
"""All verdicts on what others claim, in the order of the scorecard; the first three come from runs."""
OWN_VERDICTS = (HOLDS, FAILS, OPEN, NOT_ATTEMPTED)
"""All verdicts on what only this book says: it does not reproduce its own sentence."""
LEVEL = 0.95
"""Confidence level of the interval over seeds."""


@dataclass(frozen=True)
class Region:
    """A convex set of numbers; ``below`` and ``above`` leave their end out, ``equals`` and ``between``
    include it.
    """

    low: float
    high: float
    low_open: bool = False
    high_open: bool = False
    text: str = ""

    @classmethod
    def from_keys(cls, keys: Mapping[str, Any]) -> Region:
        """Return the region of the ledger keys ``equals`` (with ``tolerance``), ``below``, ``above`` or
        ``between``.
        """
        if "equals" in keys:
            centre, width = keys["equals"], keys.get("tolerance", 0)
            text = number_text(centre) + (f" ± {number_text(width)}" if width else "")
            return cls(float(centre - width), float(centre + width), text=text)
        if "below" in keys:
            return cls(-math.inf, float(keys["below"]), high_open=True, text=f"< {number_text(keys['below'])}")
        if "above" in keys:
            return cls(float(keys["above"]), math.inf, low_open=True, text=f"> {number_text(keys['above'])}")
        low, high = keys["between"]
        return cls(float(low), float(high), text=f"between {number_text(low)} and {number_text(high)}")

    def contains(self, low: float, high: float) -> bool:
        """Tell whether the whole interval ``[low, high]`` lies inside."""
        return (low > self.low if self.low_open else low >= self.low) and (
            high < self.high if self.high_open else high <= self.high
        )

    def misses(self, low: float, high: float) -> bool:
        """Tell whether no point of the interval ``[low, high]`` lies inside."""
        return (high <= self.low if self.low_open else high < self.low) or (
            low >= self.high if self.high_open else low > self.high
        )

    def covers(self, other: Region) -> bool:
        """Tell whether every point of the other region lies inside this one."""
        low_inside = other.low > self.low or (other.low == self.low and (other.low_open or not self.low_open))
        high_inside = other.high < self.high or (
            other.high == self.high and (other.high_open or not self.high_open)
        )
        return low_inside and high_inside

    def margin(self, value: float) -> float:
        """Return the distance of ``value`` from the nearer end: positive inside, negative outside."""
        return min(value - self.low, self.high - value)

    def key(self) -> list[Any]:
        """Return the region as JSON, the same for the same set."""
        ends = [None if math.isinf(end) else end for end in (self.low, self.high)]
        return [*ends, self.low_open, self.high_open]

    def __str__(self) -> str:
        return self.text


def number_text(value: float) -> str:
    """Return ``value`` as short as possible without losing a digit: ``1`` for 1.0, ``1e-10``."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def student_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float] | None:
    """Return the two-sided Student-t confidence interval of the mean of ``values`` (at least two numbers).

    None where all are equal: a spread of zero in a few seeds says nothing of the next.
    """
    n = len(values)
    if n < 2:
        raise ValueError(f"values: expected at least 2 numbers, found {n}")
    if min(values) == max(values):
        return None
    scale = max(abs(value) for value in values)
    unit = [value / scale for value in values]
    mean = math.fsum(unit) / n
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in unit) / (n - 1) / n)
    half = student_quantile(n, level) * spread
    return (mean - half) * scale, (mean + half) * scale


def student_quantile(n: int, level: float = LEVEL) -> float:
    """Return how many standard errors the interval of the mean of ``n`` numbers reaches to either side."""
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 0.5 + level / 2))


def exact_interval(successes: int, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the two-sided interval of Clopper and Pearson (1934) for the probability behind ``successes`` in
    ``trials``, ends included; it holds at least with ``level``, however few the trials.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"successes: expected a number from 0 to the trials, found {successes} of {trials}")
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return low, high


def paired_differences(values: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Return ``values - baseline`` seed by seed."""
    return [value - base for value, base in zip(values, baseline, strict=True)]


def worst(values: Sequence[float], support: Region) -> float:
    """Return the value that decides when every value is judged: the one deepest outside, or nearest to the
    edge.
    """
    return min(values, key=support.margin)


def judge(
    low: float,
    high: float,
    support: Region,
    refute: Region | None = None,
    words: Sequence[str] = VERDICTS,
) -> str:
    """Return the verdict on the interval ``[low, high]`` (``low == high`` for a single value), one of the first
    three ``words``.

    Inside ``support``: the first. Else inside ``refute`` (default: everything outside ``support``): the second.
    Else the interval straddles, and the third is left.
    """
    if support.contains(low, high):
        return words[0]
    refuted = support.misses(low, high) if refute is None else refute.contains(low, high)
    return words[1] if refuted else words[2]
