"""The directive ``claims-table``: for every claim of a chapter all figures, one below the other, with verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, cast

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx

from companion.book.ledger import CONSTRUCTION, Claim, Ledger
from companion.report.scorecard import Row
from companion.sphinxext import wording
from companion.sphinxext.build import depends_on_records, store_of
from companion.sphinxext.claims.badge import DAGGER_LEGEND
from companion.sphinxext.claims.chapter import ChapterDirective
from companion.sphinxext.claims.domain import ClaimDomain
from companion.sphinxext.claims.rendered import INTERVALS, Listing, figure_words, file_key
from companion.sphinxext.element import Element, el
from companion.sphinxext.links import document_of, stored_file
from companion.sphinxext.store import page_of

__all__ = ["setup"]

SEARCHED = ""
"""Name of the child that no macro shows: words of the rows that the search would not find in other children."""


class ClaimsTable(ChapterDirective):
    """``{claims-table}``, with ``:chapter:`` where it is not the page's own folder."""

    option_spec: ClassVar[dict[str, Any]] = {"chapter": directives.unchanged}

    def content_nodes(self, ledger: Ledger) -> list[nodes.Node]:
        """Return the table of what is counted, the folded one of what is not, and their legend."""
        counted = [claim for claim in ledger.claims if claim.group != CONSTRUCTION]
        folded = [claim for claim in ledger.claims if claim.group == CONSTRUCTION]
        signs = f"† {DAGGER_LEGEND}. {INTERVALS} An expectation unfolds the reason of its tolerance."
        found: list[nodes.Node] = [self.listing(counted, "table")]
        found += [self.listing(folded, "folded")] if folded else []
        return [*found, el("div", {"class": "companion-legend"}, el("p", {}, signs), self.sources(ledger))]

    def listing(self, claims: list[Claim], part: str) -> Listing:
        """Return the table of these claims."""
        rows = store_of(self.env.app).rows
        parts: dict[str, nodes.Node] = {}
        for claim in claims:
            self.show(claim)
            row, page = rows.get(claim.id), page_of(claim)
            if row is None:  # a record cannot be read: said once at the start of the build
                continue
            parts |= {text: el("span", {}, self.inline(text)) for text in texts(claim) if text not in parts}
            if page and document_of(self.env, page):
                for profile in row.records:
                    file = stored_file(self.env, page, profile, "json", "record")
                    parts.setdefault(file_key(page, profile, "json"), el("span", {}, file))
        shown = [claim.id for claim in claims]
        found = [rows[claim] for claim in shown if claim in rows]
        parts[SEARCHED] = el("span", {}, " ".join(word for row in found for word in figures(row)))
        table = Listing("", *parts.values(), part=part, keys=list(parts), claims=shown, pointer=None)
        table["classes"].append("companion-claims")
        return table

    def sources(self, ledger: Ledger) -> Element:
        """Return the list of sources that this chapter's claims cite."""
        cited = {key for claim in ledger.claims for r in claim.figures.values() for key in r.source}
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
    yield from filter(None, (claim.statement, claim.where, claim.construction))
    for figure in claim.figures.values():
        yield from filter(None, (figure.text, figure.why))
    for entry in claim.expect.values():
        yield from filter(None, (entry.reason, entry.why, entry.cost))


def figures(row: Row) -> Iterator[str]:
    """Yield what the rows of a claim show beside texts: its name, kind, verdicts and figures."""
    yield from (row.claim.id, row.claim.kind, row.claim.unit or "", *row.verdicts.values())
    yield from (figure_words(check.plain()) for check in row.checks.values())
    for figure in row.claim.figures.values():
        yield from (
            "" if figure.span is None else wording.number(list(dict.fromkeys(figure.span))),
            *figure.source,
        )


def add_script(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Load the script that folds on the pages that have something to fold."""
    if doctree is not None and any(node["part"] == "folded" for node in doctree.findall(Listing)):
        app.add_js_file("folded.js", loading_method="defer")


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("claims-table", ClaimsTable)
    app.connect("html-page-context", add_script)
