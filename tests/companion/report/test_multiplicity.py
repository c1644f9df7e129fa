"""Chance: which verdicts belong to the family, how their p-values are adjusted, and which of them would fall."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sphinx_toy import write_book

from companion.evidence.significance import p_value
from companion.report.export import export
from companion.report.multiplicity import chances
from companion.report.scorecard import claim_rows


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy book with everything that a ledger can say; not to be changed."""
    return write_book(tmp_path_factory.mktemp("toy"), everything=True)


def test_the_family_is_what_is_judged_on_an_interval(root: Path) -> None:
    found = chances(claim_rows(root))
    assert found.family == 5, (
        "gain, faster, gap, spread and collapse; one training and equal outcomes decide nothing"
    )
    assert list(found.decided) == ["toy.gain", "toy.faster", "toy.own.collapse"]
    assert found.expected == pytest.approx(5 * 0.025)


def test_support_and_refutation_are_adjusted_over_all_of_the_family(root: Path) -> None:
    rows = {row.claim.id: row for row in claim_rows(root)}
    found = chances(rows.values()).decided
    faster = p_value(rows["toy.faster"].claim, rows["toy.faster"].check)
    assert faster is not None and 0.02 < faster < 0.025
    assert found["toy.faster"].p_value == faster
    assert found["toy.faster"].adjusted == pytest.approx(faster * 5 / 2), "second of five: collapse comes before"
    gain = p_value(rows["toy.gain"].claim, rows["toy.gain"].check, against=True)
    assert gain is not None and found["toy.gain"].adjusted == pytest.approx(gain * 5)


def test_a_verdict_falls_where_the_adjusted_value_is_above_five_per_cent(root: Path, tmp_path: Path) -> None:
    found = chances(claim_rows(root))
    assert found.falling == ["toy.faster"]
    export(root, tmp_path)
    data = json.loads((tmp_path / "claims.json").read_text("utf-8"))
    survives = {claim["id"]: claim["survives"] for claim in data["chapters"][0]["claims"]}
    assert {id: value for id, value in survives.items() if value is not None} == {
        "toy.gain": True,
        "toy.faster": False,
        "toy.own.collapse": True,
    }


def test_few_claims_fall_less(root: Path) -> None:
    rows = [row for row in claim_rows(root) if row.claim.id == "toy.faster"]
    assert chances(rows).falling == [], "of a family of one the p-value stays what it is"
