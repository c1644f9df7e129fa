"""Numbers, intervals and dates as pages show them."""

from __future__ import annotations

import math

import pytest

from companion.sphinxext import wording


@pytest.mark.parametrize(
    ("value", "spec", "shown"),
    [
        (1.0123456, "", "1.012"),
        (1.0, "", "1"),
        (0.0, "", "0"),
        (-0.66, "", "−0.66"),
        (97.25, ".1f", "97.2"),
        (-0.3, "+.2f", "−0.30"),
        (1.2e-7, "", "1.20 × 10⁻⁷"),
        (1.2e-7, ".1e", "1.2 × 10⁻⁷"),
        (12345, "", "12,345"),
        (640, "", "640"),
        (123456.0, "", "123456"),
        (1730000, ",.0f", "1,730,000"),
        (None, "", "–"),
        (True, "", "yes"),
        ("forward Euler", "", "forward Euler"),
        ([1, 0.5], "", "1, 0.5"),
        (-math.inf, "", "−∞"),
    ],
)
def test_numbers(value: object, spec: str, shown: str) -> None:
    assert wording.number(value, spec) == shown


def test_a_format_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(ValueError):
        wording.number(1.5, ".1q")


@pytest.mark.parametrize(
    ("value", "bounds", "spec", "shown"),
    [
        (-0.31234, (-0.61, 0.0123), "", "−0.31 [−0.61, 0.01]"),
        (95.123, (93.0, 98.0), "", "95.1 [93.0, 98.0]"),
        (1.5, None, "", "1.5"),
        (1.5, (1.5, 1.5), "", "1.5"),
        (0.25, (0.1, 0.4), ".3f", "0.250 [0.100, 0.400]"),
    ],
)
def test_intervals_have_two_digits_of_their_width(value, bounds, spec: str, shown: str) -> None:
    assert wording.interval(value, bounds, spec) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("< 1e-10", "< 10⁻¹⁰"),
        ("between -1 and 2.5e-07", "between −1 and 2.5 × 10⁻⁷"),
        ("1 ± 0.03", "1 ± 0.03"),
        ("LM-ResNet-56", "LM-ResNet-56"),
    ],
)
def test_ledger_text_gets_true_signs(text: str, shown: str) -> None:
    assert wording.typeset(text) == shown


def test_seeds_times_and_dates() -> None:
    assert wording.seeds([3, 1, 2, 7]) == "1–3, 7" and wording.seeds(None) == ""
    assert [wording.duration(s) for s in (4.13, 42.0, 187.2, 7200.0)] == ["4.1 s", "42 s", "3.1 min", "2.0 h"]
    assert wording.date("2026-11-21T10:00:00+00:00") == "21 November 2026"


def test_every_verdict_has_a_sign() -> None:
    from companion.evidence.verdict import OWN_VERDICTS, VERDICTS
    from companion.report.scorecard import NOT_RUN

    assert set(wording.SYMBOLS) == {*VERDICTS, *OWN_VERDICTS, NOT_RUN}
    for words in (VERDICTS, OWN_VERDICTS):
        assert len({wording.SYMBOLS[word] for word in (*words, NOT_RUN)}) == len(words) + 1
    assert [wording.SYMBOLS[word] for word in OWN_VERDICTS[:3]] == [wording.SYMBOLS[word] for word in VERDICTS[:3]]


@pytest.mark.parametrize(
    ("part", "shown"), [(1.0, "100 %"), (0.0231, "2.3 %"), (0.5, "50 %"), (0.00004, "0.004 %"), (0.1, "10 %")]
)
def test_shares_have_two_digits(part: float, shown: str) -> None:
    assert wording.share(part) == shown


def test_ranges_are_words() -> None:
    assert (wording.span(4, 5), wording.span(-0.2, 0.1)) == ("4 to 5", "−0.2 to 0.1")
