"""What is remembered of a run's state says what deriving it again says, and costs no symbol of the library."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sphinx_toy import carry_run, edit, write_book

from companion.book.pages import find_page
from companion.evidence.record import load_record
from companion.freshness import known as module
from companion.freshness.state import CARRIED, FRESH, STALE, State
from companion.report.scorecard import claim_rows

MEMORY = "_build/known.json"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A toy book: the run at smoke was carried over an edit of the library."""
    root = write_book(tmp_path)
    edit(root / "lib/contdepth/toy.py", "return 1.0", "return 0.5 + 0.5")
    for profile in ("smoke", "book"):
        carry_run(root, profile)
    return root


def words(root: Path) -> dict[str, str]:
    (row,) = [row for row in claim_rows(root) if row.claim.id == "toy.gap"]
    return {profile: state.word for profile, state in row.states.items()}


@pytest.fixture
def derived(monkeypatch) -> list[str]:
    """The profiles of runs whose state was derived, not remembered."""
    asked = []
    derive = module.state_of

    def spy(record, page):
        asked.append(record.profile)
        return derive(record, page)

    monkeypatch.setattr(module, "state_of", spy)
    return asked


def test_a_second_look_derives_nothing_and_says_the_same(book, derived):
    assert words(book) == {"book": CARRIED}
    assert sorted(derived) == ["book", "smoke"]
    assert words(book) == {"book": CARRIED}
    assert len(derived) == 2


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("lib/contdepth/toy.py", "return 0.5 + 0.5", "return 0.7 + 0.5"),
        ("book/toy/orders.md", "slope(", "1.0 * slope("),
        ("results/book/toy/orders.ipynb", "cells", "sells"),
        ("results/book/toy/orders.carry.json", '"digest": "', '"digest": "0'),
    ],
)
def test_every_file_behind_a_run_is_looked_at(book, derived, file, old, new):
    words(book)
    edit(book / file, old, new)
    assert words(book)["book"] == STALE
    words(book)
    assert derived.count("book") == 3  # a stale run is never remembered


@pytest.mark.parametrize(("profile", "kept"), [("book", 1), ("paper", 0)])
def test_a_run_at_paper_rests_on_pieces_and_is_not_kept(book, monkeypatch, profile, kept):
    monkeypatch.setattr(module, "state_of", lambda record, page: State())
    known = module.Known(book)
    record = replace(load_record(book, "book", "toy", "orders"), profile=profile)
    assert known.state(record, find_page(book, "toy/orders")).word == FRESH
    known.store()
    assert (book / MEMORY).is_file() == bool(kept)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}'])
def test_a_memory_that_is_no_memory_is_left(book, text):
    (book / "_build").mkdir(exist_ok=True)
    (book / MEMORY).write_text(text)
    assert words(book) == {"book": CARRIED}
    assert set(json.loads((book / MEMORY).read_text()).values()) == {CARRIED}
