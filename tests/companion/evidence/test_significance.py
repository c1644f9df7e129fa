"""Chance: p-values agree with SciPy's tests and with the verdicts, and adjusted ones with SciPy's."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from companion.book.ledger import Claim, Expectation
from companion.evidence.judging import assess
from companion.evidence.significance import adjusted, p_value
from companion.evidence.verdict import Region

numbers = st.floats(-100, 100, allow_nan=False)


def claim(kind="training", refute=None, trials=None, **keys) -> Claim:
    refutes = Region.from_keys(refute) if refute else None
    expect = Expectation("book", Region.from_keys(keys), refutes, "why", "reproduced", trials=trials)
    return Claim("toy.a", "s", "w", "paper", kind, "page", None, None, None, {"book": expect})


VALUES = [0.3, 0.8, 1.1, 0.7]


def test_one_end_is_students_one_sided_test():
    checked = assess(made := claim(above=0), "book", VALUES, seeds=[0, 1, 2, 3])
    expected = stats.ttest_1samp(VALUES, 0, alternative="greater").pvalue
    assert p_value(made, checked) == pytest.approx(expected, rel=1e-12)
    assert p_value(made, checked, against=True) == pytest.approx(1 - expected, rel=1e-9)
    paired = assess(made, "book", [v + 5 for v in VALUES], baseline=[5.0] * 4, seeds=[0, 1, 2, 3])
    assert p_value(made, paired) == pytest.approx(expected, rel=1e-9)


def test_a_region_with_two_ends_has_to_exclude_both():
    checked = assess(made := claim(between=[0, 1]), "book", VALUES, seeds=[0, 1, 2, 3])
    low = stats.ttest_1samp(VALUES, 0, alternative="greater").pvalue
    high = stats.ttest_1samp(VALUES, 1, alternative="less").pvalue
    assert p_value(made, checked) == pytest.approx(max(low, high), rel=1e-12)
    assert p_value(made, checked, against=True) == pytest.approx(min(1 - low, 1 - high), rel=1e-9)


def test_a_region_that_refutes_is_tested_itself():
    checked = assess(made := claim(below=0, refute={"above": 0.5}), "book", VALUES, seeds=[0, 1, 2, 3])
    expected = stats.ttest_1samp(VALUES, 0.5, alternative="greater").pvalue
    assert p_value(made, checked, against=True) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("count", [0, 1, 5, 20])
def test_a_share_has_binomial_tails(count):
    checked = assess(made := claim("proportion", trials=20, above=0.3), "book", count)
    expected = stats.binomtest(count, 20, 0.3, alternative="greater").pvalue
    assert p_value(made, checked) == pytest.approx(expected, rel=1e-9)
    against = stats.binomtest(count, 20, 0.3, alternative="less").pvalue
    assert p_value(made, checked, against=True) == pytest.approx(against, rel=1e-9)


@settings(deadline=None)
@given(st.lists(numbers, min_size=3, max_size=6), numbers, numbers)
def test_a_verdict_is_a_p_value_below_a_fortieth(values, one, other):
    low, high = sorted([one, other])
    assume(max(values) - min(values) > 1e-3 and high - low > 1e-3)
    checked = assess(made := claim(between=[low, high]), "book", values, seeds=list(range(len(values))))
    p, against = p_value(made, checked), p_value(made, checked, against=True)
    assume(min(abs(p - 0.025), abs(against - 0.025)) > 1e-9)
    assert (checked.verdict == "reproduced") == (p < 0.025)
    assert (checked.verdict == "not reproduced") == (against < 0.025)


def test_single_values_and_equal_seeds_have_none():
    single, equal = claim("measure", above=0), claim(above=0)
    assert p_value(single, assess(single, "book", 1.0)) is None
    assert p_value(equal, assess(equal, "book", [1.0] * 3, seeds=[0, 1, 2])) is None


def test_false_discovery_is_benjamini_and_hochbergs():
    given_ = {"a": 0.001, "b": 0.02, "c": 0.021, "d": 0.2, "e": 0.9}
    expected = stats.false_discovery_control(list(given_.values()))
    assert adjusted(given_) == pytest.approx(dict(zip(given_, expected, strict=True)))
    assert adjusted({}) == {}
