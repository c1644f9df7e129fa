"""The directive ``claims-table``: for every claim of a chapter all figures, one below the other, with verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, cast

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx

from companion.book.ledger import Claim, Ledger
from companion.report.scorecard import Row
from companion.sphinxext import wording
from companion.sphinxext.build import depends_on_records, store_of
from companion.sphinxext.claims.badge import DAGGER_LEGEND
from companion.sphinxext.claims.chapter import ChapterDirective
from companion.sphinxext.claims.domain import ClaimDomain
from companion.sphinxext.claims.rendered import INTERVALS, Listing, figure_words, file_key
from companion.sphinxext.element import Element, el
from companion.sphinxext.links import stored_file
from companion.sphinxext.store import page_of

__all__ = ["setup"]

SEARCHED = ""
"""Name of the child that no macro shows: words of the rows that the search would not find in other children."""


class ClaimsTable(ChapterDirective):
    """``{claims-table}``, with ``:chapter:`` where it is not the page's own folder."""

    option_spec: ClassVar[dict[str, Any]] = {"chapter": directives.unchanged}

    def content_nodes(self, ledger: Ledger) -> list[nodes.Node]:
        """Return the table and its legend."""
        rows = store_of(self.env.app).rows
        parts: dict[str, nodes.Node] = {}
        for claim in ledger.claims:
            self.show(claim)
            row, page = rows.get(claim.id), page_of(claim)
            if row is None:  # a record cannot be read: said once at the start of the build
                continue
            parts |= {text: el("span", {}, self.inline(text)) for text in texts(claim) if text not in parts}
            if page and f"book/{page}" in self.env.found_docs:
                for profile in row.records:
                    file = stored_file(self.env, page, profile, "json", "record")
                    parts.setdefault(file_key(page, profile, "json"), el("span", {}, file))
        shown = [claim.id for claim in ledger.claims]
        found = [rows[claim] for claim in shown if claim in rows]
        parts[SEARCHED] = el("span", {}, " ".join(word for row in found for word in figures(row)))
        table = Listing("", *parts.values(), part="table", keys=list(parts), claims=shown, pointer=None)
        table["classes"].append("companion-claims")
        signs = f"† {DAGGER_LEGEND}. {INTERVALS} An expectation unfolds the reason of its tolerance."
        return [table, el("div", {"class": "companion-legend"}, el("p", {}, signs), self.sources(ledger))]

    def sources(self, ledger: Ledger) -> Element:
        """Return the list of sources that this chapter's claims cite."""
        cited = {key for claim in ledger.claims for r in (claim.paper, claim.independent) if r for key in r.source}
        return self.source_list(ledger, cited)

    def show(self, claim: Claim) -> None:
        """Note that the page has the claim's row, and depends on its runs."""
        domain = cast(ClaimDomain, self.env.get_domain("claim"))
        shown = domain.shown_on(claim.id)
        if shown not in (None, self.env.docname):
            self.warn(f"the claim {claim.id} already has its row on {shown}")
        domain.show(claim.id, self.env.docname)
        depends_on_records(self.env, page_of(claim))


def texts(claim: Claim) -> Iterator[str]:
    """Yield the texts of a claim that its rows show."""
    yield from (claim.statement, claim.where)
    yield from (figure.text for figure in (claim.paper, claim.independent) if figure and figure.text)
    for entry in claim.expect.values():
        yield from filter(None, (entry.reason, entry.why, entry.cost))


def figures(row: Row) -> Iterator[str]:
    """Yield what the rows of a claim show beside texts: its name, kind, verdicts and figures."""
    yield from (row.claim.id, row.claim.kind, row.claim.unit or "", *row.verdicts.values())
    yield from (figure_words(check.plain()) for check in row.checks.values())
    for figure in filter(None, (row.claim.paper, row.claim.independent)):
        yield from ("" if figure.value is None else wording.number(figure.value), *figure.source)


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("claims-table", ClaimsTable)
