"""Versions of packages: those a record was made with, beside those that ``constraints.txt`` pins today.

They are in no fingerprint: another version makes no record stale, it makes it the first to be run again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from companion.evidence.record import Record
from companion.text import read_text

__all__ = ["other_versions", "pinned", "versions_line"]

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)


def pinned(root: Path) -> dict[str, str]:
    """Return normalised name to version of what ``<root>/constraints.txt`` pins; nothing without one."""
    path = root / "constraints.txt"
    return {_plain(name): version for name, version in _PIN.findall(read_text(path))} if path.is_file() else {}


def other_versions(record: Record, pins: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the packages that a record was made with in another version than is pinned: name to both versions.

    A local part, as in ``2.13.0+cpu``, does not count: it names a build.
    """
    return {
        name: (version, pins[_plain(name)])
        for name, version in record.versions.items()
        if _plain(name) in pins and version.partition("+")[0] != pins[_plain(name)].partition("+")[0]
    }


def versions_line(records: Iterable[Record], pins: Mapping[str, str]) -> str:
    """Return in one line how many of the stored runs were made with other versions than those of today."""
    found = {(record.page_id, record.profile): other_versions(record, pins) for record in records}
    others = [versions for versions in found.values() if versions]
    if not others:
        return f"versions  all {len(found)} stored runs were made with the versions that constraints.txt pins"
    counts: dict[str, int] = {}
    for versions in others:
        for name, (recorded, now) in versions.items():
            words = f"{name} {recorded}, pinned {now}"
            counts[words] = counts.get(words, 0) + 1
    named = "; ".join(f"{words}: {count}" for words, count in sorted(counts.items()))
    return (
        f"versions  {len(others)} of {len(found)} stored runs were made with other versions than "
        f"constraints.txt pins ({named}); companion verify --profile book runs them first"
    )


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
