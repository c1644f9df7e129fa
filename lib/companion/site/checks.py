"""Checks of the built HTML, read as a browser without a network would: links, loads, words for images, weight.

Every function takes a :class:`Site` and returns one sentence for each fault; an empty list is a clean book.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from companion.site.pages import Page, Site

__all__ = [
    "ALL",
    "HEAVIEST",
    "Site",
    "broken_links",
    "double_ids",
    "figure_faults",
    "heading_faults",
    "heavy_pages",
    "image_faults",
    "leftovers",
    "outside_loads",
    "weight",
]

HEAVIEST = 1_500_000
"""Most bytes that one page may make a browser load, the mathematics script not counted."""
LONGEST = {"book/claims.html": 3_000_000}
"""The same of the page that lists every claim of the book: text, which a server sends at a ninth of its size."""

CSS_ADDRESS = re.compile(r"""url\(\s*['"]?([^'")]+)['"]?\s*\)|@import\s+['"]([^'"]+)['"]""")
SCRIPT_ADDRESS = re.compile(r"""["'](?:https?:)?//(?!www\.w3\.org)[a-z0-9.-]+\.[a-z]{2,}[^"']*["']""")
SCRIPT_LOAD = re.compile(r"""\b(?:import|fetch|importScripts)\s*\(\s*["'`]((?:https?:)?//[^"'`]+)["'`]""")
FOREIGN = ("scripts", "styles", "mathjax", "vendor", "locales", "sphinx_proof")
"""Folders of ``_static`` that hold the theme's own files and the mathematics script."""
LEFTOVERS = ("No alt", "Traceback (most recent call last)", "system-message", "{ours}", "{noted}", "{given}")


def is_outside(address: str) -> bool:
    """Tell whether an address leads to another host."""
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in ("http", "https", "ftp", "ws", "wss")


def broken_links(site: Site) -> list[str]:
    """Return the links within the book that lead to no file, or to no place in it."""
    faults = []
    for page in site.pages.values():
        for link in sorted({*page.links, *(load for load in page.loads if load)}):
            parts = urlsplit(link)
            if is_outside(link) or parts.scheme:
                continue
            target = site.target(page.name, link)
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                faults.append(f"{page.name}: {link} leads to no file")
            elif parts.fragment and target.suffix == ".html":
                there = site.pages.get(target.relative_to(site.folder).as_posix())
                if there is not None and unquote(parts.fragment) not in there.ids:
                    faults.append(f"{page.name}: {link} leads to no place in that page")
    return faults


def outside_loads(site: Site) -> list[str]:
    """Return what a browser would fetch from other hosts when it opens a page."""
    faults = []
    for page in site.pages.values():
        faults += [f"{page.name}: loads {load}" for load in page.loads if is_outside(load)]
        faults += [f"{page.name}: a style loads {a}" for a in addresses("\n".join(page.styles)) if is_outside(a)]
        faults += [
            f"{page.name}: a script names {found}"
            for script in page.scripts
            for found in SCRIPT_ADDRESS.findall(script) or SCRIPT_LOAD.findall(script)
        ]
    for path in site.folder.rglob("*.css"):
        name = path.relative_to(site.folder).as_posix()
        faults += [f"{name}: loads {a}" for a in addresses(path.read_text("utf-8")) if is_outside(a)]
    for path in sorted(site.folder.glob("_static/**/*.js")):
        if path.relative_to(site.folder).parts[1] not in FOREIGN:
            name = path.relative_to(site.folder).as_posix()
            faults += [f"{name}: a script loads {a}" for a in SCRIPT_LOAD.findall(path.read_text("utf-8"))]
    return faults


def addresses(css: str) -> Iterator[str]:
    """Yield the addresses that a style sheet loads."""
    for match in CSS_ADDRESS.finditer(css):
        yield match[1] or match[2]


def image_faults(site: Site) -> list[str]:
    """Return the images without words for those who cannot see them."""
    faults = []
    for page in site.pages.values():
        for source, alt in page.images:
            words = (alt or "").strip()
            if alt is None:
                faults.append(f"{page.name}: the image {source} has no alt text")
            elif words and (words in source or Path(words).name == Path(source).name):
                faults.append(f"{page.name}: the image {source} has its file name as alt text")
            elif not words and "/_static/" not in f"/{source}":
                faults.append(f"{page.name}: the image {source} has empty alt text")
    return faults


def heading_faults(site: Site) -> list[str]:
    """Return the pages without a title, or with another number of first-level headings than one."""
    faults = [f"{page.name}: no title" for page in site.written if not page.title]
    wrong = [page for page in site.written if page.headings != 1]
    return faults + [f"{page.name}: {page.headings} first-level headings" for page in wrong]


def figure_faults(site: Site) -> list[str]:
    """Return the computed figures without number, caption, name or alt text."""
    return [
        f"{page.name}: the computed figure {drawn.source.rsplit('/', 1)[-1]} has {fault}"
        for page in site.written
        for drawn in page.drawn
        for fault in drawn.faults()
    ]


def double_ids(site: Site) -> list[str]:
    """Return the ids that a page gives twice."""
    return [
        f"{page.name}: the id {name} stands twice"
        for page in site.pages.values()
        for name in sorted({i for i in page.ids if page.ids.count(i) > 1})
    ]


def leftovers(site: Site) -> list[str]:
    """Return texts that no reader should see."""
    return [
        f"{page.name}: shows {text!r}" for page in site.pages.values() for text in LEFTOVERS if text in page.text
    ]


def weight(site: Site, page: Page) -> int:
    """Return how many bytes a page makes a browser load, itself among them, the mathematics script not."""
    files = {site.target(page.name, load) for load in page.loads if not urlsplit(load).scheme}
    size = sum(path.stat().st_size for path in files if path.is_file() and path.parent.name != "mathjax")
    return size + (site.folder / page.name).stat().st_size


def heavy_pages(site: Site, most: int = HEAVIEST) -> list[str]:
    """Return the pages that make a browser load more than ``most`` bytes, the mathematics script not counted.

    The page that lists every claim grows with the book and has a bound of its own.
    """
    sizes = {page.name: weight(site, page) for page in site.written}
    allowed = {name: max(most, LONGEST.get(name, most)) for name in sizes}
    return [f"{name}: {size / 1e6:.2f} MB" for name, size in sizes.items() if size > allowed[name]]


ALL = (
    broken_links,
    outside_loads,
    image_faults,
    heading_faults,
    double_ids,
    leftovers,
    heavy_pages,
    figure_faults,
)
"""Every check of a site; a clean one has no fault by any of them."""
