"""Sidecars: the JSON beside a record that says to which later state of the library its run was carried."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from companion.errors import RunError
from companion.evidence.record import Record, stored_fields
from companion.root import carry_path
from companion.text import write_text

__all__ = ["SCHEMA", "Sidecar", "applies", "load_sidecar", "read_sidecar", "record_hash", "write_sidecar"]

SCHEMA = 1
"""Version of the sidecar's layout."""
SIDES = {"before": "from", "after": "to"}
"""What the fields are called in the file; one is a word of Python."""


@dataclass(frozen=True)
class Sidecar:
    """One record, carried: by what test, from which state of the library to which.

    ``before`` has ``digest`` and ``commit``, ``after`` ``digest``, ``commit`` and ``dirty``. ``symbols`` changed
    between them; ``exempt`` are the changed lines that can only raise and that were not executed. ``smoke`` has
    the hashes of the two notebooks that were equal, ``compared`` how much was (checks, notes, outputs, figures)
    and how many ``lines`` of the library today's code executed.
    """

    page: str
    profile: str
    record_sha256: str
    notebook_sha256: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    symbols: list[str]
    exempt: list[str]
    smoke: Mapping[str, str]
    compared: Mapping[str, int]
    machine: str
    versions: Mapping[str, str]
    date: str

    def json(self) -> str:
        """Return the sidecar as JSON text that ends in a newline."""
        data = {SIDES.get(item.name, item.name): getattr(self, item.name) for item in fields(self)}
        return json.dumps({"schema": SCHEMA, **data}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


_TEXTS = ("page", "profile", "record_sha256", "notebook_sha256", "machine", "date")
_MAPPINGS: dict[str, dict[str, type]] = {
    "from": {"digest": str, "commit": str},
    "to": {"digest": str, "commit": str, "dirty": bool},
    "smoke": {"from": str, "to": str},
    "compared": dict.fromkeys(("checks", "notes", "outputs", "figures", "lines"), int),
}
_LISTS = ("symbols", "exempt")


def read_sidecar(path: Path) -> Sidecar:
    """Return the sidecar stored at ``path``; raise :class:`RunError` where it is none of this layout."""
    names = (*_TEXTS, *_MAPPINGS, *_LISTS, "versions")
    data = stored_fields(path, "a sidecar", SCHEMA, names, whole="the sidecar of a record")
    for name, words in _odd(data):
        raise RunError(f"{path.name}: expected {words} for {name}, found {data[name]!r:.60}")
    return Sidecar(**{**{field: data.pop(key) for field, key in SIDES.items()}, **data})


def _odd(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and expectation of every value that is of another type than the layout says."""
    found = [(name, "text") for name in _TEXTS if not isinstance(data[name], str)]
    for name in _LISTS:
        if not isinstance(data[name], list) or not all(isinstance(item, str) for item in data[name]):
            found.append((name, "a list of texts"))
    for name in (*_MAPPINGS, "versions"):
        item = data[name]
        kinds = _MAPPINGS.get(name) or (dict.fromkeys(item, str) if isinstance(item, dict) else None)
        if not isinstance(item, dict) or {key: type(value) for key, value in item.items()} != kinds:
            found.append((name, f"a mapping of {', '.join(kinds or ['texts'])}"))
    if not found:
        try:
            datetime.fromisoformat(data["date"])
        except ValueError:
            found.append(("date", "a date"))
    return found


def load_sidecar(results: Path, record: Record) -> Sidecar | None:
    """Return the sidecar beside ``record`` below ``results``, or None."""
    path = carry_path(results, record.profile, record.chapter, record.page)
    return read_sidecar(path) if path.is_file() else None


def write_sidecar(path: Path, sidecar: Sidecar) -> None:
    """Write ``sidecar`` at ``path``, as a whole or not at all."""
    write_text(path, sidecar.json())


def record_hash(record: Record) -> str:
    """Return the SHA-256 of a record's text as it is written, whatever line ends its file has."""
    return hashlib.sha256(record.json().encode()).hexdigest()


def applies(sidecar: Sidecar, record: Record, digest: str) -> bool:
    """Tell whether ``sidecar`` carries ``record`` to ``digest``, the page's present fingerprint."""
    return (
        (sidecar.page, sidecar.profile) == (record.page_id, record.profile)
        and sidecar.record_sha256 == record_hash(record)
        and sidecar.before["digest"] == record.fingerprint.get("digest")
        and sidecar.after["digest"] == digest
    )
