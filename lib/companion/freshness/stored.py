"""The stored runs of a page, at its profiles and as variations, and what stands in the way of carrying one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from companion.book.pages import Page
from companion.errors import CompanionError
from companion.evidence.record import Record, load_record, stored_notebook
from companion.freshness.fingerprint import fingerprint
from companion.freshness.state import STALE, state_of
from companion.root import carry_path, record_path
from companion.run.variations import load_variations, results_of

__all__ = ["MAX_AGE_DAYS", "Stored", "obstacle", "own_digest", "stored_runs"]

MAX_AGE_DAYS = 60
"""A run older than this is made again rather than carried."""


@dataclass(frozen=True)
class Stored:
    """A record, the folder ``results`` it is stored below, and the parameters in which its run was to differ from
    the profile's.
    """

    page: Page
    record: Record
    results: Path
    overrides: Mapping[str, Any]
    label: str

    @property
    def path(self) -> Path:
        """Where the record is stored."""
        return record_path(self.results, self.record.profile, self.record.chapter, self.record.page)

    @property
    def sidecar(self) -> Path:
        """Where the sidecar of the record stands."""
        return carry_path(self.results, self.record.profile, self.record.chapter, self.record.page)

    @cached_property
    def now(self) -> Mapping[str, Any]:
        """The page's present fingerprint at the run's profile and parameters, as it was first asked for."""
        return fingerprint(self.page, self.record.profile, self.overrides)

    @property
    def commit(self) -> str:
        """The commit that has the run's own code; empty where no commit is known to."""
        commit, dirty = self.record.code_at
        return "" if dirty or commit == "unknown" else commit

    @property
    def speaks(self) -> bool:
        """Whether the run speaks for the page as it is: fresh, or carried already."""
        return state_of(self.record, self.page, self.overrides, self.results).word != STALE


def stored_runs(root: Path, pages: Iterable[Page]) -> list[Stored]:
    """Return the stored runs of ``pages``, all of ``root``: those of their profiles, then their variations."""
    known = {page.id: page for page in pages}
    found = [
        Stored(page, record, root / "results", {}, f"{page.id} ({profile})")
        for page in known.values()
        for profile in page.settings
        if (record := load_record(root, profile, page.chapter, page.name)) is not None
    ]
    for variation in load_variations(root).values():
        page = known.get(variation.page.id)
        record = variation.record() if page else None
        if page and record:
            label = f"{page.id}, variation {variation.id} ({variation.profile})"
            found.append(Stored(page, record, results_of(variation), variation.parameters, label))
    return found


def obstacle(stored: Stored, today: datetime) -> str | None:
    """Return in a sentence why a run that does not speak for its page cannot be carried, or None."""
    record = stored.record
    if not record.matches(stored_notebook(stored.page.root, record, stored.results)):
        return f"{stored.label}: expected the notebook that its record was written for, found another"
    if stored.page.asked(record.profile):
        return f"{stored.label}: expected a run of the cells of smoke, found one from pieces; run the page again"
    parts, now = record.fingerprint.get("parts", {}), stored.now["parts"]
    odd = sorted({name for name in {*parts, *now} if parts.get(name) != now.get(name)} - {"library"})
    if odd:
        return f"{stored.label}: expected only the library to have changed, found a change in {', '.join(odd)}"
    started = datetime.fromisoformat(record.started)
    if today - started > timedelta(days=MAX_AGE_DAYS):
        return (
            f"{stored.label}: expected a run of the last {MAX_AGE_DAYS} days, found one of {started.date()}; "
            "run the page again"
        )
    if not stored.commit:
        return (
            f"{stored.label}: expected a run from a commit, found one with local changes that no commit is known "
            "to have (companion settle looks for one)"
        )
    return None


def own_digest(stored: Stored, page: Page) -> str | None:
    """Return the digest that the run would have on ``page``, the same page of another root; None where that root
    does not fit it.
    """
    try:
        return fingerprint(page, stored.record.profile, stored.overrides)["digest"]
    except CompanionError:
        return None
