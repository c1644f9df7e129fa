"""The built book, read as a reader without a network and without eyes would read it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from companion.book.ledger import load_ledgers
from companion.root import chapter_label, docname_of
from companion.site import checks

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("check", checks.ALL, ids=lambda check: check.__name__)
def test_every_page_is_clean(book: checks.Site, check) -> None:
    assert check(book) == []


def test_every_claim_has_one_row(book: checks.Site) -> None:
    wanted = Counter(claim.anchor for ledger in load_ledgers(ROOT) for claim in ledger.claims)
    found = Counter(name for page in book.pages.values() for name in page.ids if name.startswith("claim-"))
    assert wanted, "expected claims in the ledgers, found none"
    assert found == wanted


def test_every_chapter_has_its_claims_page(book: checks.Site) -> None:
    for ledger in load_ledgers(ROOT):
        page = book.pages.get(f"{chapter_label(ROOT, ledger.chapter)}/claims.html")
        assert page is not None, (
            f"outputs link to claims.html in {chapter_label(ROOT, ledger.chapter)}, and there is none"
        )
        assert {claim.anchor for claim in ledger.claims} <= set(page.ids)


def test_every_executable_page_says_where_it_comes_from(book: checks.Site) -> None:
    from companion.book.pages import load_pages

    for page in load_pages(ROOT):
        built = book.pages.get(f"{docname_of(ROOT, page.id)}.html")
        assert built is not None, f"{page.id} is in runs.yml but not in the table of contents"
        text = " ".join(built.text.split())
        assert "Outputs: book profile" in text, f"{page.id} shows no provenance of its outputs"
        names = [link.rsplit("/", 1)[-1] for link in built.links]
        assert f"{page.name}.json" in names and f"{page.name}.ipynb" in names, f"{page.id} links to no record"


def test_every_page_has_a_description(book: checks.Site) -> None:
    bare = [
        page.name
        for page in book.written
        if page.name.startswith("book/")
        and 'name="description"' not in (book.folder / page.name).read_text(encoding="utf-8")
    ]
    assert bare == []


def test_mathematics_is_carried_by_the_book(book: checks.Site) -> None:
    scripts = {load.split("?")[0].rsplit("/", 1)[-1] for page in book.pages.values() for load in page.loads}
    assert "tex-svg-full.js" in scripts
    assert (book.folder / "_static/mathjax/tex-svg-full.js").stat().st_size > 1_000_000
    assert (book.folder / "_static/mathjax/LICENSE").is_file()
