"""The state of a stored run: fresh, carried over an edit of the library, or stale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from companion.book.ledger import Claim
from companion.book.pages import Page
from companion.errors import RunError
from companion.evidence.record import Record, stored_notebook
from companion.freshness.fingerprint import against
from companion.freshness.sidecar import Sidecar, applies, load_sidecar
from companion.root import carry_path

__all__ = [
    "CARRIED",
    "CLOCK",
    "FRESH",
    "STALE",
    "WORDS",
    "State",
    "carried",
    "carried_words",
    "lacking",
    "state_of",
]

FRESH, CARRIED, STALE = "fresh", "carried", "stale"
WORDS = (FRESH, CARRIED, STALE)
"""The states, from the best to the worst."""
CLOCK = "measured by a clock, and the library changed since the run (carried)"
"""Why a carried run does not speak for a claim by a clock: only a new run tells how fast the code is now."""


@dataclass(frozen=True)
class State:
    """Whether a stored run speaks for its page: stale for ``reasons`` in plain words, else carried by ``sidecar``,
    else fresh.
    """

    reasons: list[str] = field(default_factory=list)
    sidecar: Sidecar | None = None

    @property
    def word(self) -> str:
        """One of ``WORDS``."""
        return STALE if self.reasons else CARRIED if self.sidecar else FRESH

    def of(self, claim: Claim) -> State:
        """Return the state of what the run found for ``claim``: in a carried run those by a clock are stale."""
        return State([CLOCK]) if self.sidecar and claim.clock else self


def state_of(
    record: Record, page: Page, overrides: Mapping[str, Any] | None = None, results: Path | None = None
) -> State:
    """Return the state of the run of ``record``, stored below ``results`` (default: ``<root>/results``).

    ``overrides``: parameters in which the run should differ from the profile's. The run is carried if its sidecar
    leads from the record as it is to the page's present fingerprint, and its notebook is the one recorded.
    """
    reasons, digest = against(record, page, overrides, results)
    if not reasons:
        return State()
    results = results or page.root / "results"
    try:
        sidecar = load_sidecar(results, record)
    except RunError as error:
        return State([*reasons, str(error)])
    if sidecar is None:
        return State(reasons)
    if record.matches(stored_notebook(page.root, record, results)):
        if applies(sidecar, record, digest):
            return State(sidecar=sidecar)
    name = carry_path(results, record.profile, record.chapter, record.page).name
    return State([*reasons, f"{name} does not carry it to the present state"])


def lacking(state: State, claims: Iterable[Claim]) -> list[str]:
    """Return in what a run in ``state`` does not speak for the present book: its reasons or, where it is carried,
    one line that names those of its ``claims`` that a clock measured.
    """
    timed = [claim.id for claim in claims if claim.clock] if state.word == CARRIED else []
    return [*state.reasons, *([f"{', '.join(timed)}: {CLOCK}"] if timed else [])]


def carried(sidecar: Sidecar) -> dict[str, Any]:
    """Return a carry as plain data: its date, the commit of the run's own code, the commit it was carried to."""
    return {"date": sidecar.date, "from": sidecar.before["commit"], "to": sidecar.after["commit"]}


def carried_words(record: Record, sidecar: Sidecar) -> str:
    """Return the carry in words: its date and commit after those of the run itself."""
    before, after = sidecar.before["commit"][:9], sidecar.after["commit"][:9]
    more = " with local changes" if sidecar.after["dirty"] else ""
    return f"run of {record.started[:10]} at {before}, carried on {sidecar.date[:10]} to {after}{more}"
