"""The directive ``neighbours``: the related works, what each says in a sentence, the verdict, and its page."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

from companion.report.headlines import HeadlineRow, headline_rows
from companion.sphinxext.build import depends_on_all, store_of
from companion.sphinxext.claims.badge import badge
from companion.sphinxext.claims.chapter import ChapterDirective
from companion.sphinxext.claims.headline_table import judged_at
from companion.sphinxext.element import Element, el
from companion.sphinxext.links import document_of, page_link
from companion.sphinxext.reading.uses import chapter_title
from companion.sphinxext.store import page_of
from companion.sphinxext.tables import cards, cell, line

__all__ = ["setup"]

NONE = "No related works yet."


class Neighbours(ChapterDirective):
    """``{neighbours}``: a table for each theme of related works, a line for each of their headlines; with
    ``:chapter:`` of one theme.
    """

    def run(self) -> list[nodes.Node]:
        """Return the tables in the order of the book."""
        store, only = store_of(self.env.app), self.options.get("chapter")
        depends_on_all(self.env)
        themes = [ledger for ledger in store.ledgers.values() if ledger.is_theme]
        if only is not None and only not in [ledger.chapter for ledger in themes]:
            names = ", ".join(ledger.chapter for ledger in themes) or "none"
            self.warn(f"expected a theme of book/related ({names}), found {only!r}")
            return []
        sound = [ledger for ledger in themes if ledger.chapter not in store.broken]
        chosen = [ledger for ledger in sound if only in (None, ledger.chapter)]
        return [
            cards(
                chapter_title(self.env.app, ledger.chapter),
                ["Work", "What it says", "Verdict", "Judged at", "Page"],
                [
                    self.line(row, ledger.papers[row.headline.work].key)
                    for row in headline_rows([ledger], store.rows)
                ],
                kind="companion-neighbours",
            )
            for ledger in chosen
        ] or [nodes.paragraph("", NONE)]

    def line(self, row: HeadlineRow, key: str) -> Element:
        """Return the line of a headline; ``key`` is its paper's in the bibliography."""
        cited, messages = self.parse_inline(f"{{cite:t}}`{key}`", lineno=self.lineno)
        scale = el("div", {}, judged_at(row), el("span", {"class": "small"}, self.inline(row.headline.scale)))
        why = [el("span", {"class": "small"}, self.inline(row.headline.why))] if row.headline.why else []
        return line(
            el("div", {}, cited, messages),
            cell("What it says", el("div", {"class": "statement"}, self.inline(row.headline.text), why)),
            cell("Verdict", el("div", {}, badge(row.verdict))),
            cell("Judged at", scale),
            cell("Page", el("div", {}, self.page(row) or "–")),
        )

    def page(self, row: HeadlineRow) -> nodes.Node | None:
        """Return a link to the page that decides a headline, or tests it smaller; else to the theme's claims."""
        pages = [page_of(one.claim) for one in (*row.decided_by, *row.beside)]
        for page in (*filter(None, pages), f"{row.chapter}/claims"):
            if document_of(self.env, page):
                return page_link(self.env, page)
        return None


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("neighbours", Neighbours)
