"""Scales and headlines: what a verdict was judged at, and what an abstract's sentence comes to."""

from dataclasses import replace

import pytest
from toy_book import edit

from companion.book.ledger import Headline, load_ledger
from companion.book.pages import load_runs
from companion.cli import main
from companion.errors import DocumentError
from companion.report.headlines import HeadlineRow, headline_rows
from companion.report.scales import shares
from companion.report.scorecard import claim_rows

LEDGER = "book/toy/claims.yml"


def share(root, id: str = "toy.euler.loss"):
    claim = load_ledger(root, "toy").claim(id)
    return shares(load_ledger(root, "toy"), claim, load_runs(root, "toy").get(claim.page))


def test_the_smallest_part_counts_and_parameters_are_the_pages(toy):
    edit(
        toy, LEDGER, "{grids: [steps, 4], seeds: [3, 3]}", "{grids: [steps, 4], width: [width, 8], seeds: [6, 3]}"
    )
    found = share(toy)["smoke"]
    assert dict(found.parts) == {"grids": (2, 4), "width": (0.5, 8), "seeds": (6, 3)}
    assert (found.value, found.smallest, found.small) == (0.0625, "width", True)
    edit(
        toy,
        "book/toy/runs.yml",
        "smoke: {parameters: {steps: [4, 8]}",
        "smoke: {parameters: {steps: [4], width: 9}",
    )
    assert (share(toy)["smoke"].value, share(toy)["book"].value) == (0.25, 0.0625)


def test_more_than_the_paper_is_all_of_it(toy):
    edit(toy, LEDGER, "[steps, 4]", "[steps, 1]")
    assert share(toy)["book"].value == 1.0 and not share(toy)["book"].small


def test_a_sentence_without_a_scale_has_no_share(toy):
    assert share(toy, "toy.euler.order") == {} == share(toy, "toy.heun.order")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("[stps, 4]", "expected a parameter of page euler, found 'stps'; did you mean 'steps'?"),
        ("[profile, 4]", "expected a number above 0 or a list for profile, found 'smoke'"),
    ],
)
def test_a_part_that_no_parameter_gives(toy, part, message, capsys):
    edit(toy, LEDGER, "[steps, 4]", part)
    with pytest.raises(DocumentError, match="scale few, used by claim toy.euler.loss: ") as error:
        share(toy)
    assert message in str(error.value)
    assert main(["check-ledger", "--root", str(toy)]) == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def rows(executed):
    return {row.claim.id: row for row in claim_rows(executed)}


def test_a_headline_has_the_verdict_and_the_scale_of_what_decides_it(executed, rows):
    (found,) = headline_rows([load_ledger(executed, "toy")], rows)
    assert (found.verdict, found.share.value, found.at_paper_scale) == ("reproduced", 0.5, False)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["reproduced", "reproduced"], "reproduced"),
        (["reproduced", "not reproduced"], "not reproduced"),
        (["undecided", "not reproduced"], "not reproduced"),
        (["reproduced", "undecided"], "undecided"),
        (["reproduced", "not attempted"], "undecided"),
        (["not attempted", "quoted"], "not attempted"),
        (["quoted"], "quoted"),
        (["not run"], "not attempted"),
        ([], "quoted"),
    ],
)
def test_what_decides_a_headline(rows, verdicts, expected):
    decided_by = tuple(replace(rows["toy.euler.loss"], verdict=verdict) for verdict in verdicts)
    headline = Headline("toy.headline.a", "t", "s", tuple("toy.a" for _ in verdicts), why="w")
    found = HeadlineRow("toy", headline, decided_by, ())
    assert found.verdict == expected
    assert not found.at_paper_scale


def test_the_papers_own_profile_is_its_scale(rows):
    row = replace(rows["toy.euler.loss"], profile="paper", shares={})
    assert HeadlineRow("toy", Headline("toy.headline.a", "t", "s", ("a",)), (row,), ()).at_paper_scale
