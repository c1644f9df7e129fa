"""The directive ``scorecard``: per chapter, how many claims have which headline verdict."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from companion.freshness.state import CARRIED, STALE
from companion.report.scorecard import NOT_RUN, Row, counts
from companion.sphinxext import wording
from companion.sphinxext.build import depends_on_ledger, depends_on_records, store_of
from companion.sphinxext.claims.badge import badge
from companion.sphinxext.element import Element, el
from companion.sphinxext.links import page_link
from companion.sphinxext.reading.uses import chapter_title
from companion.sphinxext.store import page_of
from companion.sphinxext.tables import cards, cell, column, line

__all__ = ["setup"]


class Scorecard(SphinxDirective):
    """``{scorecard}``: a table of chapters against verdicts, with totals and the date of the newest record."""

    def run(self) -> list[nodes.Node]:
        """Return the table and the line below it."""
        store = store_of(self.env.app)
        rows = list(store.rows.values())
        for chapter in store.ledgers:
            depends_on_ledger(self.env, chapter)
        for page in {page_of(row.claim) for row in rows}:
            depends_on_records(self.env, page)
        if not rows:
            return [nodes.paragraph("", "No claims yet.")]
        verdicts = list(counts(rows))
        number = [column(badge(verdict), kind="number") for verdict in verdicts]
        table = cards(
            "Verdicts; a claim counts once, at the most demanding profile that was run.",
            ["Chapter", *number, column("Claims", kind="number")],
            [
                self.line(self.chapter(chapter), [r for r in rows if r.chapter == chapter], verdicts, chapter)
                for chapter in store.ledgers
            ],
            foot=[self.line("All", rows, verdicts, "")],
            kind="companion-scorecard",
        )
        return [table, el("div", {"class": "companion-legend"}, el("p", {}, self.newest(rows)))]

    def line(self, head: nodes.Node | str, rows: list[Row], verdicts: list[str], chapter: str) -> Element:
        """Return one line of counts, each linked to the claims that it counts."""
        found = counts(rows)
        counted = [(f"{wording.SYMBOLS[v]} {v}", found.get(v, 0), v) for v in verdicts]
        counted.append(("Claims", len(rows), ""))
        cells = [
            cell(label, self.counted(n, chapter, verdict), kind="number" if n else "number zero")
            for label, n, verdict in counted
        ]
        return line(head, *cells)

    def counted(self, number: int, chapter: str, verdict: str) -> Element | str:
        """Return a number, linked to the page of all claims, filtered, where the book has that page."""
        if not number or "book/claims" not in self.env.found_docs or self.env.app.builder.format != "html":
            return str(number)
        filters = (("chapter", chapter), ("verdict", wording.slug(verdict)))
        chosen = "&".join(f"{name}={value}" for name, value in filters if value)
        address = self.env.app.builder.get_relative_uri(self.env.docname, "book/claims")
        name = chapter_title(self.env.app, chapter)
        words = f"{number} claim{'s' * (number != 1)}"
        words += f" of {name}" * bool(chapter) + f": {verdict}" * bool(verdict)
        return el("a", {"href": f"{address}?{chosen}" if chosen else address, "aria-label": words}, str(number))

    def chapter(self, chapter: str) -> nodes.Node | str:
        """Return the chapter's title, linked, or its folder's name where it has no page of its own."""
        if f"book/{chapter}/index" in self.env.found_docs:
            return page_link(self.env, f"{chapter}/index")
        name = chapter.replace("_", " ").replace("-", " ").capitalize()
        claims = f"book/{chapter}/claims" in self.env.found_docs
        return page_link(self.env, f"{chapter}/claims", name) if claims else name

    def newest(self, rows: list[Row]) -> str:
        """Return when the newest run was made, and how many claims rest on carried and on stale runs."""
        started = [record.started for row in rows for record in row.records.values()]
        text = f"Newest run: {wording.date(max(started))}." if started else "No run is stored yet."
        waiting = sum(row.verdict == NOT_RUN for row in rows)
        for word in (CARRIED, STALE):
            number = sum(row.state == word for row in rows)
            text += f" {number} claim{'s rest' if number > 1 else ' rests'} on {word} runs." if number else ""
        return text + (f" {waiting} wait for their first run." if waiting else "")


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("scorecard", Scorecard)
