"""Fingerprints: a hash over everything in this repository that a run's numbers depend on, and what has
changed since.

The parts are the page's code, the ``contdepth`` modules it reaches by import, its parameters and the registry
entries of its data sets. Prose, captions, comments and docstrings are not among them, nor are the ledger's regions
and kinds: a run stores numbers, and verdicts are derived from them.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from companion.errors import CompanionError, PageError
from companion.library import reached
from companion.pages import Page
from companion.record import Record, stored_notebook
from companion.root import registry_path
from companion.sourcecode import without_magics

__all__ = ["fingerprint", "stale"]


def fingerprint(page: Page, profile: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return ``{"digest": hex, "parts": {code, library, parameters, data}}`` of a page at a profile.

    ``overrides`` are parameters that differ from the profile's. Raises :class:`PageError` where the page
    names a data set that the registry does not have, or has a cell that is no Python.
    """
    cells = page.cells()
    sources = [cell.source for cell in cells]
    for number, source in enumerate(sources, 1):
        try:
            ast.parse(without_magics(source))
        except SyntaxError as error:
            raise PageError(
                f"page {page.id}, code cell {number} line {error.lineno}: expected Python, found {error.msg}"
            ) from None
    modules, names = reached(page.root, sources)
    parts = {
        "code": _digest([[cell.source.rstrip(), cell.is_parameters] for cell in cells]),
        "library": {**modules, **names},
        "parameters": _digest(page.parameters(profile, overrides)),
        "data": _data(page, profile),
    }
    return {"digest": _digest(parts), "parts": parts}


def stale(
    record: Record, page: Page, overrides: Mapping[str, Any] | None = None, results: Path | None = None
) -> list[str]:
    """Return the reasons, in plain words, why ``record`` no longer speaks for ``page``; empty when it is
    fresh.

    ``overrides``: parameters in which the run should differ from the profile's; ``results``: the folder below
    which it is stored (default: ``<root>/results``).
    """
    reasons = []
    if not record.matches(stored_notebook(page.root, record, results)):
        reasons.append("the stored notebook is not the one its record was written for")
    try:
        now, parameters = fingerprint(page, record.profile, overrides), page.parameters(record.profile, overrides)
    except CompanionError as error:
        return [*reasons, f"its present state has an error: {error}"]
    if now["digest"] == record.fingerprint.get("digest"):
        changes = _changes(record.parameters, parameters)
        return [*reasons, *([f"its parameters are not the page's: {changes}"] if changes else [])]
    old, new = record.fingerprint.get("parts", {}), now["parts"]
    if old.get("code") != new["code"]:
        reasons.append("the page's code cells changed since the run")
    reasons += _differences(
        old.get("library", {}),
        new["library"],
        "{} changed since the run",
        "{} is reached by import since the run",
        "{} is no longer reached by import",
    )
    if old.get("parameters") != new["parameters"]:
        reasons.append(_parameters_reason(record.parameters, parameters))
    reasons += _differences(
        old.get("data", {}),
        new["data"],
        "data set {} changed since the run",
        "data set {} was added since the run",
        "data set {} was dropped since the run",
    )
    return reasons or ["its fingerprint differs from the record's"]


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _data(page: Page, profile: str) -> dict[str, str]:
    names = page.setting(profile).data
    path = registry_path(page.root)
    entries = json.loads(path.read_text(encoding="utf-8")) if names and path.is_file() else {}
    for name in names:
        if name not in entries:
            raise PageError(
                f"page {page.id}, data: expected a data set of {path.relative_to(page.root).as_posix()}, "
                f"found {name!r}"
            )
    return {name: _digest(entries[name]) for name in sorted(names)}


def _differences(
    old: Mapping[str, str], new: Mapping[str, str], changed: str, added: str, dropped: str
) -> list[str]:
    return [
        (changed if name in old and name in new else added if name in new else dropped).format(name)
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _parameters_reason(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    changes = _changes(old, new)
    return "its parameters changed since the run" + (f": {changes}" if changes else "")


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    new = json.loads(json.dumps(new))
    names = [name for name in {**old, **new} if old.get(name, ...) != new.get(name, ...)]
    return ", ".join(f"{name} {old.get(name, 'unset')!r} -> {new.get(name, 'unset')!r}" for name in names)
