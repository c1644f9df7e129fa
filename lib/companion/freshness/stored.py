"""The stored runs of a page, at its profiles and as variations, and what stands in the way of carrying one."""

from __future__ import annotations

from collections.abc import Mapping
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
from companion.root import carry_path
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
    def sidecar(self) -> Path:
        """Where the sidecar of the record stands."""
        return carry_path(self.results, self.record.profile, self.record.chapter, self.record.page)

    @cached_property
    def now(self) -> Mapping[str, Any]:
        """The page's present fingerprint at the run's profile and parameters, as it was first asked for."""
        return fingerprint(self.page, self.record.profile, self.overrides)

    @property
    def commit(self) -> str | None:
        """The commit that has the run's own code, or None where no commit is known to."""
        commit, dirty = self.record.code_at
        return None if dirty or commit == "unknown" else commit

    @property
    def speaks(self) -> bool:
        """Whether the run speaks for the page as it is: fresh, or carried already."""
        return state_of(self.record, self.page, self.overrides, self.results).word != STALE


def stored_runs(page: Page) -> list[Stored]:
    """Return the page's stored runs: those of its profiles, then its variations."""
    results, found = page.root / "results", []
    for profile in page.settings:
        record = load_record(page.root, profile, page.chapter, page.name)
        if record is not None:
            found.append(Stored(page, record, results, {}, f"{page.id} ({profile})"))
    for variation in load_variations(page.root).values():
        record = variation.record() if variation.page.id == page.id else None
        if record is not None:
            label = f"{page.id}, variation {variation.id} ({variation.profile})"
            found.append(Stored(page, record, results_of(variation), variation.parameters, label))
    return found


def obstacle(stored: Stored, today: datetime) -> str | None:
    """Return in a sentence why a run that does not speak for its page cannot be carried, or None."""
    record = stored.record
    if not record.matches(stored_notebook(stored.page.root, record, stored.results)):
        return f"{stored.label}: expected the notebook that its record was written for, found another"
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
    if stored.commit is None:
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
