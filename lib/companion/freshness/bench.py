"""The bench of a carry: one page run with several states of the library, each at the same place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from companion.book.pages import Page, find_page
from companion.errors import CompanionError, RunError
from companion.evidence.record import Record
from companion.freshness.roots import LIBRARY, assemble
from companion.freshness.tracing import environment, executed
from companion.root import notebook_path
from companion.run.progress import Progress
from companion.run.runner import plan, run

__all__ = ["PROFILE", "Bench", "Side"]

PROFILE = "smoke"
"""The profile at which the states are compared."""


@dataclass(frozen=True)
class Side:
    """A finished run: its record and notebook, and the lines of the library that it executed, by file."""

    record: Record
    notebook: Mapping[str, Any]
    lines: Mapping[str, frozenset[int]]


class Bench:
    """States of one page below ``folder``, by name; what was run is kept."""

    def __init__(self, page: Page, folder: Path, progress: Progress) -> None:
        self.page, self.folder, self.progress = page, folder.resolve(), progress
        self._pages: dict[str, Page] = {}
        self._sides: dict[str, Side] = {}

    def state(self, name: str, commit: str | None = None) -> Page:
        """Return the page with the library of ``commit`` (default: today's)."""
        if name not in self._pages:
            try:
                self._pages[name] = assemble(self.page, self.folder / name / "root", commit)
            except CompanionError:
                shutil.rmtree(self.folder / name, ignore_errors=True)
                raise
        return self._pages[name]

    def side(self, name: str) -> Side:
        """Return the run of the state ``name``, which is made unless it was before; raise :class:`RunError` where
        it fails.
        """
        if name not in self._sides:
            with self._in_place(name) as place:
                self._sides[name] = self._run(place)
        return self._sides[name]

    @contextmanager
    def _in_place(self, name: str) -> Iterator[Path]:
        """Move a state to where all of them run, since paths may show in what a page prints."""
        place = self.folder / "run"
        (self.folder / name).rename(place)
        try:
            yield place
        finally:
            place.rename(self.folder / name)

    def _run(self, place: Path) -> Side:
        page, library, lines = find_page(place / "root", self.page.id), place / "root" / LIBRARY, place / "lines"
        jobs = plan(
            [page],
            PROFILE,
            out=place / "results",
            named=True,
            strict=False,
            environment=environment(lines, library),
        )
        record, error = [(outcome.record, outcome.error) for outcome in run(jobs, 1, self.progress)][0]
        if record is None:
            raise RunError(error or f"page {page.id}: expected a finished run, found none")
        notebook = notebook_path(place / "results", PROFILE, page.chapter, page.name)
        return Side(record, json.loads(notebook.read_text(encoding="utf-8")), executed(lines, library))
