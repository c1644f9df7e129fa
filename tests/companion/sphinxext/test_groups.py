"""Groups apart, headlines, scale and chance on the pages of a toy book that has everything a ledger can say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from open_data import PAGE
from sphinx_toy import built, edit, page_text, site_faults, words, write_book


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy book with everything, built once."""
    root = write_book(tmp_path_factory.mktemp("toy"), everything=True)
    (root / "book/claims.md").write_text(PAGE, encoding="utf-8")
    edit(root / "_toc.yml", "parts:\n", "parts:\n  - caption: All\n    chapters:\n      - file: book/claims\n")
    return built(root)


def test_three_scorecards_and_a_line_for_what_none_counts(book: Path) -> None:
    page = page_text(book, "book/index")
    text = words(page, "strong")
    for title, line in (
        ("The papers’ claims", "Toy 2 1 1 0 1 5 All 2 1 1 0 1 5"),
        ("Third parties’ figures", "Toy 1 0 0 0 0 1 All 1 0 0 0 0 1"),
        ("The book’s own checks", "Toy 2 1 3 0 6 All 2 1 3 0 6"),
    ):
        assert line in text.partition(title)[2][:400], title
    assert "Not counted: 1 that hold by construction, or are unit tests; all hold. See the list." in text
    own = page[page.index("The book’s own checks") : page.index("Newest run")]
    assert "reproduced<" not in own, "a book does not reproduce its own sentence"


def test_counts_lead_to_the_filtered_claims(book: Path) -> None:
    page = page_text(book, "book/index")
    for query in (
        "group=paper&amp;chapter=toy&amp;verdict=not-reproduced",
        "group=independent&amp;verdict=reproduced",
        "group=ours&amp;verdict=open",
        "group=construction",
        "group=paper&amp;small=1",
    ):
        assert f'href="claims.html?{query}"' in page, query


def test_headlines_say_scale_and_verdict(book: Path) -> None:
    text = words(page_text(book, "book/index"), "span")
    for part in (
        "None of these 3 headlines is judged at the paper’s own scale today: 1 at a smaller one, 1 at none, 1 "
        "without a scale, as mathematics is.",
        "decided by ✗ not reproduced ; beside it, smaller: ? undecided",
        "Toy: the paper says 4 to 5 (points)",
        "decided by toy.gain ✗ not reproduced at 5 %",
        "beside it, smaller: toy.gap ? undecided at 5 %",
        "A million images, 90 epochs 5 % (grids) ✗ not reproduced",
        "Nothing here measures it",
        "Four graphics cards not judged at any scale ” quoted",
        "It is mathematics a sentence without a scale ✓ reproduced",
    ):
        assert part in text, part


def test_chance_is_counted_and_what_would_fall_is_named(book: Path) -> None:
    text = words(page_text(book, "book/index"), "li")
    assert "Today 5 claims are judged on an interval, and 3 of them decided." in text
    assert "0.1 verdicts would be false, 2.5 % of the claims. Of those decided, 2 stay, and 1 would not:" in text
    assert "toy.faster ✓ reproduced adjusted 0.057" in text


def test_figures_of_papers_are_counted(book: Path) -> None:
    assert "1 of 4, 3 small." in words(page_text(book, "book/index"))


def test_what_holds_by_construction_is_folded_below_the_claims_and_reachable(book: Path) -> None:
    page = page_text(book, "book/toy/claims")
    counted, _, folded = page.partition('<details class="companion-folded" open>')
    assert 'id="claim-toy-unit"' not in counted and folded.count('id="claim-toy-unit"') == 1
    assert "Holds by construction: 1" in words(folded) and "It is the same product" in words(folded)
    assert re.search(r'src="[^"]*folded\.js', page), "without its script the list is open; the script folds it"
    assert "folded.js" not in page_text(book, "book/claims")


def test_the_claims_table_shows_whose_figures_and_why_nothing_is_decided(book: Path) -> None:
    text = words(page_text(book, "book/toy/claims"), "span", "code")
    for part in (
        "Authors’ code, run here 98",
        "Our earlier experiment 97",
        "Third party 1 to 2",
        "Paper 4 to 5",
        "? open 1 training of the network, and 3 are the least that can tell",
        "? open all 3 seeds gave the same",
        "✗ not reproduced at 5 % of the paper’s scale",
    ):
        assert part in text, part


def test_built_pages_are_clean(book: Path) -> None:
    assert site_faults(book) == []


def test_open_claims_say_how_many_seeds_would_decide_them(book: Path) -> None:
    text = words(page_text(book, "book/index"))
    assert "Today an interval over seeds leaves 2 claims undecided or open." in text
