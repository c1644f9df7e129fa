"""Built pages, read with Beautiful Soup: what each links to, loads, shows and names."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

from companion.site.figures import computed_figures

__all__ = ["Page", "Site", "attribute", "no_collector", "parsed"]

RELATIONS = set("stylesheet preload prefetch modulepreload preconnect dns-prefetch icon manifest".split())
"""Values of ``rel`` that make a browser load what a ``link`` names."""
DRAWING = ("href", "xlink:href")
LOADING = {"object": ("data",), "image": DRAWING, "use": DRAWING, "feimage": DRAWING}
"""Attributes that name what an element loads, beside ``src`` and ``poster`` of any element."""


@contextmanager
def no_collector() -> Iterator[None]:
    """Let the collector of garbage rest: it would look through growing trees again and again."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def parsed(html: str) -> BeautifulSoup:
    """Return a page as a tree whose attributes are all strings."""
    with no_collector():
        return BeautifulSoup(html, "html.parser", multi_valued_attributes=None, store_line_numbers=False)


def attribute(tag: Tag, name: str) -> str | None:
    """Return an attribute of an element of a :func:`parsed` page, or ``None``."""
    value = tag.get(name)
    return None if value is None else str(value)


def loaded(tag: Tag) -> Iterator[str]:
    """Yield the addresses that a browser loads for an element."""
    names = ("src", "poster", *LOADING.get(tag.name, ()))
    yield from (str(tag[name]) for name in names if tag.get(name))
    yield from (part.split()[0] for part in (attribute(tag, "srcset") or "").split(",") if part.strip())
    if tag.name == "link" and RELATIONS & set((attribute(tag, "rel") or "").split()):
        yield attribute(tag, "href") or ""
    if tag.name == "meta" and (attribute(tag, "http-equiv") or "").lower() == "refresh":
        addresses = re.split(r"(?i)url\s*=", attribute(tag, "content") or "", maxsplit=1)[1:]
        yield from (address.strip(" '\"") for address in addresses)


class Page:
    """One HTML file, with the frames written into it, taken apart.

    Args:
        name: its path below the folder of the book.
        html: its text.
    """

    def __init__(self, name: str, html: str) -> None:
        soup = parsed(html)
        tags = [tag for tag in soup(True) if tag.attrs]
        frames = [Page(name, inner) for tag in tags if (inner := attribute(tag, "srcdoc"))]
        title = soup.select_one("head > title")
        self.name = name
        self.title = title.get_text().strip() if title else ""
        self.text = soup.get_text()
        self.ids = [str(tag["id"]) for tag in tags if tag.get("id")]
        self.links = [str(tag["href"]) for tag in soup("a", href=True)]
        self.loads = [address for tag in tags for address in loaded(tag)]
        self.images = [(attribute(tag, "src") or "", attribute(tag, "alt")) for tag in soup("img")]
        self.drawn = computed_figures(soup)
        self.scripts = [tag.get_text() for tag in soup("script")]
        self.styles = [tag.get_text() for tag in soup("style")]
        self.styles += [str(tag["style"]) for tag in tags if tag.get("style")]
        self.redirect = any((attribute(tag, "http-equiv") or "").lower() == "refresh" for tag in soup("meta"))
        self.headings = sum(tag.find_parent(id="jb-print-docs-body") is None for tag in soup("h1"))
        """First-level headings, less the title that the theme repeats for print."""
        for frame in frames:
            self.loads += frame.loads
            self.styles += frame.styles
            self.scripts += frame.scripts


class Site:
    """A folder of built HTML."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    @cached_property
    def pages(self) -> dict[str, Page]:
        """Path below the folder to the page."""
        names = [path.relative_to(self.folder).as_posix() for path in sorted(self.folder.rglob("*.html"))]
        written = [name for name in names if not name.startswith(("_static/", "_downloads/", "_sources/"))]
        with no_collector():
            return {name: Page(name, (self.folder / name).read_text(encoding="utf-8")) for name in written}

    def target(self, base: str, address: str) -> Path:
        """Return the file that an address on the page or style sheet ``base`` means."""
        path = unquote(urlsplit(address).path)
        return (self.folder / base).parent.joinpath(path).resolve() if path else self.folder / base

    @cached_property
    def written(self) -> list[Page]:
        """The pages that readers read: no redirects."""
        return [page for page in self.pages.values() if not page.redirect]
