"""Power: the number of seeds is the least whose interval decides, checked against SciPy's t interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from companion.book.ledger import Claim, Expectation
from companion.evidence.judging import Checked, assess
from companion.evidence.power import MOST, open_on_seeds, seeds_needed
from companion.evidence.verdict import Region


def claim(keys: dict, refute: dict | None = None) -> Claim:
    regions = [Region.from_keys(part) if part else None for part in (keys, refute)]
    return Claim(
        id="toy.one",
        statement="",
        where="",
        origin="ours",
        kind="training",
        page="one",
        unit=None,
        paper=None,
        independent=None,
        expect={"book": Expectation("book", *regions)},
    )


def judged(one: Claim, values: list[float], **options: object) -> Checked:
    return assess(one, "book", values, seeds=list(range(len(values))), **options)


def decides(mean: float, deviation: float, n: int, low: float, high: float) -> bool:
    """Whether SciPy's 95 % interval of n such seeds lies on one side of each border."""
    a, b = stats.t.interval(0.95, n - 1, loc=mean, scale=deviation / np.sqrt(n))
    return (low <= a and b <= high) or b < low or a > high


@pytest.mark.parametrize(
    ("keys", "low", "high", "values"),
    [
        ({"above": 0}, 0, np.inf, [1.0, 3.0, -0.5]),
        ({"below": 0.5}, -np.inf, 0.5, [0.2, 1.4, 0.9]),
        ({"between": [-1, 1]}, -1, 1, [0.2, 1.4, 0.6, -0.7]),
        ({"between": [-1, 1]}, -1, 1, [1.9, 0.8, 1.5]),
    ],
)
def test_the_number_is_the_least_that_decides(keys: dict, low: float, high: float, values: list[float]) -> None:
    one = claim(keys)
    found = seeds_needed(one, judged(one, values))
    mean, deviation = np.mean(values), np.std(values, ddof=1)
    enough = [n for n in range(len(values), MOST) if decides(mean, deviation, n, low, high)]
    assert found == enough[0] > len(values)


def test_pairs_count_by_their_differences() -> None:
    one = claim({"above": 0})
    paired = judged(one, [5.0, 9.0, 2.0], baseline=[4.0, 6.0, 2.5])
    assert seeds_needed(one, paired) == seeds_needed(one, judged(one, [1.0, 3.0, -0.5]))


def test_a_mean_on_the_border_is_never_decided() -> None:
    one = claim({"above": 1})
    check = judged(one, [0.0, 1.0, 2.0])
    assert open_on_seeds(one, check) and seeds_needed(one, check) is None


def test_a_gap_between_the_regions_is_never_left() -> None:
    one = claim({"above": 1}, {"below": 0})
    assert seeds_needed(one, judged(one, [0.4, 0.5, 0.7])) is None


@pytest.mark.parametrize("values", [[2.0, 2.1, 2.05], [1.0, 1.0, 1.0]])
def test_what_is_decided_or_equal_needs_no_seeds(values: list[float]) -> None:
    one = claim({"above": 1.5})
    check = judged(one, values)
    assert not open_on_seeds(one, check) and seeds_needed(one, check) is None
