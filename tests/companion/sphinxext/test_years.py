"""Citations by author and year: letters where both coincide, the same on pages, in the bibliography, elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pybtex.database import parse_file, parse_string
from sphinx_toy import REPOSITORY, built, edit, page_text, words, write_book

from companion.sphinxext.claims.years import authors, lettered
from companion.sphinxext.store import Store
from companion.sphinxext.stored.plain import Plain

SOURCES = r"""
@article{roe2019, title={Cars}, author={Roe, Zoe and Poe, Ann and Doe, Jane}, journal={Toys}, year={2019}}
@article{roe2019bears, title={Bears}, author={Roe, Abe and Poe, Ann and Lee, Bo}, journal={Toys}, year={2019}}
@article{roe2019again, title={Again}, author={Roe, Zoe and Poe, Ann and Doe, Jane}, journal={Toys}, year={2019}}
@article{roe2020, title={Kites}, author={Roe, Zoe and Poe, Ann and Doe, Jane}, journal={Toys}, year={2020}}
"""
CITED = """
One is {cite:t}`roe2019`, one is {cite:t}`roe2019bears`, others follow {cite:p}`roe2019again,roe2020`.
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy book that cites four sources, three of them of one author and year."""
    root = write_book(tmp_path_factory.mktemp("toy"))
    path = root / "book/references.bib"
    path.write_text(path.read_text("utf-8") + SOURCES, encoding="utf-8")
    edit(root / "book/toy/concept.md", "# The idea\n", f"# The idea\n{CITED}")
    return built(root)


def test_pages_cite_with_letters_in_the_order_of_the_bibliography(book: Path) -> None:
    text = words(page_text(book, "book/toy/concept"))
    assert (
        "One is Roe et al. [2019c], one is Roe et al. [2019a], others follow [Roe et al., 2019b, Roe et al., 2020]"
        in text
    )
    assert "[Doe, 2020]" in text


def test_the_bibliography_has_the_letters_in_labels_and_entries(book: Path) -> None:
    page = page_text(book, "book/toy/concept")
    shown = [words(part) for part in re.findall(r'<div class="citation".*?</div>', page, re.DOTALL)]
    assert [entry.split("]")[0].lstrip("[") for entry in shown] == [
        "Doe 2020",
        "Roe et al. 2019a",
        "Roe et al. 2019b",
        "Roe et al. 2019c",
        "Roe et al. 2020",
    ]
    assert ["Bears", "Again", "Cars"] == [entry.split(". ")[2] for entry in shown[1:4]]
    assert [re.findall(r", (\d{4}\w?)\.", entry) for entry in shown] == [
        ["2020"],
        ["2019a"],
        ["2019b"],
        ["2019c"],
        ["2020"],
    ]


def test_notebooks_outside_the_book_cite_in_the_same_way(book: Path) -> None:
    plain = Plain(Store(book), "toy/orders", "https://example.org")
    assert (
        plain.cite("roe2019, roe2019bears,roe2020") == "Roe et al. (2019c); Roe et al. (2019a); Roe et al. (2020)"
    )
    assert plain.cite("nobody") == "nobody"


def test_names_and_years() -> None:
    entries = parse_string(
        r"""@book{one, title={{A} Book}, editor={de la Cruz, Eva and B{\"u}rger, Jo}, year={2000}}
        @misc{two, title={No one}, year={2000}}
        @misc{three, title={No year}, author={Roe, Zoe}}
        @misc{four, title={Nor here}, author={Roe, Zoe}}""",
        "bibtex",
    ).entries
    assert [authors(entry) for entry in entries.values()] == ["de la Cruz and Bürger", "No one", "Roe", "Roe"]
    assert lettered(entries) == {"one": "2000", "two": "2000", "three": "n.d.a", "four": "n.d.b"}


def test_every_source_of_the_book_with_a_letter_is_cited() -> None:
    """Else a page would cite 2019b, and no 2019a would be in the bibliography."""
    entries = parse_file(str(REPOSITORY / "book/references.bib")).entries
    text = "".join(path.read_text("utf-8") for path in (REPOSITORY / "book").rglob("*.md"))
    cited = {key.strip() for keys in re.findall(r"\{cite:\w+\}`([^`]+)`", text) for key in keys.split(",")}
    letters = {key for key, year in lettered(entries).items() if year[-1:].isalpha()}
    assert len(letters) > 2 and letters <= cited, sorted(letters - cited)
