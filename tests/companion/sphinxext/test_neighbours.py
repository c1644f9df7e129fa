"""A theme from its run to its pages: records, freshness, scorecards apart, open data, the page of neighbours."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from once import made_once
from open_data import faults, table
from sphinx_toy import build, built, edit, page_text, site_faults, words
from themed_book import list_theme, register, run_theme, write_theme

from companion.book.ledger import GROUPS, load_ledger
from companion.cli import main
from companion.evidence.record import load_record
from companion.register.entries import hash_of
from companion.register.history import past_claims
from companion.report.export import export
from companion.report.scorecard import by_chapter, claim_rows, summary
from companion.rerun.items import place_of


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The themed book with its page run and everything built; not to be changed."""

    def make(root: Path) -> None:
        write_theme(root)
        run_theme(root)
        list_theme(root)
        built(root)

    return made_once(tmp_path_factory, "themed", make)


@pytest.fixture
def copy(book: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(book, tmp_path / "copy", symlinks=True))


def test_a_run_is_stored_and_judged_by_the_theme_and_the_page(book, capsys):
    record = load_record(book, "book", "deep", "first")
    assert record is not None and record.page_id == "deep/first"
    path = book / "results/book/deep/first.ipynb"
    assert json.loads(path.read_text("utf-8"))["metadata"]["companion"]["source"] == "book/related/deep/first.md"
    assert place_of(path) == (book, "book", "deep", "first")
    for command in ("stale", "judge"):
        assert main([command, "--root", str(book), "--chapter", "deep"]) == 0, capsys.readouterr()


def test_an_edited_cell_makes_the_page_stale(copy, capsys):
    edit(copy / "book/related/deep/first.md", '"deep.first.bound", 0.25', '"deep.first.bound", 0.5')
    assert main(["stale", "--root", str(copy), "--chapter", "deep"]) == 1
    assert "deep/first (book)" in capsys.readouterr().out
    done = build(copy)
    assert done.returncode != 0 and "book/related/deep/first" in done.stderr


def test_claims_of_related_works_are_counted_apart(book):
    rows = claim_rows(book)
    assert list(by_chapter(rows, "related")) == ["deep", "all"]
    assert list(by_chapter(rows, "paper")) == ["toy", "all"]
    assert by_chapter(rows, "related")["all"]["reproduced"] == by_chapter(rows, "related")["all"]["quoted"] == 1
    assert by_chapter(rows, "ours")["deep"]["holds"] == 1
    assert GROUPS["related"] in summary(book)
    text = words(page_text(book, "book/index"), "strong")
    assert "Depth 1 0 0 0 1 2 All 1 0 0 0 1 2" in text.partition(GROUPS["related"])[2][:400]
    assert "Toy 2 1 1 0 1 5 All 2 1 1 0 1 5" in text.partition(GROUPS["paper"])[2][:400]


def test_the_promises_of_the_papers_are_not_those_of_their_neighbours(book):
    text = words(page_text(book, "book/index"))
    assert "None of these 3 headlines" in text and "Errors fall with the square" not in text


def test_neighbours_say_work_sentence_verdict_scale_and_page(book):
    page = page_text(book, "book/neighbours")
    text = words(page[page.index("<h1>") :], "span", "a")
    assert "Depth as time Work What it says Verdict Judged at Page" in text
    lines = text.partition("Judged at Page ")[2]
    assert re.search(
        r"^Roe \[2021 \] Errors fall with the square of \S+ \. ✓ reproduced a sentence without a scale ?"
        r"mathematics "
        r"A first work Poe \[2022 \] Deep nets gain a point\. ” quoted not judged at any scale ?a million images "
        r"Claims about depth",
        lines,
    ), lines[:400]
    assert 'href="related/deep/first.html"' in page and 'href="related/deep/claims.html"' in page


def test_pages_link_into_a_theme_and_out_of_it(book):
    assert 'href="../related/deep/first.html"' in page_text(book, "book/toy/concept")
    page = page_text(book, "book/related/deep/first")
    text = words(page, "span")
    assert "The order is 2.05 , the paper says 2 ; the error 0.25" in text
    assert 'href="claims.html#claim-deep-first-bound"' in page and 'href="../../toy/concept.html"' in page
    assert "How this page was made" in page and '<span class="companion-warn">' not in page
    index = page_text(book, "book/related/deep/index")
    assert "Gains" in index and "poe2022" in index and "contdepth-deep" in index
    assert "book/related/deep/index.html" in words(index, "span").replace(" ", "")
    claims = words(page_text(book, "book/related/deep/claims"))
    assert "claim of a related work" in claims and "the book’s own check" in claims
    assert site_faults(book) == []


def test_the_notebook_of_a_theme_leads_back_to_its_page(book):
    found = list((book / "_build/html/notebooks").rglob("first.ipynb"))
    assert [path.parent.name for path in found] == ["deep"]
    text = found[0].read_text("utf-8")
    assert "/book/related/deep/claims.html#claim-deep-first-bound" in text and "/book/toy/concept.html" in text
    assert "/book/related/deep/first.html#deep-start" in text


def test_open_data_have_an_entry_for_each_work(book, tmp_path):
    export(book, tmp_path)
    assert faults(tmp_path) == []
    data = json.loads((tmp_path / "claims.json").read_text("utf-8"))
    found = [(one["chapter"], one["paper"]["key"], len(one["claims"])) for one in data["chapters"]]
    assert found[1:] == [("deep", "roe2021", 2), ("deep", "poe2022", 1)]
    assert data["scorecard"]["related"]["reproduced"] == 1
    claim = data["chapters"][1]["claims"][0]
    assert claim["address"] == "book/related/deep/claims.html#claim-deep-first-order"
    assert claim["profiles"]["book"]["cell"] == "book/related/deep/first.html#check-deep-first-order"
    rows = {row["id"]: row for row in table(tmp_path)}
    assert rows["deep.second.gain"]["paper_key"] == "poe2022" and rows["deep.first.order"]["group"] == "related"


def test_the_explorer_names_a_theme_once_and_explains_its_group(book):
    page = page_text(book, "book/claims")
    assert page.count('<option value="deep">') == 1 and page.count('id="source-deep-P"') == 1
    assert "paper, related, independent" in page
    assert 'href="related/deep/first.html#check-deep-first-order"' in page


def test_a_theme_that_the_contents_do_not_reach_shows_nowhere(copy):
    toc = copy / "_toc.yml"
    toc.write_text(
        re.sub(r"      - file: book/related/.*\n", "", toc.read_text("utf-8")).replace(
            "  - caption: Depth as time\n    chapters:\n", ""
        ),
        encoding="utf-8",
    )
    edit(copy / "book/toy/concept.md", "Near {doc}`/book/related/deep/first`.", "Near nothing.")
    built(copy)
    assert "No related works yet." in page_text(copy, "book/neighbours")
    index, claims = (page_text(copy, name) for name in ("book/index", "book/claims"))
    assert GROUPS["related"] not in index and "Depth as time" not in index
    assert "paper, independent" in claims and "related, independent" not in claims


def test_a_theme_without_its_bibliography_or_with_an_unknown_name_is_said(copy):
    (copy / "book/references.bib").write_text("", encoding="utf-8")
    edit(copy / "book/neighbours.md", "```{neighbours}\n", "```{neighbours}\n:chapter: toy\n")
    said = build(copy).stderr
    assert "book/references.bib has no entry roe2021, a paper of deep" in said
    assert "expected a theme of book/related (deep), found 'toy'" in said


def test_the_register_sees_that_something_is_about_another_work(book):
    ledger = load_ledger(book, "deep")
    for item in (ledger.claims[0], ledger.headlines[0], ledger.tables[0], ledger.departures[0]):
        other = replace(item, work="second" if item.work == "first" else "first")
        assert hash_of(other) != hash_of(item)
        assert hash_of(replace(item, work="")) != hash_of(item)


def test_the_register_keeps_the_claims_of_a_theme(copy, monkeypatch, capsys):

    register(copy)
    text = (copy / "book/register.tsv").read_text("utf-8")
    for entry in (
        "claim\tdeep.first.order",
        "headline\tdeep.headline.gain",
        "page\tdeep/first",
        "table\tdeep/B-1",
    ):
        assert entry in text
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "toy")
        monkeypatch.setenv(f"{name}_EMAIL", "toy@example.org")
    for command in (["init", "-q"], ["add", "book"], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", str(copy), *command], check=True)
    assert {"deep.first.order", "deep.second.gain", "toy.gap"} <= set(past_claims(copy))
    assert main(["check-ledger", "--root", str(copy), "--chapter", "deep"]) == 0
    ledger = copy / "book/related/deep/claims.yml"
    edit(ledger, "It gains a point.", "It gains two points.")
    assert main(["check-ledger", "--root", str(copy), "--chapter", "deep"]) == 2
    assert "claim deep.second.gain: expected what book/register.tsv has" in capsys.readouterr().err
