"""Who uses what: the symbols and terms of each page, its length, and the links back that are made from them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains import ObjType
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform

from companion.book.toc import captions
from companion.root import page_name
from companion.sphinxext.element import el
from companion.sphinxext.links import page_link
from companion.sphinxext.targets import RowDomain

__all__ = [
    "UsedOn",
    "UsesDomain",
    "chapter_order",
    "chapter_title",
    "places",
    "setup",
    "symbol_anchor",
    "text_with_math",
    "uses_of",
]


class UsesDomain(RowDomain):
    """By page: the ids of ``{symbols}`` notes, the targets of ``{term}`` roles, and the measured length.

    ``table`` names the pages that hold a notation table.
    """

    name = "uses"
    label = "Uses"
    initial_data: dict[str, Any] = {"symbols": {}, "terms": {}, "lengths": {}, "table": {}, "shown": ""}
    data_version = 1
    by_page = ("symbols", "terms", "lengths", "table")
    object_types: dict[str, ObjType] = {"symbol": ObjType("symbol", "symbol")}
    dangling_warnings: dict[str, str] = {"symbol": "no notation-table of this book shows the symbol %(target)s"}

    def add(self, kind: str, docname: str, names: list[str]) -> None:
        """Note that ``docname`` uses ``names``."""
        known = self.data[kind].setdefault(docname, [])
        known += [name for name in names if name not in known]

    def pages(self, kind: str, names: set[str]) -> list[str]:
        """Return the pages that use one of ``names``, in the book's order."""
        found = [page for page, used in self.data[kind].items() if names & set(used)]
        order = places(self.env)
        return sorted(found, key=lambda page: (order.get(page, len(order)), page))

    def clear_doc(self, docname: str) -> None:
        """Forget a page that is read again."""
        for kind in self.by_page:
            self.data[kind].pop(docname, None)

    def merge_domaindata(self, docnames: list[str], otherdata: dict[str, Any]) -> None:
        """Take over what a parallel reader found."""
        for kind in self.by_page:
            self.data[kind] |= {page: found for page, found in otherdata[kind].items() if page in docnames}

    def row_of(self, target: str) -> tuple[str, str, str] | None:
        """Return where a symbol's row of the notation is, and the title of its link: a formula alone is none."""
        page = next((page for page, shown in self.data["table"].items() if target in shown), None)
        title = f"{target.replace('-', ' ')}, in the notation"
        return None if page is None else (page, symbol_anchor(target), title)


def symbol_anchor(symbol: str) -> str:
    """Return the fragment of a symbol's row."""
    return f"symbol-{symbol}"


def places(env: BuildEnvironment) -> dict[str, int]:
    """Return the place of each page in the book's order."""
    found: list[str] = []

    def walk(page: str) -> None:
        if page not in found:
            found.append(page)
            for child in env.toctree_includes.get(page, []):
                walk(child)

    walk(env.config.root_doc)
    return {page: place for place, page in enumerate(found)}


def uses_of(env: BuildEnvironment) -> UsesDomain:
    """Return the domain."""
    return env.get_domain("uses")  # type: ignore[return-value]


class UsedOn(nodes.General, nodes.Inline, nodes.Element):
    """A place that becomes "Used on: page, page": ``kind`` is ``symbols`` or ``terms``, ``names`` a list."""


class LinkBack(SphinxPostTransform):
    """Put the links where :class:`UsedOn` stands, before references are resolved."""

    default_priority = 4

    def run(self, **kwargs: Any) -> None:
        """Replace the places of one page; those that nobody uses go without a word."""
        places = list(self.document.findall(UsedOn))
        titles = {page: title.astext() for page, title in self.env.titles.items()} if places else {}
        self.titles, self.often = titles, Counter(titles.values())
        for place in places:
            pages = [
                page
                for page in uses_of(self.env).pages(place["kind"], set(place["names"]))
                if page != self.env.docname
            ]
            if not pages:
                wrapper = place.parent.get("attrs", {}).get("class") == "companion-back" and len(place.parent) == 1
                empty = place.parent if wrapper else place
                empty.parent.remove(empty)
                continue
            links = [part for page in pages for part in (", ", self.link(page))][1:]
            place.replace_self(el("span", {"class": "companion-used-on"}, "Used on: ", links))

    def link(self, docname: str) -> pending_xref:
        """Return a link to a page with its title, and its chapter where several pages have that title."""
        name = page_name(docname)
        own, folder = self.titles[docname], name.rpartition("/")[0]
        shared = self.often[own] > 1 and folder
        return page_link(self.env, name, f"{own} ({chapter_title(self.app, folder)})" if shared else "")


def chapter_order(app: Sphinx) -> list[str]:
    """Return the folders of the chapters in the order of the table of contents."""
    return list(captions(Path(app.srcdir)))


def chapter_title(app: Sphinx, chapter: str) -> str:
    """Return the chapter's name as the table of contents has it."""
    return captions(Path(app.srcdir)).get(chapter, chapter)


def text_with_math(text: str) -> list[nodes.Node]:
    """Return text of a data file as nodes: what stands between dollar signs is mathematics, in backticks code."""
    found: list[nodes.Node] = []
    for number, part in enumerate(text.split("$")):
        if number % 2:
            found.append(nodes.math(part, part))
            continue
        for place, piece in enumerate(part.split("`")):
            if piece:
                found.append(nodes.literal("", piece) if place % 2 else nodes.Text(piece.replace("'", "’")))
    return found


def setup(app: Sphinx) -> None:
    """Register the domain, the node and the transform."""
    app.add_domain(UsesDomain)
    app.add_node(UsedOn)
    app.add_post_transform(LinkBack)
