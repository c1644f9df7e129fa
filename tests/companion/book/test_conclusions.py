"""Bullets under *What we learned* and sentences that would stand whatever the runs gave."""

from __future__ import annotations

from pathlib import Path

import pytest
import toy_book

from companion.book.conclusions import conclusions
from companion.cli import main

TOC = "root: book/index\nparts:\n  - caption: Words\n    chapters: [{file: book/a/page}]\n"
HEAD = "# A page\n\n- {claim}`toy.first`\n\n## What we learned\n\n"
GOOD = """\
- Half steps cost {ours}`toy.half:.2f` dB: what is learnt is the step ({claim}`toy.half`).
- Order two, with a gap of
  {noted}`page#gap:.2f` at most: {claim}`toy.gap`,
  {claim}`toy.other`.
- The paper has {paper-says}`toy.gap`, we have no run for it ({claim}`toy.gap`).
- Of {given}`20` seeds none failed, which is not enough: {claim}`toy.open`.
- Advice without a verdict needs no number at all.

## Another heading

- {claim}`toy.last`
"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "book/a").mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text(TOC, encoding="utf-8")
    (tmp_path / "book/index.md").write_text("# Words\n", encoding="utf-8")
    return tmp_path


def found(book: Path, text: str, chapter: str | None = None) -> list[str]:
    (book / "book/a/page.md").write_text(text, encoding="utf-8")
    return conclusions(book, chapter)


def test_sentences_with_numbers_pass_and_other_lists_are_not_looked_at(book: Path) -> None:
    assert found(book, HEAD + GOOD) == []


@pytest.mark.parametrize(
    "bullet",
    [
        "{claim}`toy.half`",
        "{claim}`toy.half`, {claim}`toy.gap`.",
        "Here: {claim}`toy.half` with {ours}`toy.half:.1f`.",
        "$a_b \\le c_d$ and {term}`many words <forward Euler scheme>`: {claim}`toy.half`",
        "{ours}`toy.half:interval`",
    ],
)
def test_a_bullet_without_a_sentence_is_refused(book: Path, bullet: str) -> None:
    said = found(book, f"{HEAD}- {bullet}\n{GOOD}")
    assert len(said) == 1
    assert said[0].startswith(
        f"book/a/page.md:7: expected a sentence that says what was found, found only {bullet!r}"
    )


@pytest.mark.parametrize(
    "bullet",
    [
        "The order survives every training run: {claim}`toy.half`.",
        "It is $3$ or five, says a\n  run of ours: {claim}`toy.a`",
    ],
)
def test_a_verdict_without_a_number_is_refused(book: Path, bullet: str) -> None:
    (said,) = found(book, f"{HEAD}{GOOD.split('- The paper')[0]}- {bullet}\n")
    assert said.startswith(
        "book/a/page.md:11: expected a number (ours, noted, paper-says, given) beside a verdict"
    )


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("That the loop pays is {claim}`toy.half`.", "is {claim}`toy.half`."),
        ("Half steps and Heun's method\nare\n{claim}`toy.half`.", "are {claim}`toy.half`."),
        ("It costs or brings {ours}`toy.half` dB.", "costs or brings"),
        ("It is {ours}`toy.half` steps less or more.", "less or more"),
        ("The difference is the price, or the gain, of it.", "the price, or the gain"),
        ("As far as both hold, a unit needs somebody.", "As far as both hold"),
        ("If both\nhold, a unit needs somebody.", "If both hold"),
    ],
)
def test_words_that_fit_any_verdict_are_refused(book: Path, text: str, near: str) -> None:
    line = text.count("\n", 0, text.find("are")) + 3 if "\nare" in text else 3
    (said,) = found(book, f"# Words\n\n{text}\n")
    assert said.startswith(
        f"book/a/page.md:{line}: expected what the runs found, found words that fit any verdict: "
    )
    assert near in said
    (said,) = found(book, f"# Words\n\n:::{{admonition}} Title\n:class: tip\n\n{text}\n:::\n")
    assert said.startswith(f"book/a/page.md:{line + 3}: ") and near in said
    assert found(book, f"# Words\n\n```python\n{text}\n```\n") == []


def test_what_was_found_passes(book: Path) -> None:
    assert (
        found(book, "# Words\n\nThe loop pays {ours}`toy.half:.1f` points ({claim}`toy.half`); more or less so.\n")
        == []
    )


def test_one_chapter_and_missing_pages(book: Path) -> None:
    bad = "# Words\n\nThat it pays is {claim}`toy.half`.\n"
    assert len(found(book, bad, "a")) == 1 and found(book, bad, "b") == []
    (book / "book/a/page.md").unlink()
    assert conclusions(book) == []


def test_the_command_tells_of_them(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (toy / "_toc.yml").write_text("root: book/toy/euler\n", encoding="utf-8")
    toy_book.edit(toy, "book/toy/euler.md", "Prose.", "Prose.\n\n## What we learned\n\n- {claim}`toy.a`\n")
    assert main(["check-ledger", "--root", str(toy)]) == 2
    assert "expected a sentence that says what was found" in capsys.readouterr().err
    toy_book.edit(
        toy,
        "book/toy/euler.md",
        "- {claim}`toy.a`",
        "- It has the order {given}`2` that it should ({claim}`toy.a`).",
    )
    assert main(["check-ledger", "--root", str(toy)]) == 0


def test_the_book_says_what_it_found() -> None:
    assert conclusions(Path(__file__).parents[3]) == []
