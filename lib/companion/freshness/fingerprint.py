"""Fingerprints: a hash over everything in this repository that a run's numbers depend on, and what has
changed since.

The parts are the page's code, the symbols of the library that it reaches, its parameters, the registry entries of
its data sets and, at profile paper, the keys of the pieces that it was assembled from. Where a symbol stands, how
it is imported and how it is formatted is not among them, nor is prose, nor what a claim expects: a run stores
numbers, and verdicts are derived from them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from companion.book.pages import Page
from companion.errors import CheckError, CompanionError, PageError
from companion.evidence.record import Record, stored_notebook
from companion.freshness.code.page_symbols import SHORT, PageSymbols, page_symbols
from companion.root import registry_path
from companion.text import read_text

__all__ = ["against", "fingerprint", "same_code", "stale"]


def fingerprint(
    page: Page,
    profile: str,
    overrides: Mapping[str, Any] | None = None,
    stored: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return ``{"digest": hex, "parts": {code, library, parameters, data}}`` of a page at a profile; a page that
    asks for pieces has the part ``pieces`` too: group to id to key.

    ``overrides`` are parameters that differ from the profile's. ``stored``: an earlier fingerprint, whose groups
    of pieces are looked at; default: those that are complete. Raises :class:`PageError` where the page names a
    data set that the registry does not have or a group that its plan does not have, or has a cell that is no
    Python.
    """
    return _fingerprint(page, profile, overrides, page_symbols(page, profile), stored)


def _fingerprint(
    page: Page,
    profile: str,
    overrides: Mapping[str, Any] | None,
    symbols: PageSymbols,
    stored: Mapping[str, Any] | None,
) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "code": _digest(symbols.code),
        "library": symbols.part(),
        "parameters": _digest(page.parameters(profile, overrides)),
        "data": _data(page, profile),
    }
    if page.asked(profile):
        parts["pieces"] = _pieces(page, profile, stored)
    return {"digest": _digest({**parts, "library": parts["library"]["digest"]}), "parts": parts}


def same_code(record: Record, page: Page) -> bool:
    """Tell whether the cells of ``page`` say what those of the stored run said, import lines aside."""
    try:
        return _digest(page_symbols(page, record.profile).code) == record.fingerprint.get("parts", {}).get("code")
    except CompanionError:
        return False


def stale(
    record: Record, page: Page, overrides: Mapping[str, Any] | None = None, results: Path | None = None
) -> list[str]:
    """Return the reasons, in plain words, why ``record`` no longer speaks for ``page``; empty when it is
    fresh. The arguments are those of :func:`against`.
    """
    return against(record, page, overrides, results)[0]


def against(
    record: Record, page: Page, overrides: Mapping[str, Any] | None = None, results: Path | None = None
) -> tuple[list[str], str]:
    """Return the reasons of :func:`stale` and the page's present digest; an empty one where the page has an error,
    which is a reason then.

    ``overrides``: parameters in which the run should differ from the profile's; ``results``: the folder below
    which it is stored (default: ``<root>/results``).
    """
    reasons = []
    if not record.matches(stored_notebook(page.root, record, results)):
        reasons.append("the stored notebook is not the one its record was written for")
    try:
        symbols, parameters = page_symbols(page, record.profile), page.parameters(record.profile, overrides)
        now = _fingerprint(page, record.profile, overrides, symbols, record.fingerprint)
    except CompanionError as error:
        return [*reasons, f"its present state has an error: {error}"], ""
    digest = now["digest"]
    if digest == record.fingerprint.get("digest"):
        changes = _changes(record.parameters, parameters)
        return [*reasons, *([f"its parameters are not the page's: {changes}"] if changes else [])], digest
    old, new = record.fingerprint.get("parts", {}), now["parts"]
    if old.get("code") != new["code"]:
        reasons.append("the page's code cells changed since the run")
    reasons += _library_reasons(old.get("library", {}), new["library"], symbols)
    if old.get("parameters") != new["parameters"]:
        reasons.append(_parameters_reason(record.parameters, parameters))
    reasons += _differences(
        old.get("data", {}),
        new["data"],
        "data set {} changed since the run",
        "data set {} was added since the run",
        "data set {} was dropped since the run",
    )
    reasons += _pieces_reasons(old.get("pieces", {}), new.get("pieces", {}))
    return reasons or ["its fingerprint differs from the record's"], digest


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _library_reasons(old: Mapping[str, Any], new: Mapping[str, Any], symbols: PageSymbols) -> list[str]:
    """Return which symbols changed by themselves; those that only refer to a changed one are left out."""
    if old.get("digest") == new["digest"]:
        return []
    before = _short(old.get("symbols"))
    known = set(before.values())
    changed = {symbol for symbol in symbols.symbols if symbols.library.digest(symbol)[:SHORT] not in known}
    names = {symbol: _label(symbol.module, symbol.name or f"({symbol.kind})") for symbol in symbols.symbols}
    altered = {symbol for symbol in changed if names[symbol] in before}
    first = [symbol for symbol in changed if not altered & {*symbols.library.references(symbol)} - {symbol}]
    found = []
    for symbol in sorted(first or changed):
        how = "changed" if symbol in altered else "is reached"
        found.append(f"{names[symbol]} {how} since the run")
    now = {symbols.library.digest(symbol)[:SHORT] for symbol in symbols.symbols}
    found += [
        f"{label} is no longer reached"
        for label, digest in sorted(before.items())
        if label not in names.values() and digest not in now
    ]
    return found or ["what its cells take from the library changed since the run"]


def _short(stored: object) -> dict[str, str]:
    """Return label to digest of the symbols that a record names; nothing where it has another layout."""
    modules = stored if isinstance(stored, Mapping) else {}
    return {
        _label(module, name): digest
        for module, names in modules.items()
        if isinstance(names, Mapping)
        for name, digest in names.items()
    }


def _label(module: str, name: str) -> str:
    return f"{module}:{name}"


def _data(page: Page, profile: str) -> dict[str, str]:
    names = page.setting(profile).data
    path = registry_path(page.root)
    entries = json.loads(read_text(path)) if names and path.is_file() else {}
    for name in names:
        if name not in entries:
            raise PageError(
                f"page {page.id}, data: expected a data set of {path.relative_to(page.root).as_posix()}, "
                f"found {name!r}"
            )
    return {name: _digest(entries[name]) for name in sorted(names)}


def _pieces(page: Page, profile: str, stored: Mapping[str, Any] | None) -> dict[str, dict[str, str]]:
    """Return group -> id -> key of the pieces that a page is assembled from, and of all that they need."""
    from companion.pieces.assemble import group_of, is_ready, used_keys

    names = page.asked(profile)
    try:
        groups = [group_of(page.root, page.chapter, name) for name in names]
    except CheckError as error:
        raise PageError(f"page {page.id}, {error}") from None
    before = stored.get("parts", {}).get("pieces") if stored else None
    chosen = [
        group for group in groups if (is_ready(page.root, [group]) if before is None else group.name in before)
    ]
    return {group.name: used_keys(page.root, [group]) for group in chosen}


def _pieces_reasons(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return of which groups how many pieces are not those that were used."""
    found = []
    for name, before in old.items():
        now = new.get(name, {})
        changed = sum(now.get(id) != before.get(id) for id in {*before, *now})
        if changed:
            found.append(f"pieces {name}: {changed} of {len(before)} changed since the run")
    return found


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
