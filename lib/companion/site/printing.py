"""The whole book as one HTML page for print, made from its built pages."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml
from bs4 import Tag

from companion.book.ledger import GROUPS
from companion.book.toc import captions, listed
from companion.errors import CompanionError
from companion.report.scorecard import ALL, Row, by_chapter, by_construction, claim_rows, counted_groups
from companion.site.pages import attribute, no_collector, parsed
from companion.text import read_text

__all__ = ["LEFT_OUT", "Leaf", "leaves", "print_page", "title_page"]

LEFT_OUT = {"book/claims"}
"""Pages that are only useful on a screen: the claims stand in the tables of the chapters too."""
DROPPED = "script, link, input, button, a.headerlink, .toctree-wrapper, form, img:not([src])"
COLOURED = set("kscm")
"""First letters of the classes of keywords, strings, comments and numbers: what is coloured in printed code."""
REFERRING = ("aria-labelledby", "aria-describedby", "aria-controls", "aria-details", "for", "headers")
"""Attributes that hold ids of the same page."""
PAINTED = re.compile(r"url\(#([^)]+)\)")

LABELS = """<script>
  MathJax.options = Object.assign(MathJax.options || {}, {enableAssistiveMml: false, enableMenu: false});
</script>"""
"""Formulas are pictures with their source as words (companion.site.pdf): as MathML they would make the PDF's
structure six times larger."""


@dataclass(frozen=True)
class Leaf:
    """One page of the book, with the part that it stands in and the start of its ids in the print."""

    name: str
    part: str
    prefix: str


def leaves(root: Path) -> list[Leaf]:
    """Return the pages in the order of the table of contents, less those of :data:`LEFT_OUT`."""
    named = [Leaf(page.name, page.part, f"p{number}") for number, page in enumerate(listed(root))]
    return [leaf for leaf in named if leaf.name not in LEFT_OUT]


class _Printer:
    """Takes the articles of built pages and makes their ids, links and images those of one page."""

    def __init__(self, folder: Path, pages: list[Leaf]) -> None:
        self.folder = folder
        self.starts = {f"{leaf.name}.html": leaf.prefix for leaf in pages}
        self.ids: set[str] = set()
        self.links: list[Tag] = []

    def article(self, leaf: Leaf) -> tuple[str, Tag]:
        """Return the title and the article of a page, ready for print."""
        path = self.folder / f"{leaf.name}.html"
        if not path.is_file():
            raise CompanionError(f"expected the built page {path}, found none: make book")
        article = parsed(path.read_text(encoding="utf-8")).select_one("article.bd-article")
        head = article.h1 if article is not None else None
        if article is None or head is None:
            raise CompanionError(f"expected an article with a title in {path}, found none: build the book again")
        for unwanted in article.select(DROPPED):
            unwanted.decompose()
        for piece in article.select("code span.pre, .highlight pre span"):
            if (attribute(piece, "class") or " ")[0] not in COLOURED or piece.get_text().isspace():
                piece.unwrap()  # each would be an element of the PDF's structure
        article.smooth()
        for tag in list(article.find_all(True)):
            if not tag.decomposed:
                self._own(tag, leaf)
        for level in range(5, 0, -1):
            for heading in article.find_all(f"h{level}"):
                heading.name = f"h{level + 1}"
        title = " ".join(head.get_text().split())
        article.name, article["id"], article["class"] = "section", leaf.prefix, "print-page"
        self.ids.add(leaf.prefix)
        return title, article

    def _own(self, tag: Tag, leaf: Leaf) -> None:
        """Rewrite what one element is called, refers to, links to and loads."""
        if own := attribute(tag, "id"):
            tag["id"] = f"{leaf.prefix}-{own}"
            self.ids.add(f"{leaf.prefix}-{own}")
        for name in REFERRING:
            if value := attribute(tag, name):
                tag[name] = " ".join(f"{leaf.prefix}-{one}" for one in value.split())
        for name in ("fill", "stroke", "clip-path", "mask", "filter", "marker-start", "marker-end", "style"):
            if "url(#" in (value := attribute(tag, name) or ""):
                tag[name] = PAINTED.sub(rf"url(#{leaf.prefix}-\1)", value)
        if tag.name == "details":
            tag["open"] = ""
        if tag.name in ("img", "source") and (source := attribute(tag, "src")):
            tag["src"] = self._place(leaf, source)
            tag.attrs.pop("loading", None)
        if tag.name == "use":
            for name in ("href", "xlink:href"):
                if str(tag.get(name, "")).startswith("#"):
                    tag[name] = f"#{leaf.prefix}-{tag[name][1:]}"
        if tag.name == "a" and tag.get("href") is not None:
            self._link(tag, leaf)

    def _place(self, leaf: Leaf, address: str) -> str:
        """Return an address as seen from the top of the built book."""
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            return address
        return posixpath.normpath(posixpath.join(posixpath.dirname(leaf.name), parts.path))

    def _link(self, tag: Tag, leaf: Leaf) -> None:
        """Lead a link to its place in the print; a link to what is not printed keeps only its words."""
        parts = urlsplit(str(tag["href"]))
        if parts.scheme or parts.netloc:
            return
        prefix = self.starts.get(self._place(leaf, unquote(parts.path))) if parts.path else leaf.prefix
        if prefix is None:
            if tag.parent and tag.parent.css.match(".item") and tag.css.match(".download"):
                tag.parent["class"] = "print-none"
            tag.unwrap()
            return
        tag["href"] = f"#{prefix}-{unquote(parts.fragment)}" if parts.fragment else f"#{prefix}"
        for name in ("target", "rel"):
            tag.attrs.pop(name, None)
        self.links.append(tag)

    def settle(self) -> None:
        """Unlink what leads to no place: places that scripts would have made."""
        for tag in self.links:
            if not tag.decomposed and tag["href"][1:] not in self.ids:
                tag.unwrap()


def print_page(root: Path, folder: Path) -> str:
    """Return the book in ``folder`` (built from ``root``) as one page of HTML."""
    config = yaml.safe_load(read_text(root / "_config.yml"))
    pages = leaves(root)
    printer = _Printer(folder, pages)
    with no_collector():
        articles = [(leaf, *printer.article(leaf)) for leaf in pages]
    printer.settle()
    body, contents, part = [], [], ""
    for leaf, title, article in articles:
        if leaf.part != part:
            part = leaf.part
            name = f"part-{leaf.prefix}"
            body.append(f'<section class="print-part" id="{name}"><h1>{escape(part)}</h1></section>')
            contents.append(f'<li class="part"><a href="#{name}">{escape(part)}</a></li>')
        contents.append(f'<li><a href="#{leaf.prefix}">{escape(title)}</a></li>')
        body.append(str(article))
    language = config.get("sphinx", {}).get("config", {}).get("language", "en")
    return f"""<!doctype html>
<html lang="{language}" data-theme="light" data-mode="light" class="print"><head><meta charset="utf-8">
<title>{escape(config["title"])}</title>
<meta name="author" content="{escape(config.get("author", ""))}">
{_carried(root, folder, f"{pages[0].name}.html")}
</head><body class="print"><main class="bd-article">
{title_page(root, config)}
<nav class="print-contents" aria-labelledby="print-contents"><h1 id="print-contents">Contents</h1>
<ol>{"".join(contents)}</ol></nav>
{"".join(body)}
</main></body></html>
"""


def _carried(root: Path, folder: Path, first: str) -> str:
    """Return the style sheets, the settings of the mathematics and its script, as built pages name them."""
    heads: dict[str, str] = {}
    for path in [folder / first, *sorted((folder / "book").rglob("*.html"))]:
        soup = parsed(path.read_text(encoding="utf-8").split("<body", 1)[0])
        base = posixpath.dirname(path.relative_to(folder).as_posix())
        for tag in soup.select('link[rel="stylesheet"], script'):
            address = attribute(tag, "href") or attribute(tag, "src") or ""
            place = posixpath.normpath(posixpath.join(base, urlsplit(address).path))
            if tag.name == "link":
                heads[place] = f'<link rel="stylesheet" href="{place}">'
            elif "window.MathJax" in (tag.string or ""):
                heads["settings"] = str(tag) + LABELS
            elif "mathjax" in address:
                heads["mathematics"] = f'<script defer src="{place}"></script>'
    style = root / "book" / "_assets" / "print.css"
    own = style.read_text(encoding="utf-8") if style.is_file() else ""
    return "\n".join([*heads.values(), f"<style>{own}</style>"])


def title_page(root: Path, config: dict[str, Any]) -> str:
    """Return title, authors, date and commit of the newest run, and the scorecards."""
    rows = claim_rows(root)
    records = [record for row in rows for record in row.records.values()]
    newest = max(records, key=lambda record: record.started, default=None)
    made = (
        ""
        if newest is None
        else (
            f"<p>Newest run: {escape(newest.started[:10])}, commit "
            f"<code>{escape(str(newest.commit)[:9])}</code></p>"
        )
    )
    cards = "".join(_scorecard(root, rows, group) for group in counted_groups(rows))
    left = f"<p>{escape(said)}</p>" if (said := by_construction(rows)) else ""
    return (
        f'<section class="print-title"><p class="title">{escape(config["title"])}</p>'
        f"<p>{escape(config.get('author', ''))}</p>{made}{cards}{left}</section>"
    )


def _scorecard(root: Path, rows: list[Row], group: str) -> str:
    """Return the table of one group: chapters against verdicts."""
    names, numbers = {**captions(root), ALL: "All"}, by_chapter(rows, group)
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Chapter", *numbers[ALL], "Claims"))
    lines = []
    for name, own in numbers.items():
        cells = "".join(f"<td>{number}</td>" for number in (*own.values(), sum(own.values())))
        lines.append(f'<tr><th scope="row">{escape(names.get(name, name))}</th>{cells}</tr>')
    return (
        f'<table class="print-scorecard"><caption>{escape(GROUPS[group])}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )
