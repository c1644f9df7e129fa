"""The symbols of the book: ``notation-table`` shows all of them, ``symbols`` a few in the margin of a page.

The data are in ``book/notation.yml``.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain

from companion.documents import Document, read_document, schema_problems
from companion.errors import DocumentError, nearest
from companion.sphinxext.directive import CompanionDirective
from companion.sphinxext.element import Element, el
from companion.sphinxext.links import document_of, page_link
from companion.sphinxext.reading.uses import (
    UsedOn,
    chapter_order,
    chapter_title,
    symbol_anchor,
    text_with_math,
    uses_of,
)
from companion.sphinxext.tables import cards, cell, line

__all__ = ["setup"]

FILE = "book/notation.yml"
SEVERAL = "In several chapters"


@lru_cache(maxsize=8)
def _checked(path: Path, mtime: int) -> tuple[Document | None, tuple[str, ...]]:
    try:
        document = read_document(path, FILE)
        problems = schema_problems(document, "notation") or double_ids(document)
    except DocumentError as error:
        return None, error.problems
    return (None if problems else document), tuple(problems)


def double_ids(document: Document) -> tuple[str, ...]:
    """Return a sentence for each id that stands twice."""
    names = [symbol["id"] for symbol in document.data["symbols"]]
    return tuple(
        document.problem(("symbols", place, "id"), "every id once", f"{name!r} twice")
        for place, name in enumerate(names)
        if name in names[:place]
    )


class SymbolDirective(CompanionDirective):
    """A directive that shows entries of the data."""

    def symbols(self) -> dict[str, dict[str, Any]]:
        """Return the entries by id; warn where the file cannot be used."""
        path = Path(self.env.app.srcdir, FILE)
        self.env.note_dependency(str(path))
        if not path.is_file():
            self.warn(f"expected the file {FILE}, found nothing")
            return {}
        document, problems = _checked(path, path.stat().st_mtime_ns)
        for problem in problems:
            self.warn(problem)
        return {symbol["id"]: symbol for symbol in document.data["symbols"]} if document else {}


class Symbols(SymbolDirective):
    """``{symbols} k, kappa``: a note in the margin with symbols and what they mean."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the note, less the symbols that are not known."""
        known = self.symbols()
        asked = [name.strip() for name in self.arguments[0].split(",") if name.strip()]
        for name in asked:
            if known and name not in known:
                self.warn(f"expected ids of {FILE}, found {name!r}{nearest(name, known)}")
        shown = [known[name] for name in dict.fromkeys(asked) if name in known]
        if not shown:
            return []
        uses_of(self.env).add("symbols", self.env.docname, [symbol["id"] for symbol in shown])
        rows = [
            el(
                "div",
                {},
                el("dt", {}, self.row_link(symbol)),
                el("dd", {}, text_with_math(symbol.get("short", symbol["meaning"]))),
            )
            for symbol in shown
        ]
        return [
            el(
                "aside",
                {"class": "margin companion-symbols", "aria-label": "Symbols"},
                el("p", {"class": "head"}, "Symbols"),
                el("dl", {}, rows),
            )
        ]

    def row_link(self, symbol: dict[str, Any]) -> pending_xref:
        """Return the symbol, linked to its row of the notation table."""
        link = pending_xref(
            "",
            refdomain="uses",
            reftype="symbol",
            reftarget=symbol["id"],
            refexplicit=True,
            refwarn=True,
            refdoc=self.env.docname,
        )
        link += nodes.inline("", "", nodes.math(symbol["symbol"], symbol["symbol"]))
        return link


class NotationTable(SymbolDirective):
    """``{notation-table}``: all symbols, those of several chapters first, then chapter by chapter."""

    def run(self) -> list[nodes.Node]:
        """Return one section with a table for each group."""
        groups: dict[str, list[dict[str, Any]]] = {SEVERAL: []}
        order = [name for name in chapter_order(self.env.app) if name]
        known = self.symbols()
        for chapter in order:
            groups[chapter] = []
        for symbol in known.values():
            for chapter in symbol["chapters"]:
                if chapter not in groups:
                    self.warn(
                        f"symbol {symbol['id']}: expected a chapter of the book, found {chapter!r}"
                        f"{nearest(chapter, order)}"
                    )
                    groups[chapter] = []
            groups[SEVERAL if len(symbol["chapters"]) > 1 else symbol["chapters"][0]].append(symbol)
        uses_of(self.env).data["table"][self.env.docname] = sorted(known)
        return [self.group(name, rows) for name, rows in groups.items() if rows]

    def group(self, name: str, rows: list[dict[str, Any]]) -> nodes.section:
        """Return the section of a chapter (or of all symbols that several chapters share)."""
        label = f"notation-{'several' if name == SEVERAL else name}"
        head = chapter_title(self.env.app, name)
        section = nodes.section("", nodes.title("", head), ids=[label], names=[label])
        section += cards(
            el("caption", {"class": "companion-hidden"}, f"Symbols: {head}"),
            ("Symbol", "Meaning", "In code"),
            [self.row(symbol) for symbol in rows],
            kind="companion-notation",
        )
        return section

    def row(self, symbol: dict[str, Any]) -> Element:
        """Return the row of a symbol, with its anchor and its links back."""
        anchor = symbol_anchor(symbol["id"])
        cast(StandardDomain, self.env.get_domain("std")).note_hyperlink_target(
            anchor, self.env.docname, anchor, ""
        )
        below: list[Any] = []
        if len(symbol["chapters"]) > 1:
            links = [part for name in symbol["chapters"] for part in (", ", self.chapter_link(name))][1:]
            below.append(el("span", {"class": "companion-used-on"}, "Chapters: ", links))
        below.append(UsedOn(kind="symbols", names=[symbol["id"]]))
        code = symbol.get("code", "")
        return line(
            nodes.math(symbol["symbol"], symbol["symbol"]),
            cell(None, text_with_math(symbol["meaning"]), below),
            cell(
                "In code" if code else None, el("span", {}, text_with_math(code)), kind=None if code else "empty"
            ),
            id=anchor,
        )

    def chapter_link(self, chapter: str) -> nodes.Node:
        """Return a link to a chapter, or its name where it has no first page."""
        page = f"{chapter}/index"
        title = chapter_title(self.env.app, chapter)
        return page_link(self.env, page, title) if document_of(self.env, page) else nodes.Text(title)


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("symbols", Symbols)
    app.add_directive("notation-table", NotationTable)
