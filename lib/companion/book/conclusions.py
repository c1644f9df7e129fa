"""What pages conclude: bullets under *What we learned* are sentences with numbers, and none fits any verdict.

A bullet that has a verdict has a number too; advice without a verdict needs none. A bare claim says that something
was checked and not what was found. So does a sentence that would stand whatever the runs gave, such as ``That it
holds is {claim}`...```. Pages are written for the accepted verdicts. Where one changes, continuous integration
fails, and the sentence is written anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from companion.book.prose import DIRECTIVE, ROLE, WITHOUT_PROSE, parser
from companion.book.toc import listed
from companion.root import chapter_label
from companion.text import read_text

__all__ = ["FROZEN", "HEADING", "LEAST_WORDS", "NUMBERS", "conclusions"]

HEADING = "What we learned"
"""Heading of the bullets that say what was found."""
NUMBERS = ("ours", "noted", "paper-says", "given")
"""Roles that show a number."""
LEAST_WORDS = 5
"""Words outside roles that make a sentence."""
FROZEN = (
    re.compile(r"\b(?:is|are|was|were)\s+(?=\{claim\})"),
    re.compile(r"\bless\s+or\s+more\b", re.IGNORECASE),
    re.compile(r"\bcosts\s+or\s+brings\b", re.IGNORECASE),
    re.compile(r"\bthe\s+price,?\s+or\s+the\s+gain\b", re.IGNORECASE),
    re.compile(r"\b(?:if|as\s+far\s+as)\s+both\s+hold\b", re.IGNORECASE),
)
"""Phrases that fit whatever the runs give: the verdict as a predicate, and words for both outcomes."""
WORD = re.compile(r"[^\W\d_]{2,}")
CODE = {"code-cell", "code-block", "code", "literalinclude", "math"}


def conclusions(root: Path, chapter: str | None = None) -> list[str]:
    """Return what does not say what was found, in the book or in one chapter: bullets without a sentence, bullets
    with a verdict and no number, and phrases that fit any verdict.

    Pages that are missing are told of by :mod:`companion.book.typed_numbers`.

    Raises :class:`companion.errors.DocumentError` where ``_toc.yml`` cannot be read.
    """
    found: list[str] = []
    for label in (f"{page.name}.md" for page in listed(root)):
        path = root / label
        if path.is_file() and (chapter is None or label.startswith(f"{chapter_label(root, chapter)}/")):
            status = path.stat()
            found += _page(path, label, status.st_mtime_ns, status.st_size)
    return found


@lru_cache(maxsize=256)
def _page(path: Path, label: str, mtime: int, size: int) -> tuple[str, ...]:
    return tuple(
        f"{label}:{line}: {said}"
        for line, said in sorted({*_bullets(read_text(path)), *_frozen(read_text(path), 1)})
    )


def _bullets(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and what is missing for each bullet below the heading."""
    below, heading = False, False
    item: tuple[int, list[str]] | None = None
    for token in parser().parse(text):
        if token.type in ("heading_open", "heading_close"):
            heading = token.type == "heading_open"
        elif token.type == "inline" and heading:
            below = token.content.strip() == HEADING
        elif token.type == "list_item_open" and below and token.level == 1:
            item = (token.map[0] + 1, [])
        elif token.type == "inline" and item is not None:
            item[1].append(token.content)
        elif token.type == "list_item_close" and token.level == 1 and item is not None:
            line, parts = item
            said, item = " ".join(parts), None
            roles = {match["name"] for match in ROLE.finditer(said)}
            if len(WORD.findall(re.sub(r"\$[^$]*\$", " ", ROLE.sub(" ", said)))) < LEAST_WORDS:
                yield line, f"expected a sentence that says what was found, found only {_short(said)!r}"
            elif "claim" in roles and not roles.intersection(NUMBERS):
                yield (
                    line,
                    f"expected a number ({', '.join(NUMBERS)}) beside a verdict, found none in {_short(said)!r}",
                )


def _frozen(text: str, first: int) -> Iterator[tuple[int, str]]:
    """Yield the line and the phrase for each phrase that fits any verdict, in directives too."""
    for token in parser().parse(text):
        if token.type in ("fence", "colon_fence"):
            match = DIRECTIVE.fullmatch(token.info.strip())
            if match and match["name"] not in WITHOUT_PROSE | CODE:
                yield from _frozen(token.content, first + token.map[0] + 1)
        elif token.type == "inline":
            for phrase in FROZEN:
                for match in phrase.finditer(token.content):
                    line = first + token.map[0] + token.content.count("\n", 0, match.start())
                    near = token.content[max(0, match.start() - 30) : match.end() + 40]
                    yield line, f"expected what the runs found, found words that fit any verdict: {_short(near)!r}"


def _short(text: str) -> str:
    """Return text in one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) < 80 else line[:77] + "…"
