"""The directive ``pieces``: for each headline how many pieces at the paper's scale are done, and what is left."""

from __future__ import annotations

from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx

from companion.errors import counted
from companion.pieces.headlines import HeadlineCount, headline_counts, minutes_words
from companion.pieces.plan import pieces_path
from companion.pieces.receipts import pieces_folder
from companion.sphinxext.build import depends_on_all, store_of
from companion.sphinxext.claims.badge import sign
from companion.sphinxext.claims.chapter import ChapterDirective
from companion.sphinxext.claims.domain import claim_link
from companion.sphinxext.element import Element, el
from companion.sphinxext.reading.uses import chapter_title
from companion.sphinxext.tables import cards, cell, line

__all__ = ["setup"]

COLUMNS = ("Headline", "Pieces done", "Left")


class PiecesTable(ChapterDirective):
    """``{pieces}``: a sentence that counts them, and the table in the order of the chapters."""

    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Return both."""
        store = store_of(self.env.app)
        depends_on_all(self.env)
        for chapter in store.ledgers:
            self.env.note_dependency(str(pieces_path(store.root, chapter)))
        for receipt in pieces_folder(store.root).rglob("*.json"):
            self.env.note_dependency(str(receipt))
        found = headline_counts(store.root)
        if not found:
            return [nodes.paragraph("", "No pieces are planned.")]
        done, needed = (sum(getattr(row.count, name) for row in found) for name in ("done", "needed"))
        left: dict[str, float] = {}
        for row in found:
            for kind, minutes in row.count.minutes.items():
                left[kind] = left.get(kind, 0.0) + minutes
        text = f"Today {done} of {counted(needed, 'piece')} are done; left are {minutes_words(left)}, estimated."
        table = cards(
            "Headlines whose experiments at the paper’s scale are cut into pieces.",
            COLUMNS,
            [self.line(row) for row in found],
            kind="companion-pieces",
        )
        return [nodes.paragraph("", text), table]

    def line(self, row: HeadlineCount) -> Element:
        """Return the row of a headline, with the claims that its pieces decide folded below it."""
        store = store_of(self.env.app)
        chapter = row.groups[0].chapter
        texts = {one.id: one.text for one in store.ledgers[chapter].headlines}
        listed: list[Any] = []
        for id in row.claims:
            code = nodes.literal("", id, classes=["companion-id"])
            listed += [claim_link(id, self.env.docname, code), " ", sign(store.rows[id].verdict), ", "]
        return line(
            el(
                "div",
                {"class": "statement"},
                self.inline(texts.get(row.headline, row.headline)),
                el("span", {"class": "small"}, chapter_title(self.env.app, chapter)),
                el(
                    "details",
                    {"class": "small"},
                    el("summary", {}, f"{counted(len(row.claims), 'claim')} decided by them"),
                    el("span", {"class": "small"}, listed[:-1]),
                ),
            ),
            cell(COLUMNS[1], el("div", {}, f"{row.count.done} of {row.count.needed}")),
            cell(COLUMNS[2], el("div", {}, minutes_words(row.count.minutes))),
        )


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("pieces", PiecesTable)
