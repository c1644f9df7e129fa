"""The directive ``power``: which open claims more seeds would decide, how many, and what they would take."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

from companion.evidence.power import MOST
from companion.report.power import HOUR, Power, powers
from companion.sphinxext import wording
from companion.sphinxext.build import depends_on_all, store_of
from companion.sphinxext.claims.domain import claim_link
from companion.sphinxext.directive import CompanionDirective
from companion.sphinxext.element import Element, el
from companion.sphinxext.tables import cards, cell, line

__all__ = ["setup"]

COLUMNS = ("Claim", "Seeds now", "Seeds that would decide", "Time for the rest")


class PowerTable(CompanionDirective):
    """``{power}``: a sentence that counts them, and the table, cheapest first."""

    def run(self) -> list[nodes.Node]:
        """Return both."""
        store = store_of(self.env.app)
        depends_on_all(self.env)
        found = powers(store.rows.values())
        if not found:
            return [nodes.paragraph("", "No claim is left open by an interval over seeds.")]
        near = sum(one.cost is not None and one.cost <= HOUR for one in found)
        text = (
            f"Today an interval over seeds leaves {len(found)} claims undecided or open. "
            f"If mean and spread stayed, an hour’s run or less would decide {near} of them, each for itself."
        )
        table = cards(
            "Open claims, the seeds they have, and the seeds that would decide them if mean and spread stayed.",
            COLUMNS,
            [self.line(one) for one in found],
            kind="companion-power",
        )
        return [nodes.paragraph("", text), table]

    def line(self, one: Power) -> Element:
        """Return the row of a claim."""
        id = one.row.claim.id
        link = claim_link(id, self.env.docname, nodes.literal("", id, classes=["companion-id"]))
        needed = f"more than {wording.number(MOST)}" if one.needed is None else wording.number(one.needed)
        cost = "–" if one.cost is None else wording.duration(one.cost)
        words = (wording.number(one.seeds), needed, cost)
        return line(
            el("div", {}, link), *(cell(c, el("div", {}, w)) for c, w in zip(COLUMNS[1:], words, strict=True))
        )


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("power", PowerTable)
