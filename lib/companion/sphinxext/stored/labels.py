"""Where the labels of the book stand, read from its pages: for readers outside the book, who see no numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from companion.text import read_text

__all__ = ["NAME", "Place", "labelled"]

NAME = r"[A-Za-z][\w-]*"
LABELS = re.compile(
    rf"^[^`\n]*\$\$[ \t]*\((?P<equation>{NAME})\)[ \t]*$"
    rf"|^[ \t]*[`:]{{3,}}\{{(?P<kind>math|prf:[a-z]+)\}}.*\n(?:[ \t]*:[a-z-]+:.*\n)*?"
    rf"[ \t]*:label:[ \t]*(?P<label>{NAME})"
    rf"|^[ \t]*:?name:[ \t]*(?P<figure>fig-[\w-]+)[ \t]*$"
    rf"|^[ \t]*\((?P<section>{NAME})\)=[ \t]*\n+(?:#+[ \t]+(?P<title>.+))?",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Place:
    """What a label names: its document (``book/schemes/orders``), the anchor there, and words for it."""

    document: str
    anchor: str
    words: str


@lru_cache(maxsize=1)
def labelled(book: Path) -> dict[str, Place]:
    """Return the places of the labels of all pages below ``book``; one build asks for them on every page."""
    return {
        name: place
        for path in sorted(book.rglob("*.md"))
        for name, place in places(path.relative_to(book.parent).with_suffix("").as_posix(), read_text(path))
    }


def places(document: str, text: str) -> Iterator[tuple[str, Place]]:
    """Yield the labels of one page with their places."""
    for match in LABELS.finditer(text):
        if name := match["equation"] or (match["label"] if match["kind"] == "math" else None):
            yield name, Place(document, f"equation-{name}", "the equation")
        elif name := match["label"]:
            yield name, Place(document, name, f"the {match['kind'].partition(':')[2]}")
        elif name := match["figure"]:
            yield name, Place(document, name, "the figure")
        elif name := match["section"]:
            yield name, Place(document, name, match["title"] or name)
