"""The directive ``headlines``: what the papers' abstracts say, at what scale it was judged, and the verdict."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx

from companion.book.ledger import Reported
from companion.report.headlines import HeadlineRow, headline_rows
from companion.report.scorecard import Row
from companion.sphinxext import wording
from companion.sphinxext.build import depends_on_all, store_of
from companion.sphinxext.claims.badge import badge, sign, unverified_mark
from companion.sphinxext.claims.chapter import ChapterDirective
from companion.sphinxext.claims.domain import claim_link
from companion.sphinxext.element import Element, el
from companion.sphinxext.reading.uses import chapter_title
from companion.sphinxext.tables import cards, cell, line

__all__ = ["judged_at", "setup", "summary"]


def summary(found: list[HeadlineRow]) -> str:
    """Return in a sentence how many of the headlines are judged at the paper's scale."""
    places = Counter(judged_at(row) for row in found)
    full, never, without = (places.pop(place, 0) for place in (FULL, NEVER, NO_SCALE))
    smaller = sum(places.values())
    text = f"{full or 'None'} of these {len(found)} headlines {'are' if full > 1 else 'is'} judged at the paper’s"
    parts = [f"{smaller} at a smaller one"] * bool(smaller) + [f"{never} at none"] * bool(never)
    parts += [f"{without} without a scale, as mathematics is"] * bool(without)
    return f"{text} own scale today{': ' if parts else ''}{', '.join(parts)}."


SIDES = ("decided by", "beside it, smaller:")
FULL, NEVER, NO_SCALE = "the paper’s scale", "not judged at any scale", "a sentence without a scale"


def judged_at(row: HeadlineRow) -> str:
    """Return at what scale a headline was judged, in words."""
    if row.at_paper_scale:
        return FULL
    if row.share is not None:
        return f"{wording.share(row.share.value)} ({row.share.smallest})"
    return NO_SCALE if any(one.record is not None for one in row.decided_by) else NEVER


class Headlines(ChapterDirective):
    """``{headlines}``: all headlines of the papers; those of related works are the neighbours'."""

    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Return the sentence and the table below it."""
        store = store_of(self.env.app)
        depends_on_all(self.env)
        ledgers = [
            ledger
            for ledger in store.ledgers.values()
            if not ledger.is_theme and ledger.chapter not in store.broken
        ]
        found = headline_rows(ledgers, store.rows)
        if not found:
            return [nodes.paragraph("", "No headlines yet.")]
        table = cards(
            "What the abstracts say, the scale of the paper, and the scale at which it was judged here.",
            ["Headline", "The paper’s scale", "Judged at", "Verdict"],
            [self.line(row) for row in found],
            kind="companion-headlines",
        )
        return [nodes.paragraph("", summary(found)), table]

    def line(self, row: HeadlineRow) -> Element:
        """Return the row of a headline."""
        headline = row.headline
        chapter = chapter_title(self.env.app, row.chapter)
        small = [el("span", {"class": "small"}, chapter, self.figure(headline.paper))]
        why = [el("span", {"class": "small"}, self.inline(headline.why))] if headline.why else []
        sides = [
            (words, claims) for words, claims in zip(SIDES, (row.decided_by, row.beside), strict=True) if claims
        ]
        if sides:
            signs = [[words, [[" ", sign(one.verdict)] for one in claims], "; "] for words, claims in sides]
            signs[-1].pop()
            lists = [el("span", {"class": "small"}, words, " ", self.listed(claims)) for words, claims in sides]
            small.append(el("details", {"class": "small"}, el("summary", {}, signs), lists, why))
        else:
            small += why
        return line(
            el("div", {"class": "statement"}, self.inline(headline.text), small),
            cell("The paper’s scale", el("div", {}, self.inline(headline.scale))),
            cell("Judged at", el("div", {}, judged_at(row))),
            cell("Verdict", el("div", {}, badge(row.verdict))),
        )

    def figure(self, figure: Reported | None) -> list[Any]:
        """Return the paper's figure behind the chapter's name."""
        if figure is None:
            return []
        if figure.span is None:
            return [": ", *self.inline(figure.text)] if figure.text else []
        words = wording.number(figure.value) if figure.range is None else wording.span(*figure.range)
        mark = [] if figure.verified else [unverified_mark()]
        return [
            ": the paper says ",
            words,
            *([" (", *self.inline(figure.text), ")"] if figure.text else []),
            *mark,
        ]

    def listed(self, rows: tuple[Row, ...]) -> list[Any]:
        """Return claims with their signs, and the shares of the paper's scale at which they were judged."""
        found: list[Any] = []
        for row in rows:
            code = nodes.literal("", row.claim.id, classes=["companion-id"])
            at = f" at {wording.share(row.share.value)}" if row.share is not None else ""
            found += [claim_link(row.claim.id, self.env.docname, code), " ", sign(row.verdict), at, ", "]
        return found[:-1]


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("headlines", Headlines)
