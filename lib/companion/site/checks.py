"""Checks of the built HTML, read as a browser without a network would: links, loads, words for images, weight.

Every function takes a :class:`Site` and returns one sentence for each fault; an empty list is a clean book.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from companion.site.figures import figure_faults

__all__ = [
    "HEAVIEST",
    "Page",
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

LOADING_RELATIONS = {
    "stylesheet",
    "preload",
    "prefetch",
    "modulepreload",
    "preconnect",
    "dns-prefetch",
    "icon",
    "manifest",
}
LOADING = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "object": "data",
    "input": "src",
    "track": "src",
}
DRAWING = {"image", "use", "feimage"}
"""Elements of SVG that load what they name."""
CSS_ADDRESS = re.compile(r"""url\(\s*['"]?([^'")]+)['"]?\s*\)|@import\s+['"]([^'"]+)['"]""")
SCRIPT_ADDRESS = re.compile(r"""["'](?:https?:)?//(?!www\.w3\.org)[a-z0-9.-]+\.[a-z]{2,}[^"']*["']""")
SCRIPT_LOAD = re.compile(r"""\b(?:import|fetch|importScripts)\s*\(\s*["'`]((?:https?:)?//[^"'`]+)["'`]""")
FOREIGN = ("scripts", "styles", "mathjax", "vendor", "locales", "sphinx_proof")
"""Folders of ``_static`` that hold the theme's own files and the mathematics script."""
LEFTOVERS = ("No alt", "Traceback (most recent call last)", "system-message", "{ours}", "{noted}", "{given}")


@dataclass
class Page(HTMLParser):
    """One HTML file, taken apart."""

    name: str
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    images: list[tuple[str, str | None]] = field(default_factory=list)
    headings: int = 0
    title: str = ""
    redirect: bool = False
    text: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._inside = ""
        self._print_only = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what the tag links to, loads or names."""
        given = dict(attrs)
        self._inside = tag
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a" and given.get("href") is not None:
            self.links.append(str(given["href"]))
        if tag == "link" and LOADING_RELATIONS & set((given.get("rel") or "").split()):
            self.loads.append(given.get("href") or "")
        if given.get(LOADING.get(tag, "")):
            self.loads.append(str(given[LOADING[tag]]))
        if given.get("poster"):
            self.loads.append(str(given["poster"]))
        if tag in DRAWING:
            self.loads += [str(given[key]) for key in ("href", "xlink:href") if given.get(key)]
        if given.get("srcdoc"):
            inner = Page(self.name)
            inner.feed(str(given["srcdoc"]))
            self.loads += inner.loads
            self.styles += inner.styles
            self.scripts += inner.scripts
        if given.get("srcset"):
            self.loads += [part.split()[0] for part in str(given["srcset"]).split(",")]
        if given.get("style"):
            self.styles.append(str(given["style"]))
        if tag == "img":
            self.images.append((given.get("src") or "", given.get("alt")))
        self._print_only |= given.get("id") == "jb-print-docs-body"  # the theme repeats the title here
        self._print_only &= tag != "article"
        self.headings += tag == "h1" and not self._print_only
        if tag == "meta" and (given.get("http-equiv") or "").lower() == "refresh":
            self.redirect = True
            address = re.split(r"(?i)url\s*=", given.get("content") or "", maxsplit=1)[1:]
            self.loads += [part.strip(" '\"") for part in address]

    def handle_endtag(self, tag: str) -> None:
        """Leave scripts, styles and the title."""
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Collect text by what it stands in."""
        if self._inside == "title" and not self.title:
            self.title = data.strip()
        elif self._inside == "script":
            self.scripts.append(data)
        elif self._inside == "style":
            self.styles.append(data)
        else:
            self.text.append(data)


class Site:
    """A folder of built HTML."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    @cached_property
    def pages(self) -> dict[str, Page]:
        """Path below the folder to the page."""
        found = {}
        for path in sorted(self.folder.rglob("*.html")):
            name = path.relative_to(self.folder).as_posix()
            if not name.startswith(("_static/", "_downloads/", "_sources/")):
                found[name] = Page(name)
                found[name].feed(path.read_text(encoding="utf-8"))
        return found

    def target(self, base: str, address: str) -> Path:
        """Return the file that an address on the page or style sheet ``base`` means."""
        path = unquote(urlsplit(address).path)
        return (self.folder / base).parent.joinpath(path).resolve() if path else self.folder / base

    @cached_property
    def written(self) -> list[Page]:
        """The pages that readers read: no redirects."""
        return [page for page in self.pages.values() if not page.redirect]


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
    return faults + [
        f"{page.name}: {page.headings} first-level headings" for page in site.written if page.headings != 1
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
        f"{page.name}: shows {text!r}"
        for page in site.pages.values()
        for text in LEFTOVERS
        if text in "".join(page.text)
    ]


def weight(site: Site, page: Page) -> int:
    """Return how many bytes a page makes a browser load, itself among them, the mathematics script not."""
    files = {site.target(page.name, load) for load in page.loads if not urlsplit(load).scheme}
    size = sum(path.stat().st_size for path in files if path.is_file() and path.parent.name != "mathjax")
    return size + (site.folder / page.name).stat().st_size


def heavy_pages(site: Site, most: int = HEAVIEST) -> list[str]:
    """Return the pages that make a browser load more than ``most`` bytes, the mathematics script not counted."""
    sizes = {page.name: weight(site, page) for page in site.written}
    return [f"{name}: {size / 1e6:.2f} MB" for name, size in sizes.items() if size > most]
