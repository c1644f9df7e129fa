"""The directive ``claims-table``: for every claim of a chapter all figures, one below the other, with verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx

from companion.book.ledger import Claim, Ledger, Reported
from companion.freshness.state import CLOCK, STALE
from companion.report.scorecard import Row
from companion.sphinxext import wording
from companion.sphinxext.build import depends_on_records, store_of
from companion.sphinxext.claims.badge import DAGGER_LEGEND, badge, unverified_mark
from companion.sphinxext.claims.chapter import ChapterDirective
from companion.sphinxext.claims.domain import anchor
from companion.sphinxext.element import Element, el
from companion.sphinxext.links import commit_at, commit_link, page_link, source_links, stored_file
from companion.sphinxext.store import page_of

__all__ = ["CLOCK_TITLE", "CLOCK_WORDS", "INTERVALS", "WHOSE", "figure_words", "seed_words", "setup"]

INTERVALS = "Intervals: 95 % Student-t over seeds."
COLUMNS = ("Figure", "Value", "Expected", "Verdict", "Evidence")
CLOCK_WORDS = "measured by a clock"
CLOCK_TITLE = (
    "Its value depends on time or memory measured in the run: it turns stale when the library changes, "
    "even if the run is carried"
)
WHOSE = {"paper": "claim of the paper", "ours": "claim of this book", "independent": "claim of a third party"}


def figure_words(check: Mapping[str, Any]) -> str:
    """Return what a check found, with its interval."""
    return wording.interval(check["value"], check.get("interval"))


def seed_words(check: Mapping[str, Any]) -> str:
    """Return ``3 seeds (0–2)``; empty for a check without seeds."""
    count = len(check.get("seeds") or ())
    return f"{count} seed{'s' * (count > 1)} ({wording.seeds(check['seeds'])})" if count else ""


def cell(label: str, *children: Any, **attrs: str) -> Element:
    """Return a cell that carries its column's name, shown where the table is folded into cards."""
    return el("td", {"role": "cell", "data-label": label, **attrs}, el("div", {"class": label.lower()}, *children))


def row_head(text: str) -> Element:
    return el("th", {"scope": "row", "role": "rowheader"}, text)


def small(*children: Any) -> Element:
    return el("span", {"class": "small"}, *children)


class ClaimsTable(ChapterDirective):
    """``{claims-table}``, with ``:chapter:`` where it is not the page's own folder."""

    option_spec: ClassVar[dict[str, Any]] = {"chapter": directives.unchanged}

    def content_nodes(self, ledger: Ledger) -> list[nodes.Node]:
        """Return the table and its legend."""
        head = el(
            "thead",
            {"role": "rowgroup"},
            el(
                "tr",
                {"role": "row"},
                [el("th", {"scope": "col", "role": "columnheader"}, name) for name in COLUMNS],
            ),
        )
        caption = el("caption", {}, "The chapter’s claims, with the paper’s figures, a third party’s and ours.")
        table = el(
            "table",
            {"class": "companion-claims", "role": "table"},
            caption,
            head,
            [self.claim(ledger, claim) for claim in ledger.claims],
        )
        signs = f"† {DAGGER_LEGEND}. {INTERVALS} An expectation unfolds the reason of its tolerance."
        return [table, el("div", {"class": "companion-legend"}, el("p", {}, signs), self.sources(ledger))]

    def sources(self, ledger: Ledger) -> Element:
        """Return the list of sources that this chapter's claims cite."""
        cited = {key for claim in ledger.claims for r in (claim.paper, claim.independent) if r for key in r.source}
        return self.source_list(ledger, cited)

    def claim(self, ledger: Ledger, claim: Claim) -> Element:
        """Return the rows of one claim."""
        domain: Any = self.env.get_domain("claim")
        shown = domain.shown_on(claim.id)
        if shown not in (None, self.env.docname):
            self.warn(f"the claim {claim.id} already has its row on {shown}")
        domain.show(claim.id, self.env.docname)
        depends_on_records(self.env, page_of(claim))
        row = store_of(self.env.app).rows.get(claim.id)
        if row is None:  # a record cannot be read: said once at the start of the build
            return el("tbody", {"id": anchor(claim.id), "role": "rowgroup"})
        name = anchor(claim.id)
        permalink = nodes.reference("", "#", refid=name, classes=["headerlink"], reftitle="Link to this claim")
        head = el(
            "tr",
            {"class": "claim", "role": "row"},
            el(
                "th",
                {"scope": "rowgroup", "role": "rowheader", "colspan": str(len(COLUMNS))},
                el("div", {"class": "head"}, el("code", {}, claim.id), badge(row.verdict), permalink),
                el("div", {"class": "statement"}, self.inline(claim.statement)),
                el(
                    "div",
                    {"class": "where"},
                    self.inline(claim.where),
                    f" · {WHOSE[claim.origin]} · {claim.kind}",
                    [" · ", el("abbr", {"title": CLOCK_TITLE}, CLOCK_WORDS)] if claim.clock else [],
                ),
            ),
        )
        rows = [
            self.reported(ledger, claim, label, figure)
            for label, figure in (("Paper", claim.paper), ("Independent", claim.independent))
            if figure
        ]
        rows += [self.ours(row, profile) for profile in row.verdicts]
        return el("tbody", {"id": name, "role": "rowgroup"}, head, rows)

    def reported(self, ledger: Ledger, claim: Claim, label: str, figure: Reported) -> Element:
        """Return the row of a figure that somebody else reports."""
        bare = figure.value is None
        value = [self.inline(figure.text) if bare else self.value(claim, wording.number(figure.value))]
        if label == "Paper" and not figure.verified:
            value.append([unverified_mark()])
        note = (
            cell("Note", self.inline(figure.text), colspan="2")
            if figure.text and not bare
            else el("td", {"role": "cell", "class": "empty", "colspan": "2"})
        )
        return el(
            "tr",
            {"class": "profile", "role": "row"},
            row_head(label),
            cell("Value", *value),
            note,
            cell("Evidence", "source ", source_links(ledger.sources, figure.source)),
        )

    def value(self, claim: Claim, text: str) -> list[nodes.Node]:
        """Return a figure with its unit."""
        unit = "" if not claim.unit else f" {claim.unit}"
        return [el("span", {"class": "value"}, text), nodes.Text(unit)]

    def ours(self, row: Row, profile: str) -> Element:
        """Return the row of our figure at one profile."""
        value: list[Any] = ["–"]
        if profile in row.records:
            check = row.checks[profile].plain()
            value = [self.value(row.claim, figure_words(check))]
            if seeds := seed_words(check):
                value.append(small(seeds))
        return el(
            "tr",
            {"class": "profile", "role": "row"},
            row_head(f"Ours, {profile}"),
            cell("Value", *value),
            self.expected(row, profile),
            self.verdict(row, profile),
            self.evidence(row, profile),
        )

    def expected(self, row: Row, profile: str) -> Element:
        """Return the expectation, with its reason folded."""
        entry = row.claim.expect.get(profile)
        if entry is None or entry.support is None:
            return el("td", {"role": "cell", "class": "empty"})
        text = wording.typeset(entry.text)
        if not entry.reason:
            return cell("Expected", text)
        return cell("Expected", el("details", {}, el("summary", {}, text), small(self.inline(entry.reason))))

    def verdict(self, row: Row, profile: str) -> Element:
        """Return the badge, and behind a verdict without a run why there is none and what it would cost."""
        entry, shown = row.claim.expect.get(profile), [badge(row.verdicts[profile])]
        if entry is not None and profile not in row.records:
            shown += [small(self.inline(text)) for text in (entry.why, entry.cost) if text]
        return cell("Verdict", *shown)

    def evidence(self, row: Row, profile: str) -> Element:
        """Return links to the page, the record and the commit."""
        page = page_of(row.claim)
        if page is None or f"book/{page}" not in self.env.found_docs:
            return el("td", {"role": "cell", "class": "empty"})
        shown: list[Any] = [page_link(self.env, page, "page")]
        if profile in row.records:
            record = row.records[profile]
            shown += [
                ", ",
                stored_file(self.env, page, profile, "json", "record"),
                ", ",
                commit_link(self.env, record),
            ]
            state = row.states[profile]
            if state.word == STALE:
                changed = CLOCK if state.reasons == [CLOCK] else "inputs changed since the run"
                shown.append(el("span", {"class": "small companion-warn"}, f"stale: {changed}"))
            elif state.sidecar:
                after, day = state.sidecar.after, wording.date(state.sidecar.date)
                shown.append(
                    small(
                        f"run of {wording.date(record.started)}, carried on {day} to ",
                        commit_at(self.env, after["commit"], after["dirty"]),
                    )
                )
        return cell("Evidence", *shown)


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("claims-table", ClaimsTable)
