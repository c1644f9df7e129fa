"""The mark of unverified figures: once a table where no figure is verified, else at each of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sphinx_toy import built, edit, page_text, words, write_book

from companion.sphinxext.claims.badge import ALL_UNVERIFIED

CLAIMS = "book/toy/claims.yml"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy book in which neither the table nor the claims of the paper have a verified figure."""
    root = write_book(tmp_path_factory.mktemp("toy"))
    edit(root / CLAIMS, "{value: 8.33, source: [L, P], verified: true}", "{value: 8.33, source: [L, P]}")
    return built(root)


def test_a_table_without_a_verified_figure_says_so_once(book: Path) -> None:
    text = words(page_text(book, "book/toy/concept"))
    assert "20 8.75 L 8.33 L,P" in text and "56 + noise – 5.10 L" in text
    assert f"Table A-1. Test error (%) of the toy {ALL_UNVERIFIED}" in text and text.count("†") == 1


def test_so_does_the_table_of_claims(book: Path) -> None:
    text = words(page_text(book, "book/toy/claims"))
    assert f"and ours. {ALL_UNVERIFIED}" in text and "−0.66 percentage points against" in text
    assert "†" not in text.split(ALL_UNVERIFIED)[1].split("† unverified: ")[0]


def test_one_verified_claim_brings_the_marks_back(tmp_path: Path) -> None:
    root = write_book(tmp_path)
    edit(root / CLAIMS, "{value: 1, verified: false, source: P}", "{value: 1, verified: true, source: L}")
    text = words(page_text(built(root), "book/toy/claims"))
    assert ALL_UNVERIFIED not in text and "−0.66 percentage points† (unverified) against" in text
