"""Numbers typed into prose: each needs a role, since a page shows numbers from records and ledgers by roles.

``{ours}`` and ``{noted}`` fetch a number of a run, ``{paper-says}`` one of the paper. ``{given}`` marks a number
that no run measures and no paper reports as its result: a setting, a size, a date, a definition, an order or a
constant of theory, arithmetic with these. What counts as a number:

- A word with a digit is a number unless a letter stands before the digit: ``16``, ``16-bit``, ``10⁻³`` and ``½``
  are numbers, ``CIFAR-10``, ``BM3D``, ``ℓ2`` and ``PGD-20`` are names. Superscripts and fractions are digits.
- :data:`NAMES` and places in a text (``Table 2``, ``Section 4.1``) are names too; the mark of an enumeration
  (``1.`` before an item or a title) is no prose.
- A heading holds neither a number nor a role, since its text becomes an anchor and stands in menus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from companion.book.prose import HIDDEN, Piece, page_prose
from companion.book.toc import listed
from companion.root import chapter_label

__all__ = ["NAMES", "PLACES", "Survey", "is_number", "numbers", "survey"]

NAMES = ("PDE-Net 2.0",)
"""Names that hold a number after a space."""
PLACES = (
    "Algorithm",
    "Appendix",
    "Chapter",
    "Definition",
    "Equation",
    "Exercise",
    "Figure",
    "Issue",
    "Lemma",
    "Proposition",
    "Section",
    "Table",
    "Theorem",
)
"""Words that a number may follow to name a place in a text; their plural several numbers."""

DIGIT = "0-9⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉¼½¾⅓⅔⅕⅛"
ONE = rf"[−+]?[{DIGIT}⁻]*[{DIGIT}](?:,[0-9]{{3}}(?![0-9])|\.[{DIGIT}]+)*[{DIGIT}⁻]*"
NUMBER = re.compile(rf"{ONE}(?:[ \u00a0]?[/×…–][ \u00a0]?{ONE})*(?:[ \u00a0]?%)?")
GLUED = re.compile(r"[\w.'’‐‑-]*\Z")
"""What of a word stands before a number: letters, digits, points and hyphens, no space."""

KNOWN = "|".join(re.escape(name).replace("\\ ", r"\s+") for name in NAMES)
PLACE = "|".join(f"[{name[0]}{name[0].lower()}]{name[1:]}" for name in PLACES)
AT = r"\(?\d+(?:\.\d+)*\)?(?![\d.,]*\d)"
NAMED = re.compile(
    rf"\b(?:{KNOWN})(?!\.?\d)|\b(?:{PLACE})\s+{AT}"
    rf"|\b(?:{PLACE})s\s+{AT}(?:(?:,|\s+and|\s+to|–)\s*{AT})*"
)


@dataclass(frozen=True)
class Survey:
    """What stands in the prose of the book: the problems, and how often ``given`` is used, by page."""

    problems: tuple[str, ...]
    given: dict[str, int]

    @property
    def total(self) -> int:
        """How many given numbers the book has."""
        return sum(self.given.values())


def numbers(text: str) -> Iterator[tuple[int, str]]:
    """Yield the numbers in prose with their places; names that hold a digit are none."""
    text = NAMED.sub(lambda match: HIDDEN * len(match[0]), text)
    for number in NUMBER.finditer(text):
        glued = GLUED.search(text, 0, number.start())
        if glued is None or not any(character.isalpha() for character in glued[0]):
            yield number.start(), number[0]


def is_number(text: str) -> bool:
    """Tell whether ``text`` is a number with its signs (``95 %``, ``1/10``): a digit in it and no letter."""
    return NUMBER.search(text) is not None and not any(character.isalpha() for character in text)


def problem(label: str, piece: Piece, place: int, number: str) -> str:
    """Return the sentence for a number that is typed at ``place`` of a piece of the page ``label``."""
    line = piece.line + piece.text.count("\n", 0, place)
    before, after = piece.text[:place].rpartition("\n")[2][-24:], piece.text[place:].partition("\n")[0][:40]
    near = f"{before}{after}".replace(HIDDEN, "").strip()
    if piece.heading:
        return (
            f"{label}:{line}: expected a heading without the number {number!r}, found {near!r}; say it in "
            "words, since no role stands in a heading"
        )
    return (
        f"{label}:{line}: expected a role for the number {number!r} (given, ours, noted, paper-says), found "
        f"it typed in {near!r}"
    )


@lru_cache(maxsize=256)
def _page(path: Path, label: str, mtime: int, size: int) -> tuple[tuple[str, ...], int]:
    prose = page_prose(path)
    problems = tuple(
        problem(label, piece, place, number) for piece in prose.pieces for place, number in numbers(piece.text)
    )
    return problems, len(prose.roles.get("given", ()))


def survey(root: Path, chapter: str | None = None) -> Survey:
    """Return the typed and the given numbers of the book, or of one chapter.

    A page of the table of contents that is missing is a problem too.

    Raises :class:`companion.errors.DocumentError` where ``_toc.yml`` cannot be read.
    """
    found: list[str] = []
    given = {}
    for label in (f"{page.name}.md" for page in listed(root)):
        if chapter is not None and not label.startswith(f"{chapter_label(root, chapter)}/"):
            continue
        path = root / label
        if not path.is_file():
            found.append(f"_toc.yml: expected the page {label}, found no such file")
            continue
        status = path.stat()
        problems, given[label] = _page(path, label, status.st_mtime_ns, status.st_size)
        found += problems
    return Survey(tuple(found), given)
