"""What numbers may differ by on another machine: ``book/<chapter>/machines.yml``, stated per claim and note.

Where processor and versions are those of the record, nothing may differ; then this file is not asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from companion.documents import read_document, schema_problems
from companion.errors import DocumentError
from companion.judging import Checked
from companion.machine import device_line, threads_of, versions
from companion.record import Record

__all__ = ["Allowance", "Allowances", "load_allowances", "machines_path", "same_machine"]


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


def machines_path(root: Path, chapter: str) -> Path:
    """Return the chapter's file."""
    return root / "book" / chapter / "machines.yml"


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


def same_machine(record: Record, environment: Mapping[str, Any] | None = None) -> bool:
    """Tell whether processor and versions of today are those of a record, whose number of threads the kernel is
    given (``environment`` holds other values of ``device`` and ``versions``, for tests).
    """
    device = device_line(str(record.parameters.get("device", "cpu")), threads_of(record.device))
    now = {"device": device, "versions": versions(), **(environment or {})}
    installed: Mapping[str, str] = now["versions"]
    return now["device"] == record.device and all(
        installed.get(name) == version for name, version in record.versions.items() if name != "contdepth")
