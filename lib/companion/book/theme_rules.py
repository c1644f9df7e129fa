"""The rules of a ledger about several related works: what names its work, and how, each breach as one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from companion.documents import Document
from companion.errors import nearest
from companion.root import RELATED, is_theme

__all__ = ["theme_problems"]

GROUPS = ("claims", "headlines", "tables", "departures")
"""What names its work, where the ledger is a theme's."""


def theme_problems(document: Document, root: Path, chapter: str) -> Iterator[str]:
    """Yield the breaches in what a ledger says of its paper or papers."""
    theme, data = is_theme(root, chapter), document.data
    wanted, other = ("papers", "paper") if theme else ("paper", "papers")
    whose = f"a chapter of book/{RELATED}" if theme else "a chapter about one paper"
    if other in data:
        yield document.problem((other,), f"{wanted} in {whose}", other)
    if wanted not in data:
        yield document.problem((wanted,), f"it in {whose}", "nothing")
    if theme and (root / "book" / chapter).is_dir():
        yield document.problem(("chapter",), "a name that no folder of book/ has", repr(chapter))
    if not theme:
        yield from _without_works(document)
    elif wanted in data:
        yield from _works(document, data["papers"])
        yield from _ids(document, chapter)
        yield from _headlines(document)


def _items(document: Document) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for group in GROUPS:
        for i, item in enumerate(document.data.get(group) or ()):
            yield group, i, item


def _without_works(document: Document) -> Iterator[str]:
    for group, i, item in _items(document):
        if "work" in item:
            yield document.problem((group, i, "work"), f"it only in a chapter of book/{RELATED}", "it elsewhere")


def _works(document: Document, papers: dict[str, Any]) -> Iterator[str]:
    """Yield what names none of the works, works without a headline, and papers that are there twice."""
    for group, i, item in _items(document):
        work = item.get("work")
        if work is None:
            yield document.problem((group, i, "work"), f"a key of papers ({', '.join(papers)})", "nothing")
        elif work not in papers:
            found = f"{work!r}{nearest(work, papers)}"
            yield document.problem((group, i, "work"), f"a key of papers ({', '.join(papers)})", found)
    said = {headline.get("work") for headline in document.data.get("headlines") or ()}
    keys: set[str] = set()
    for work, paper in papers.items():
        if work not in said:
            yield document.problem(("papers", work), "a headline of this work", "none")
        if paper["key"] in keys:
            found = f"{paper['key']!r} again"
            yield document.problem(("papers", work, "key"), "a key that no other of the papers has", found)
        keys.add(paper["key"])


def _ids(document: Document, chapter: str) -> Iterator[str]:
    """Yield the claims whose ids do not begin with theme and work."""
    for i, claim in enumerate(document.data["claims"]):
        if "work" in claim and not claim["id"].startswith(f"{chapter}.{claim['work']}."):
            begin = f"an id that begins with {chapter}.{claim['work']}."
            yield document.problem(("claims", i, "id"), begin, repr(claim["id"]))


def _headlines(document: Document) -> Iterator[str]:
    """Yield the headlines that claims about another work decide, or stand beside."""
    works = {claim["id"]: claim.get("work") for claim in document.data["claims"]}
    for i, headline in enumerate(document.data.get("headlines") or ()):
        for key in ("claims", "beside"):
            for id in headline.get(key) or ():
                if works.get(id, headline.get("work")) != headline.get("work"):
                    wanted = f"claims about {headline.get('work')}"
                    yield document.problem(("headlines", i, key), wanted, f"{id!r}, about {works[id]}")
