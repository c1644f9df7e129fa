"""The directives ``paper-table`` and ``departures``: what the ledger transcribes, where code differs from text."""

from __future__ import annotations

from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx

from companion.book.ledger import Cell, Ledger, Table
from companion.sphinxext import wording
from companion.sphinxext.claims.badge import ALL_UNVERIFIED, DAGGER_LEGEND, unverified_mark
from companion.sphinxext.claims.chapter import ChapterDirective
from companion.sphinxext.element import Element, el
from companion.sphinxext.tables import cards, cell, line, plain_table

__all__ = ["scrolling", "setup"]


def scrolling(name: str, table: Element) -> Element:
    """Return the table in a frame that scrolls sideways, by keyboard too, where the page is too narrow."""
    return el("div", {"class": "companion-scroll", "role": "region", "tabindex": "0", "aria-label": name}, table)


def decimals(value: object) -> int:
    """Return how many decimals a number of the ledger was written with, as far as YAML keeps them."""
    text = repr(value) if isinstance(value, float) else ""
    return len(text.partition(".")[2]) if "e" not in text else 0


class PaperTable(ChapterDirective):
    """``{paper-table} A-1``: one table of the ledger, unverified cells marked, sources below.

    Where no figure is verified the caption says so once, and no cell is marked.
    """

    required_arguments = 1
    final_argument_whitespace = True

    def content_nodes(self, ledger: Ledger) -> list[nodes.Node]:
        """Return the table with its legend."""
        wanted = self.arguments[0].strip()
        table = next((t for t in ledger.tables if t.id == wanted), None)
        if table is None:
            self.warn(
                f"the ledger of {ledger.chapter} has no table {wanted!r}; "
                f"it has {', '.join(t.id for t in ledger.tables) or 'none'}"
            )
            return []
        if not table.publish:
            self.warn(f"the ledger says that the table {wanted} is not to be shown on pages")
            return []
        cells = [cell for row in table.rows for cell in row if cell.value is not None]
        figures = [cell for row in table.rows for cell in row[1:] if cell.value is not None]
        mixed = any(cell.verified for cell in figures)
        cited = {key for cell in cells for key in cell.source}.union(table.source)
        several = len({cell.source for cell in cells}) > 1
        marked = mixed and not all(cell.verified for cell in figures)
        legend = [el("p", {}, "† ", DAGGER_LEGEND, ".")] if marked else []
        if table.note:
            legend.insert(0, el("p", {}, self.inline(table.note)))
        return [
            scrolling(f"Table {table.id}", self.table(table, several, mixed)),
            el("div", {"class": "companion-legend"}, legend, self.source_list(ledger, cited)),
        ]

    def table(self, table: Table, several: bool, mixed: bool) -> Element:
        """Return the table itself; ``several`` sources are named in each cell, and unverified figures marked there
        only where a ``mixed`` table has verified ones too.
        """
        numeric = {
            i
            for i in range(1, len(table.columns))
            if any(isinstance(row[i].value, int | float) for row in table.rows)
        }
        title = [el("strong", {}, f"Table {table.id}. "), self.inline(table.title)]
        if not mixed:
            title.append(el("span", {"class": "companion-unverified"}, " ", ALL_UNVERIFIED))
        caption = el("caption", {}, el("span", {"class": "companion-caption"}, title))
        digits = [
            max([decimals(row[i].value) for row in table.rows], default=0) for i in range(len(table.columns))
        ]
        body = [
            el(
                "tr",
                {},
                [
                    self.cell(cell, i, digits[i] if i in numeric else None, several, mixed)
                    for i, cell in enumerate(row)
                ],
            )
            for row in table.rows
        ]
        columns = [self.inline(name) for name in table.columns]
        return plain_table("companion-table", columns, el("tbody", {}, body), caption=caption, numeric=numeric)

    def cell(self, cell: Cell, column: int, digits: int | None, several: bool, mixed: bool) -> Element:
        """Return one cell; the first column heads its row, the others have ``digits`` decimals if numeric."""
        shown: list[Any] = ["–"]
        if cell.value is not None:
            value = cell.value
            shown = [
                self.inline(value)
                if isinstance(value, str)
                else wording.number(value, f".{digits}f" if isinstance(value, float) and digits else "")
            ]
            if column and mixed and not cell.verified:
                shown.append(unverified_mark())
            if column and several:
                shown.append(el("sup", {"class": "companion-source"}, " " + ",".join(cell.source)))
        if column == 0:
            return el("th", {"scope": "row"}, *shown)
        return el("td", {"class": None if digits is None else "number"}, *shown)


class Departures(ChapterDirective):
    """``{departures}``: where this book, or the paper's own code, does other than the paper says."""

    option_spec: ClassVar[dict[str, Any]] = ChapterDirective.option_spec

    def content_nodes(self, ledger: Ledger) -> list[nodes.Node]:
        """Return one block for each departure, as a table that folds into cards."""
        columns = ("What", "The paper", "Here", "Why", "Who departs")
        rows = []
        for item in ledger.departures:
            cells = (item.paper, item.ours, item.why, "this book" if item.who == "ours" else item.who)
            texts = zip(columns[1:], cells, strict=True)
            shown = [cell(label, el("div", {}, self.inline(text))) for label, text in texts]
            rows.append(line(self.inline(item.what), *shown))
        if not rows:
            return [nodes.paragraph("", "No departures are noted.")]
        return [cards("Departures from the paper.", columns, rows)]


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("paper-table", PaperTable)
    app.add_directive("departures", Departures)
