"""Ledgers of themes: several papers, whose work everything is about, folders, names and the rules."""

import shutil
from pathlib import Path

import pytest
from sphinx_toy import edit
from themed_book import list_theme, write_theme

from companion.book.ledger import RELATED_WORKS, load_ledger
from companion.book.pages import find_page, load_pages
from companion.book.toc import captions, chapters
from companion.book.typed_numbers import survey
from companion.errors import DocumentError
from companion.evidence.machines import machines_path
from companion.pieces.plan import load_plan, pieces_path
from companion.root import chapter_label, claims_path, docname_of, is_theme, page_name

LEDGER = "book/related/deep/claims.yml"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_theme(tmp_path_factory.mktemp("themes"))


@pytest.fixture
def book(written: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(written, tmp_path / "book", symlinks=True))


def test_a_ledger_has_several_papers_and_everything_names_its_work(written):
    ledger = load_ledger(written, "deep")
    assert ledger.is_theme and ledger.label == LEDGER
    assert {work: paper.key for work, paper in ledger.papers.items()} == {"first": "roe2021", "second": "poe2022"}
    assert [claim.work for claim in ledger.claims] == ["first", "first", "second"]
    for items in (ledger.headlines, ledger.tables, ledger.departures):
        assert {item.work for item in items} <= set(ledger.papers) and items
    assert [claim.group for claim in ledger.claims] == [RELATED_WORKS, "ours", RELATED_WORKS]
    assert ledger.claims[0].words[0] == "reproduced" and ledger.claims[1].words[0] == "holds"


def test_a_chapter_has_its_one_paper_as_before(written):
    ledger = load_ledger(written, "toy")
    assert not ledger.is_theme and list(ledger.papers) == [""] and ledger.papers[""].key == "doe2020"
    assert {claim.work for claim in ledger.claims} == {""} and ledger.claim("toy.gap").group == "paper"


def test_names_of_a_theme_are_those_of_a_chapter_and_only_its_folder_is_elsewhere(book):
    assert chapters(book) == ["toy", "deep"]
    list_theme(book)
    assert captions(book) == {"toy": "Toy", "deep": "Depth as time"}
    assert find_page(book, "deep/first").source == book / "book/related/deep/first.md"
    assert [page.id for page in load_pages(book, "deep")] == ["deep/first"]
    assert is_theme(book, "deep") and not is_theme(book, "toy") and not is_theme(book, "")
    for path in (claims_path, machines_path, pieces_path):
        assert path(book, "deep").parent == book / "book/related/deep"
        assert path(book, "toy").parent == book / "book/toy"
    assert chapter_label(book, "deep") == "book/related/deep"


@pytest.mark.parametrize("name", ["book/related/deep/first", "book/toy/orders", "book/index", "book/neighbours"])
def test_page_and_document_lead_to_each_other(written, name):
    assert docname_of(written, page_name(name)) == name


def test_typed_numbers_of_a_theme_are_found_by_its_name(book):
    list_theme(book)
    edit(book / "book/related/deep/index.md", "Two works,", "Two works, 17 more,")
    assert [problem.partition(":")[0] for problem in survey(book, "deep").problems] == [
        "book/related/deep/index.md"
    ]
    assert not any("17" in problem for problem in survey(book, "toy").problems)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "id: deep.first.bound\n    work: first",
            "id: deep.first.bound\n    work: frist",
            "claim deep.first.bound, key work: expected a key of papers (first, second), found 'frist'; did "
            "you mean 'first'?",
        ),
        (
            "    work: second\n    statement",
            "    statement",
            "claim deep.second.gain, key work: expected a key of papers (first, second), found nothing",
        ),
        (
            "id: deep.first.bound\n    work: first",
            "id: deep.first.bound\n    work: second",
            "claim deep.first.bound, key id: expected an id that begins with deep.second., found "
            "'deep.first.bound'",
        ),
        (
            "gain\n    work: second\n    text",
            "gain\n    text",
            "key work: expected a key of papers (first, second), found nothing",
        ),
        (
            "claims: [deep.second.gain]",
            "claims: [deep.second.gain]\n    beside: [deep.first.order]",
            "key beside: expected claims about second, found 'deep.first.order', about first",
        ),
        (
            "gain\n    work: second\n    text",
            "gain\n    work: first\n    text",
            "key papers.second: expected a headline of this work, found none",
        ),
        (
            "key: poe2022",
            "key: roe2021",
            "key papers.second.key: expected a key that no other of the papers has, found 'roe2021' again",
        ),
        (
            "papers:\n",
            "paper: {key: a, title: b, authors: [c], venue: d, year: 2000}\npapers:\n",
            "key paper: expected papers in a chapter of book/related, found paper",
        ),
        (
            "B-1, work: second",
            "B-1",
            "table B-1, key work: expected a key of papers (first, second), found nothing",
        ),
        (
            "id: start, work: first",
            "id: start",
            "key work: expected a key of papers (first, second), found nothing",
        ),
        (
            "page: first\n    paper",
            "page: frist\n    paper",
            "expected a page of book/related/deep/runs.yml (first)",
        ),
    ],
)
def test_a_breach_is_said(book, old, new, said):
    edit(book / LEDGER, old, new)
    with pytest.raises(DocumentError) as raised:
        load_ledger(book, "deep")
    assert any(problem.startswith(LEDGER) and said in problem for problem in raised.value.problems), raised.value


def test_a_chapter_about_one_paper_has_neither_papers_nor_works(book):
    path = book / "book/toy/claims.yml"
    edit(path, "paper: {key", "papers: {a: {key")
    edit(path, "year: 2020}\n", "year: 2020}}\n")
    with pytest.raises(DocumentError) as raised:
        load_ledger(book, "toy")
    assert [problem.partition("key ")[2] for problem in raised.value.problems] == [
        "papers: expected paper in a chapter about one paper, found papers",
        "paper: expected it in a chapter about one paper, found nothing",
    ]


def test_a_work_is_named_in_themes_only(book):
    edit(book / "book/toy/claims.yml", "id: toy.gap\n", "id: toy.gap\n    work: first\n")
    with pytest.raises(DocumentError, match="key work: expected it only in a chapter of book/related"):
        load_ledger(book, "toy")


def test_a_theme_has_a_name_of_its_own(book):
    (book / "book/deep").mkdir()
    with pytest.raises(
        DocumentError, match="key chapter: expected a name that no folder of book/ has, found 'deep'"
    ):
        load_ledger(book, "deep")


def test_a_theme_has_pieces_that_name_its_pages(book):
    text = "chapter: deep\npieces:\n  - name: full\n    page: first\n    function: contdepth.studies.toy:full\n"
    text += "    grid: {seed: [0, 1]}\n    device: cuda\n    minutes: 6\n    headline: deep.headline.order\n"
    pieces_path(book, "deep").write_text(text, encoding="utf-8")
    (group,) = load_plan(book, "deep")
    assert group.id == "deep/full" and group.page == "first"
