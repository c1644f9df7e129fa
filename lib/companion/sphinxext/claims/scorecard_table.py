"""The directive ``scorecard``: for each group of claims, how many of a chapter have which headline verdict."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from companion.book.ledger import CONSTRUCTION, GROUPS, OURS, RELATED_WORKS
from companion.freshness.state import CARRIED, STALE
from companion.report.scorecard import ALL, NOT_RUN, Row, by_chapter, by_construction, counted_groups
from companion.sphinxext import wording
from companion.sphinxext.build import depends_on_all, store_of
from companion.sphinxext.claims.badge import badge
from companion.sphinxext.element import Element, el
from companion.sphinxext.links import document_of, filtered, page_link
from companion.sphinxext.reading.uses import chapter_title
from companion.sphinxext.tables import cards, cell, column, line

__all__ = ["setup"]

CAPTIONS = {
    "paper": ": a claim counts once, at the most demanding profile that was run.",
    RELATED_WORKS: ": what the neighbours of these papers say, counted in the same way.",
    "independent": ": what somebody else published about the same.",
    OURS: ": what only this book says; such a sentence holds or fails, it is not reproduced.",
}
"""What stands behind the title of each group."""


class Scorecard(SphinxDirective):
    """``{scorecard}``: a table for each group, chapters against verdicts, and the date of the newest record."""

    def run(self) -> list[nodes.Node]:
        """Return the table and the line below it."""
        store = store_of(self.env.app)
        rows = list(store.rows.values())
        depends_on_all(self.env)
        if not rows:
            return [nodes.paragraph("", "No claims yet.")]
        legend = [el("p", {}, self.folded(rows)), el("p", {}, self.newest(rows))]
        return [
            *(self.table(by_chapter(rows, group), group) for group in counted_groups(rows)),
            el("div", {"class": "companion-legend"}, legend),
        ]

    def table(self, numbers: dict[str, dict[str, int]], group: str) -> Element:
        """Return the scorecard of a group."""
        number = [column(badge(verdict), kind="number") for verdict in numbers[ALL]]
        return cards(
            el("caption", {}, el("strong", {}, GROUPS[group]), CAPTIONS[group]),
            ["Chapter", *number, column("Claims", kind="number")],
            [self.line(self.chapter(name), own, group, name) for name, own in numbers.items() if name != ALL],
            foot=[self.line("All", numbers[ALL], group, "")],
            kind="companion-scorecard",
        )

    def line(self, head: nodes.Node | str, own: dict[str, int], group: str, chapter: str) -> Element:
        """Return one line of counts, each linked to the claims that it counts."""
        counted = [(f"{wording.SYMBOLS[verdict]} {verdict}", number, verdict) for verdict, number in own.items()]
        counted.append(("Claims", sum(own.values()), ""))
        cells = [
            cell(label, self.counted(n, group, chapter, verdict), kind="number" if n else "number zero")
            for label, n, verdict in counted
        ]
        return line(head, *cells)

    def folded(self, rows: list[Row]) -> list[nodes.Node | str]:
        """Return the line about what no table counts, with a link to it."""
        said = by_construction(rows)
        number = sum(row.group == CONSTRUCTION for row in rows)
        return [said, " See ", self.counted(number, CONSTRUCTION, "", "", "the list"), "."] if said else []

    def counted(self, number: int, group: str, chapter: str, verdict: str, shown: str = "") -> Element | str:
        """Return a number, linked to the page of all claims, filtered, where the book has that page."""
        address = filtered(self.env, group=group, chapter=chapter, verdict=wording.slug(verdict))
        text = shown or str(number)
        if not number or address is None:
            return text
        words = f"{GROUPS[group]}, {number}" + f": {verdict}" * bool(verdict)
        words += f", {chapter_title(self.env.app, chapter)}" * bool(chapter)
        return el("a", {"href": address, "aria-label": None if shown else words}, text)

    def chapter(self, chapter: str) -> nodes.Node | str:
        """Return the chapter's title, linked, or its folder's name where it has no page of its own."""
        if document_of(self.env, f"{chapter}/index"):
            return page_link(self.env, f"{chapter}/index")
        name = chapter.replace("_", " ").replace("-", " ").capitalize()
        claims = document_of(self.env, f"{chapter}/claims")
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
