"""The directive ``register-changes``: what the ledgers no longer say, with the reason given at the time."""

from __future__ import annotations

from collections.abc import Sequence

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


class RegisterChanges(SphinxDirective):
    """``{register-changes}``: how long the register is, and a table of its revisions and retirements."""

    def run(self) -> list[nodes.Node]:
        """Return a paragraph and, where there are such lines, the table, the newest first."""
        root = store_of(self.env.app).root
        self.env.note_dependency(str(register_path(root)))
        lines, problems = read(root)
        for problem in problems:
            logger.warning("%s", problem, location=self.get_location(), type="companion")
        changes = sorted((line for line in lines if line.event != ADDED), key=lambda line: line.date, reverse=True)
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
    """Return one row for each revision and retirement."""
    rows = [
        line(
            [f"{change.what} ", el("code", {}, change.id)],
            cell("Event", change.event),
            cell("Date", wording.date(change.date)),
            cell("Reason", change.reason),
        )
        for change in changes
    ]
    caption = "Entries that were revised or retired, the newest first."
    return cards(caption, ("Entry", "Event", "Date", "Reason"), rows)


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("register-changes", RegisterChanges)
