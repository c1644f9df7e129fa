"""What numbers may differ by on another machine: ``book/<chapter>/machines.yml``, stated per claim and note.

Where processor and versions are those of the record, nothing may differ; then this file is not asked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from companion.book.ledger import Ledger
from companion.book.pages import load_pages
from companion.clocks import CLOCK_TAG, clock_note
from companion.documents import read_document, schema_problems
from companion.errors import DocumentError
from companion.evidence.judging import Checked
from companion.evidence.notebook_text import code_cells
from companion.evidence.record import Record, load_record, noted, stored_notebook
from companion.machine import device_line, threads_of, versions
from companion.root import chapter_folder

__all__ = ["Allowance", "Allowances", "compared", "load_allowances", "machines_path", "same_machine", "unstated"]


@dataclass(frozen=True)
class Allowance:
    """How far a number may lie from the stored one: relative to it, absolutely, or, for the mean over seeds, in
    half-widths of the stored interval (``spread``).
    """

    relative: float = 0.0
    absolute: float = 0.0
    spread: float = 0.0

    def __str__(self) -> str:
        words = {"relative": "relatively", "absolute": "absolutely", "spread": "of the interval's half-width"}
        given = [f"{value:g} {words[key]}" for key, value in vars(self).items() if value]
        return " or ".join(given) or "nothing"

    def admits(self, stored: float, fresh: float) -> bool:
        """Tell whether ``fresh`` is near enough to ``stored``; ``spread`` does not count here."""
        return math.isclose(stored, fresh, rel_tol=self.relative, abs_tol=self.absolute)

    def admits_checks(self, stored: Checked, fresh: Checked) -> bool:
        """Tell whether a judged claim is near enough to the stored one: every number that was given, or with
        ``spread`` the mean, and the interval's width within a factor of ``1 + spread``.
        """
        if not self.spread or stored.interval is None or fresh.interval is None:
            pairs = zip(_numbers(stored), _numbers(fresh), strict=False)
            return _alike(stored, fresh) and all(self.admits(old, new) for old, new in pairs)
        before, now = ((high - low) / 2 for low, high in (stored.interval, fresh.interval))
        near = abs(stored.value - fresh.value) <= self.spread * before or self.admits(stored.value, fresh.value)
        widest = (1 + self.spread) * before
        return _alike(stored, fresh) and near and (now <= widest or self.admits(before, now))


def _numbers(check: Checked) -> list[float]:
    return [*(check.values or (check.value,)), *(check.baseline or ())]


def _alike(stored: Checked, fresh: Checked) -> bool:
    """Tell whether both were given as many numbers, for the same seeds."""
    return stored.seeds == fresh.seeds and len(_numbers(stored)) == len(_numbers(fresh))


@dataclass(frozen=True)
class Allowances:
    """All of a chapter's, by profile and name: claims by their id, notes as ``page#name``."""

    label: str
    entries: Mapping[tuple[str, str], Allowance]

    def of(self, profile: str, name: str) -> Allowance | None:
        """Return what ``name`` may differ by at ``profile``; None where nothing is stated."""
        return self.entries.get((profile, name))

    def unstated(self, profile: str, name: str) -> str:
        """Return the sentence for a number for which nothing is stated."""
        return f"{self.label}: expected what {name} ({profile}) may differ by on another machine, found nothing"


def machines_path(root: Path, chapter: str) -> Path:
    """Return the chapter's file."""
    return chapter_folder(root, chapter) / "machines.yml"


def load_allowances(root: Path, chapter: str) -> Allowances:
    """Return what the chapter's file states; raise :class:`DocumentError` where it breaks its rules, names
    something twice, or there is none.
    """
    path = machines_path(root, chapter)
    label = path.relative_to(root).as_posix()
    document = read_document(path, label)
    problems = list(schema_problems(document, "machines"))
    if problems:
        raise DocumentError(problems)
    entries: dict[tuple[str, str], Allowance] = {}
    for group in document.data["tolerances"]:
        given = {key: float(group[key]) for key in ("relative", "absolute", "spread") if key in group}
        for profile, names in group["numbers"].items():
            for name in names:
                if (profile, name) in entries:
                    problems.append(f"{label}: expected each number once, found {name} ({profile}) twice")
                entries[profile, name] = Allowance(**given)
    if problems:
        raise DocumentError(problems)
    return Allowances(label, entries)


def same_machine(record: Record) -> bool:
    """Tell whether processor and versions of today are those of a record, whose number of threads the kernel is
    given.
    """
    device = device_line(str(record.parameters.get("device", "cpu")), threads_of(record.device))
    installed = versions()
    return device == record.device and all(
        installed.get(name) == version for name, version in record.versions.items() if name != "contdepth"
    )


def compared(ledger: Ledger, record: Record) -> list[str]:
    """Return the numbers of a stored run for which a tolerance has to be stated: claims by their id, notes as
    ``page#name``, all but those that a clock measured.
    """
    clocks = {claim.id for claim in ledger.claims if claim.clock}
    path = stored_notebook(ledger.root, record)
    outputs = [
        output
        for cell in code_cells(json.loads(path.read_text(encoding="utf-8")))
        if CLOCK_TAG in cell["metadata"].get("tags", ())
        for output in cell["outputs"]
    ]
    timed = noted(outputs)
    return [
        *(id for id in record.checks if id not in clocks),
        *(f"{record.page}#{name}" for name in record.values if not clock_note(name) and name not in timed),
    ]


def unstated(root: Path, ledger: Ledger) -> list[str]:
    """Return a sentence for each number of the chapter's stored runs that no group of its file holds, and for each
    name in the file that no stored run has. Runs that were assembled from pieces give the same everywhere.
    """
    try:
        allowances = load_allowances(root, ledger.chapter)
    except DocumentError as error:
        return list(error.problems)
    records = [
        record
        for page in load_pages(root, ledger.chapter)
        for profile in page.settings
        if not page.asked(profile) and (record := load_record(root, profile, page.chapter, page.name))
    ]
    names = {(record.profile, name) for record in records for name in compared(ledger, record)}
    run = {(record.profile, record.page) for record in records}
    pages = {claim.id: claim.page for claim in ledger.claims}
    idle = [
        (profile, name)
        for profile, name in sorted(set(allowances.entries) - names)
        if name not in pages and "#" not in name or (profile, pages.get(name, name.partition("#")[0])) in run
    ]
    return [allowances.unstated(profile, name) for profile, name in sorted(names - set(allowances.entries))] + [
        f"{allowances.label}: expected numbers of stored runs, found {name} ({profile}), which none has"
        for profile, name in idle
    ]
