"""The directive ``multiplicity``: what chance does to verdicts on intervals, and which of them would not stay."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from companion.report.multiplicity import chances
from companion.sphinxext import wording
from companion.sphinxext.build import depends_on_all, store_of
from companion.sphinxext.claims.badge import badge
from companion.sphinxext.claims.domain import claim_link
from companion.sphinxext.directive import CompanionDirective
from companion.sphinxext.element import el

__all__ = ["setup"]


class Multiplicity(CompanionDirective):
    """``{multiplicity}``: the numbers in a paragraph, and the list of verdicts that would not stay."""

    def run(self) -> list[nodes.Node]:
        """Return both."""
        store = store_of(self.env.app)
        depends_on_all(self.env)
        found = chances(store.rows.values())
        falling, stay = found.falling, len(found.decided) - len(found.falling)
        text = (
            f"Today {found.family} claims are judged on an interval, and {len(found.decided)} of them decided. "
            f"If every mean lay on the edge of its region, {wording.number(round(found.expected, 1))} verdicts "
            f"would be false, 2.5 % of the claims. Of those decided, {stay} stay, and "
        )
        if not falling:
            return [nodes.paragraph("", f"{text}none would fall.")]
        items: list[Any] = []
        for id in falling:
            code = nodes.literal("", id, classes=["companion-id"])
            link = claim_link(id, self.env.docname, code)
            number = wording.number(float(f"{found.decided[id].adjusted:.2g}"))
            item = nodes.list_item(
                "", nodes.paragraph("", "", link, nodes.Text(" "), badge(store.rows[id].verdict))
            )
            item[0] += el("span", {}, f" adjusted {number}")
            items.append(item)
        return [nodes.paragraph("", f"{text}{len(falling)} would not:"), nodes.bullet_list("", *items)]


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("multiplicity", Multiplicity)
