"""The directive ``variation``: a change of parameters, its command, its time, and what it did to some claims."""

from __future__ import annotations

from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx

from companion.errors import CheckError, CompanionError, nearest
from companion.evidence.record import Record
from companion.evidence.rejudging import judged_again
from companion.report.scorecard import Row
from companion.root import carry_path, record_path
from companion.run.variations import Variation, load_variations, results_of, variations_path
from companion.sphinxext import wording
from companion.sphinxext.build import depends_on_ledger, depends_on_records, store_of
from companion.sphinxext.claims.badge import badge
from companion.sphinxext.claims.domain import claim_link
from companion.sphinxext.directive import CompanionDirective
from companion.sphinxext.element import Element, el
from companion.sphinxext.reading.uses import text_with_math
from companion.sphinxext.tables import cards, cell, line

__all__ = ["setup"]


class VariationDirective(CompanionDirective):
    """``{variation} kappa``: the variation of that id in ``book/variations.yml``."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Return the command, the time it takes and the table, or a warning where there is no usable run."""
        store, name = store_of(self.env.app), self.arguments[0]
        self.env.note_dependency(str(variations_path(store.root)))
        try:
            known = load_variations(store.root)
        except CompanionError as error:
            return self.refused(str(error))
        if name not in known:
            return self.refused(
                f"expected a variation of book/variations.yml, found {name!r}{nearest(name, known)}"
            )
        variation = known[name]
        for path in (record_path, carry_path):
            place = path(results_of(variation), variation.profile, variation.page.chapter, variation.page.name)
            self.env.note_dependency(str(place))
        depends_on_records(self.env, variation.page.id)
        depends_on_ledger(self.env, variation.page.chapter)
        state, record = variation.state(), variation.record()
        reasons = variation.reasons(state)
        for reason in reasons:
            self.warn(f"{name}: {reason}; run: .venv/bin/companion vary {name}")
        if reasons or record is None:
            return []
        command = nodes.literal_block(variation.command, variation.command, language="bash")
        carried = f", carried on {wording.date(state.sidecar.date)}" if state.sidecar else ""
        took = (
            f"Took {wording.duration(record.duration_s)} on {record.device}, {wording.date(record.started)}"
            f"{carried}."
        )
        return [command, el("p", {"class": "companion-took"}, took), self.table(variation, record)]

    def table(self, variation: Variation, record: Any) -> Element:
        """Return the watched claims with the page's own figures beside the changed ones."""
        store = store_of(self.env.app)
        own = store.record(variation.page.id, variation.profile)
        changes = ", ".join(f"{name} = {self.value(record.parameters[name])}" for name in variation.parameters)
        before = ", ".join(self.value(own.parameters[name]) for name in variation.parameters) if own else "–"
        rows = [self.row(store.rows[claim], own, record) for claim in variation.watch if claim in store.rows]
        caption = "What the change does; the verdict is that of the same expectation."
        return cards(caption, ("Claim", f"As on the page ({before})", f"With {changes}"), rows)

    def value(self, value: Any) -> str:
        """Return a parameter as text."""
        return ", ".join(map(self.value, value)) if isinstance(value, list) else wording.number(value)

    def row(self, row: Row, own: Any, record: Any) -> Element:
        """Return one claim's line."""
        head = [
            el("span", {"class": "statement"}, text_with_math(row.claim.statement)),
            " ",
            claim_link(row.claim.id, self.env.docname, nodes.literal("", row.claim.id)),
        ]
        return line(head, self.figure(row, own, "As on the page"), self.figure(row, record, "Changed"))

    def figure(self, row: Row, record: Record | None, label: str) -> Element:
        """Return value and verdict of a claim in one run."""
        numbers = record.checks.get(row.claim.id) if record else None
        unit, shown = f" {row.claim.unit}" if row.claim.unit else "", ["–"]
        if record is not None and numbers is not None:
            try:
                check = judged_again(row.claim, record.profile, numbers)
                shown = [wording.interval(check.value, check.interval) + unit, " ", badge(check.verdict)]
            except CheckError as error:
                self.warn(str(error))
        return cell(label, el("div", {}, shown))


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("variation", VariationDirective)
