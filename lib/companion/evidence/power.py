"""How many seeds would decide what an interval leaves open, if mean and spread stayed what they are."""

from __future__ import annotations

import math

from companion.book.ledger import Claim
from companion.evidence.judging import Checked
from companion.evidence.verdict import judge, student_quantile

__all__ = ["MOST", "open_on_seeds", "seeds_needed"]

MOST = 1000
"""Numbers of seeds beyond this are not looked for."""


def open_on_seeds(claim: Claim, check: Checked) -> bool:
    """Tell whether an interval over seeds straddles, so that more seeds of the same kind could decide.

    They cannot where the claim is decided, is about one value or a proportion, has too few trainings, or where
    all seeds gave the same.
    """
    return check.on_interval and check.successes is None and check.verdict == claim.words[2]


def seeds_needed(claim: Claim, check: Checked) -> int | None:
    """Return the least number of seeds whose 95 % interval would decide, with the mean and the standard deviation
    of the seeds of ``check``; None where more than ``MOST`` would be needed, or more seeds cannot decide.

    An estimate and no promise: the next seeds have a mean of their own.
    """
    support = claim.expect[check.profile].support
    if not open_on_seeds(claim, check) or check.interval is None or check.values is None or support is None:
        return None
    low, high = check.interval
    middle, count = (low + high) / 2, len(check.values)
    deviation = (high - low) / 2 / _width(count)
    refute = claim.expect[check.profile].refute
    for n in range(count + 1, MOST + 1):
        half = deviation * _width(n)
        if judge(middle - half, middle + half, support, refute, claim.words) != claim.words[2]:
            return n
    return None


def _width(n: int) -> float:
    """Return half the width of the interval of ``n`` numbers in units of their standard deviation."""
    return student_quantile(n) / math.sqrt(n)
