"""The directive ``register-changes``: what the ledgers no longer say, with the reason given at the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from companion.errors import counted
from companion.register.lines import ADDED, RETIRED, REVISED, Line, read
from companion.root import register_path
from companion.sphinxext import wording
from companion.sphinxext.build import store_of
from companion.sphinxext.element import Element, el
from companion.sphinxext.tables import cards, cell, line

__all__ = ["setup"]

logger = logging.getLogger(__name__)
FEW = 4
"""Up to so many entries of one reason stand in the open."""


class RegisterChanges(SphinxDirective):
    """``{register-changes}``: how long the register is, and a table of its revisions and retirements."""

    def run(self) -> list[nodes.Node]:
        """Return a paragraph and, where there are such lines, the table, the newest first."""
        root = store_of(self.env.app).root
        self.env.note_dependency(str(register_path(root)))
        lines, problems = read(root)
        for problem in problems:
            logger.warning("%s", problem, location=self.get_location(), type="companion")
        changes = sorted(
            (line for line in lines if line.event != ADDED),
            key=lambda line: (line.date, line.event, line.reason),
            reverse=True,
        )
        return [el("p", {}, length(lines)), *([table(changes)] if changes else [])]


def length(lines: Sequence[Line]) -> str:
    """Return what the register holds, in words."""
    if not lines:
        return "The register has no line yet."
    text, events = f"The register has {counted(len(lines), 'line')}", [line.event for line in lines]
    if set(events) == {ADDED}:
        return f"{text}; no entry has been revised or retired yet."
    numbers = [
        counted(events.count(event), word)
        for event, word in ((ADDED, "addition"), (REVISED, "revision"), (RETIRED, "retirement"))
    ]
    return f"{text}: {', '.join(numbers)}."


def table(changes: Sequence[Line]) -> Element:
    """Return one row for each reason on a day, with the entries that were revised or retired for it."""
    rows = [
        line(
            entries(list(same)),
            cell("Event", event),
            cell("Date", wording.date(date)),
            cell("Reason", reason),
        )
        for (date, event, reason), same in groupby(changes, lambda one: (one.date, one.event, one.reason))
    ]
    caption = "Entries that were revised or retired, the newest first."
    return cards(caption, ("Entry", "Event", "Date", "Reason"), rows)


def entries(changes: Sequence[Line]) -> list[nodes.Node | str] | Element:
    """Return the entries of one reason; more than a few are folded behind their number."""
    listed: list[nodes.Node | str] = []
    for change in changes:
        listed += [", "] * bool(listed) + [f"{change.what} ", el("code", {}, change.id)]
    if len(changes) <= FEW:
        return listed
    kinds = Counter(change.what for change in changes)
    summary = ", ".join(
        f"{number} of {what}" if what == "machines" else counted(number, what) for what, number in kinds.items()
    )
    return el("details", {}, el("summary", {}, summary), el("div", {}, listed))


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("register-changes", RegisterChanges)
