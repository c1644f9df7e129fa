"""The rule of verdicts: regions, Student-t intervals over seeds, and what cannot be judged."""

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from companion.book.ledger import Claim, Expectation
from companion.errors import CheckError
from companion.evidence.judging import assess
from companion.evidence.verdict import (
    Region,
    exact_interval,
    judge,
    paired_differences,
    student_interval,
    worst,
)

numbers = st.floats(-1e6, 1e6, allow_nan=False)


def region(**keys) -> Region:
    return Region.from_keys(keys)


def claim(kind="measure", refute=None, origin="paper", **keys) -> Claim:
    expect = Expectation("book", region(**keys), region(**refute) if refute else None, "why", "reproduced")
    return Claim("toy.a", "s", "w", origin, kind, "page", None, None, None, {"book": expect})


@pytest.mark.parametrize(
    ("keys", "low", "high", "verdict"),
    [
        ({"equals": 26}, 26, 26, "reproduced"),
        ({"equals": 26}, 27, 27, "not reproduced"),
        ({"equals": 1, "tolerance": 0.5}, 1.5, 1.5, "reproduced"),
        ({"equals": 1, "tolerance": 0.5}, 1.6, 1.6, "not reproduced"),
        ({"equals": 1, "tolerance": 0.5}, 1.4, 1.6, "undecided"),
        ({"below": 0}, 0, 0, "not reproduced"),
        ({"below": 0}, -1, -1e-300, "reproduced"),
        ({"below": 0}, -1, 0, "undecided"),
        ({"below": 0}, 0, 1, "not reproduced"),
        ({"above": 2}, 2, 2, "not reproduced"),
        ({"above": 2}, 2, 3, "undecided"),
        ({"above": 2}, 1, 2, "not reproduced"),
        ({"above": 2}, 2.1, 3, "reproduced"),
        ({"between": [0, 1]}, 0, 1, "reproduced"),
        ({"between": [0, 1]}, -1, 2, "undecided"),
        ({"between": [0, 1]}, 1.1, 2, "not reproduced"),
    ],
)
def test_rule(keys, low, high, verdict):
    assert judge(low, high, region(**keys)) == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-2, -1, "reproduced"), (0.6, 0.9, "not reproduced"), (0.1, 0.4, "undecided"), (0.4, 0.9, "undecided")],
)
def test_refute_region_replaces_the_complement(low, high, verdict):
    assert judge(low, high, region(below=0), region(above=0.5)) == verdict


@given(numbers, numbers, numbers, numbers)
def test_verdict_is_consistent(a, b, c, d):
    """Inside, outside and straddling exclude each other, and a smaller interval never loses a decision."""
    support, (low, high) = region(between=sorted([a, b])), sorted([c, d])
    verdict = judge(low, high, support)
    inside = [support.contains(x, x) for x in (low, high, (low + high) / 2)]
    if verdict == "reproduced":
        assert all(inside)
    if verdict == "not reproduced":
        assert not any(inside)
    if verdict != "undecided":
        assert judge(low, low, support) == judge(high, high, support) == verdict


@settings(deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12))
def test_interval_is_students(values):
    assume(max(values) - min(values) > 1e-6)
    low, high = student_interval(values)
    expected = stats.t.interval(0.95, len(values) - 1, loc=sum(values) / len(values), scale=stats.sem(values))
    assert (low, high) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_equal_values_have_no_interval_and_decide_nothing():
    assert student_interval([0.1, 0.1, 0.1]) is None
    checked = assess(claim("training", above=0), "book", [1.0, 1.0, 1.0], seeds=[0, 1, 2])
    assert (checked.verdict, checked.value, checked.interval) == ("undecided", 1.0, None)
    assert checked.open_because == "all 3 seeds gave the same"
    assert all(math.isfinite(end) for end in student_interval([1e300, 2e300, 3e300]))


def test_pairing_removes_what_seeds_share():
    arm, base = [1.0, 5.0, 9.0], [2.0, 6.1, 9.9]
    checked = assess(claim("training", below=0), "book", arm, baseline=base, seeds=[0, 1, 2])
    assert checked.verdict == "reproduced"
    assert checked.interval == pytest.approx(student_interval(paired_differences(arm, base)))
    unpaired = assess(claim("training", below=0), "book", [a - 6 for a in arm], seeds=[0, 1, 2])
    assert unpaired.verdict == "undecided"


def test_worst_value_decides():
    checked = assess(claim(between=[0, 1]), "book", values=[0.5, 0.9, 0.2])
    assert (checked.value, checked.verdict) == (0.9, "reproduced")
    checked = assess(claim(between=[0, 1]), "book", values=[0.5, -3, 2])
    assert (checked.value, checked.verdict) == (-3, "not reproduced")
    assert worst([3, 1, 2], region(below=5)) == 3


def test_numbers_of_any_library():
    class Scalar:
        def item(self):
            return 0.5

    import numpy as np

    for value in (0.5, np.float32(0.5), np.array(0.5), np.array([0.5]), Scalar()):
        checked = assess(claim(equals=0.5), "book", value)
        assert type(checked.value) is float and checked.verdict == "reproduced"
    assert type(assess(claim(equals=3), "book", np.int64(3)).value) is int


GOOD = {"value": [1.0, 2.0, 3.0], "seeds": [0, 1, 2]}


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("measure", {}, "claim toy.a: expected a value, found none"),
        (
            "measure",
            {"value": 1, "values": [1]},
            "claim toy.a: expected either a value or values=, found both",
        ),
        ("measure", {"value": math.nan}, "claim toy.a: expected a finite number, found nan"),
        ("measure", {"value": -math.inf}, "claim toy.a: expected a finite number, found -inf"),
        ("measure", {"value": True}, "claim toy.a: expected a number, found True"),
        ("measure", {"value": "1"}, "claim toy.a: expected a number, found '1'"),
        (
            "measure",
            {"value": [1, 2]},
            "claim toy.a: expected a single number, found several; use values= to judge every one",
        ),
        ("measure", {"values": []}, "claim toy.a, values: expected at least one number, found an empty list"),
        ("measure", {"values": [1, math.nan]}, "claim toy.a, values[1]: expected a finite number, found nan"),
        (
            "measure",
            {"value": 1, "seeds": [1]},
            "claim toy.a, seeds: expected it only for a claim of kind training or proportion, found kind measure",
        ),
        (
            "training",
            {"value": [1.0, 2.0, 3.0]},
            "claim toy.a, seeds: expected the 3 seeds of the runs, found none",
        ),
        (
            "training",
            {**GOOD, "seeds": [0, 1, 1]},
            "claim toy.a, seeds: expected 0, 1, 2: none is chosen, found [0, 1, 1]",
        ),
        (
            "training",
            {**GOOD, "seeds": [1, 2, 3]},
            "claim toy.a, seeds: expected 0, 1, 2: none is chosen, found [1, 2, 3]",
        ),
        (
            "training",
            {"value": [1.0] * 5, "seeds": [0, 1, 2, 3, 7]},
            "claim toy.a, seeds: expected 0, 1, …, 4: none is chosen, found [0, 1, 2, 3, 7]",
        ),
        (
            "training",
            {"value": [1.0, 2.0], "seeds": [0, 1]},
            "claim toy.a, seeds: expected at least 3 for a claim about training, found 2",
        ),
        (
            "training",
            {**GOOD, "value": [1.0, 2.0]},
            "claim toy.a, values: expected 3 numbers, one for each seed, found 2",
        ),
        (
            "training",
            {**GOOD, "baseline": [1.0]},
            "claim toy.a, baseline: expected 3 numbers, one for each seed, found 1",
        ),
        (
            "training",
            {**GOOD, "seeds": [0, 1, 2.5]},
            "claim toy.a, seeds: expected whole numbers, found [0, 1, 2.5]",
        ),
        (
            "training",
            {"value": 1.0, "seeds": [0]},
            "claim toy.a, values: expected a list of numbers, found 1.0",
        ),
    ],
)
def test_what_cannot_be_judged(kind, arguments, message):
    with pytest.raises(CheckError) as error:
        assess(claim(kind, below=0), "book", **arguments)
    assert str(error.value) == message


def test_profile_without_expectation():
    with pytest.raises(CheckError, match="expected an expectation at profile smoke in the ledger, found none"):
        assess(claim(below=0), "smoke", 1)


@pytest.mark.parametrize(("successes", "trials"), [(0, 3), (3, 3), (1, 3), (20, 20), (7, 20)])
def test_the_interval_of_a_share_is_clopper_and_pearsons(successes, trials):
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="exact")
    assert exact_interval(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_share_cannot_be_outside():
    for successes, trials in ((4, 3), (-1, 3), (0, 0)):
        with pytest.raises(ValueError, match="expected a number from 0 to the trials"):
            exact_interval(successes, trials)


def proportion(trials=None, **keys) -> Claim:
    expect = Expectation("book", region(**keys), None, "why", "reproduced", trials=trials)
    return Claim("toy.a", "s", "w", "paper", "proportion", "page", None, None, None, {"book": expect})


def test_a_proportion_is_judged_on_its_exact_interval():
    one = assess(proportion(above=0), "book", values=[0, 1, 0], seeds=[0, 1, 2])
    assert (one.verdict, one.value) == ("reproduced", pytest.approx(1 / 3))  # it happens: once is enough
    none = assess(proportion(above=0), "book", values=[0, 0, 0], seeds=[0, 1, 2])
    assert none.verdict == "undecided" and none.interval == (0, pytest.approx(0.7076, abs=1e-4))
    all_of_20 = assess(proportion(above=0.95), "book", values=[1] * 20, seeds=list(range(20)))
    assert all_of_20.verdict == "undecided" and all_of_20.interval == (pytest.approx(0.8316, abs=1e-4), 1)


def test_a_count_of_trials_is_a_proportion_too():
    found = assess(proportion(trials=3, above=0), "book", 3)
    assert (found.verdict, found.value, found.interval[1]) == ("reproduced", 1.0, 1.0)
    assert found.payload() == {"claim": "toy.a", "profile": "book", "value": 3}
    assert assess(proportion(trials=3, above=0), "book", 0).payload()["value"] == 0


@pytest.mark.parametrize(
    ("trials", "arguments", "message"),
    [
        (3, {"value": 4}, "claim toy.a: expected a count from 0 to 3, found 4"),
        (3, {"value": 1.5}, "claim toy.a: expected a count from 0 to 3, found 1.5"),
        (3, {"values": [1, 0, 1]}, "claim toy.a: expected one count, of 3 trials, found several numbers"),
        (None, {"values": [1, 0.5, 1], "seeds": [0, 1, 2]}, "expected 0 or 1 for each seed, found 0.5"),
        (None, {"values": [1, 0], "seeds": [0, 1]}, "expected at least 3 for a claim about training, found 2"),
        (None, {"values": [1, 0, 1]}, "claim toy.a, seeds: expected the 3 seeds of the runs, found none"),
        (3, {"value": 1, "baseline": [1]}, "claim toy.a, baseline: expected none for a claim of kind proportion"),
    ],
)
def test_what_is_no_proportion(trials, arguments, message):
    with pytest.raises(CheckError) as error:
        assess(proportion(trials, above=0), "book", **arguments)
    assert message in str(error.value)


@pytest.mark.parametrize("kind", ["measure", "count", "training"])
def test_few_trainings_decide_nothing(kind):
    """Three policies over one unit say nothing of the next unit."""
    numbers = {"value": [1.0, 1.1, 1.2], "seeds": [0, 1, 2]} if kind == "training" else {"value": 1.0}
    for trainings, verdict in ((1, "undecided"), (2, "undecided"), (3, "reproduced"), (None, "reproduced")):
        made = claim(kind, above=0)
        expect = replace(made.expect["book"], trainings=trainings)
        checked = assess(replace(made, trained=True, expect={"book": expect}), "book", **numbers)
        assert checked.verdict == verdict
        assert (checked.open_because is None) == (verdict == "reproduced")


def test_the_books_own_checks_have_their_own_words():
    for value, word in ((1, "holds"), (-1, "fails")):
        assert assess(claim(above=0, origin="ours"), "book", value).verdict == word
    wide = assess(claim("training", above=0, origin="ours"), "book", [-1.0, 0.0, 1.5], seeds=[0, 1, 2])
    assert wide.verdict == "open"
    built = replace(claim(above=0), construction="A definition.")
    assert (built.group, assess(built, "book", 1).verdict) == ("construction", "holds")
