"""The table of contents, ``_toc.yml``: its pages in their order, and the order and captions of chapters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from companion.documents import read_document
from companion.root import RELATED, page_name

__all__ = ["Listed", "captions", "chapters", "listed"]


@dataclass(frozen=True)
class Listed:
    """A page by its name (``book/index``), and the caption of the part that it stands in, empty outside of one."""

    name: str
    part: str = ""

    @property
    def chapter(self) -> str:
        """The page's chapter, the name of its folder; empty for a page of ``book/`` itself."""
        return page_name(self.name).rpartition("/")[0]


def listed(root: Path) -> tuple[Listed, ...]:
    """Return the pages that ``_toc.yml`` reaches, in their order; none without that file.

    Raises :class:`companion.errors.DocumentError` where it cannot be read.
    """
    path = root / "_toc.yml"
    return _listed(path, path.stat().st_mtime_ns) if path.is_file() else ()


@lru_cache(maxsize=4)
def _listed(path: Path, mtime: int) -> tuple[Listed, ...]:
    return tuple(_pages(read_document(path, path.name).data, ""))


def _pages(entry: object, part: str) -> Iterator[Listed]:
    if isinstance(entry, dict):
        part = str(entry.get("caption", part))
        yield from (Listed(str(entry[key]), part) for key in ("root", "file") if key in entry)
        for key in ("parts", "chapters", "sections"):
            yield from _pages(entry.get(key), part)
    elif isinstance(entry, list):
        for item in entry:
            yield from _pages(item, part)


def captions(root: Path) -> dict[str, str]:
    """Return chapter -> caption of its part in the table of contents, in the order of the book."""
    found: dict[str, str] = {}
    for page in listed(root):
        if page.chapter:
            found.setdefault(page.chapter, page.part or page.chapter)
    return found


def chapters(root: Path) -> list[str]:
    """Return the chapters (folders of ``book/`` and ``book/related/`` with a ledger or a ``runs.yml``) in the
    order of ``_toc.yml``.
    """
    themes = root / "book" / RELATED
    found = {
        folder.name
        for folder in [*(root / "book").iterdir(), *(themes.iterdir() if themes.is_dir() else ())]
        if (folder / "claims.yml").is_file() or (folder / "runs.yml").is_file()
    }
    places = {name: place for place, name in enumerate(captions(root))}
    return sorted(found, key=lambda name: (places.get(name, len(places)), name))
