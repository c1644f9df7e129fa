"""What the register keeps of the ledgers: for every claim, page, table, source and departure a hash of all that a
reader relies on, and one of everything that loosens a comparison.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from companion.book.ledger import (
    Claim,
    Departure,
    Expectation,
    Headline,
    Ledger,
    Reported,
    Scale,
    Source,
    Table,
)
from companion.book.pages import Page
from companion.clocks import CLOCK_TAG
from companion.evidence.machines import load_allowances, machines_path
from companion.evidence.verdict import Region

__all__ = ["DOTTED", "KINDS", "Key", "chapter_of", "entries", "hash_of"]

Item = Claim | Page | Table | Source | Departure | Headline | Scale
Key = tuple[str, str]
"""What an entry is, and its id in the book: ``("claim", "schemes.order.heun")``, ``("table", "schemes/A-1")``."""
KINDS = ("claim", "page", "table", "source", "departure", "clock", "machines", "headline", "scale")
"""What can be registered: ``clock`` stands for the cells of a page whose digits are not compared, ``machines`` for
what a chapter's numbers may differ by on another machine, ``scale`` for how large runs are beside the paper's.
"""
DOTTED = ("claim", "headline")
"""Kinds whose ids begin with the chapter and a dot."""
DIGITS = 16
"""Number of hexadecimal digits of a hash."""


def entries(ledgers: Iterable[Ledger], pages: Iterable[Page]) -> dict[Key, str]:
    """Return the hash of every entry: those of the ledgers in their order, then the pages.

    Raises :class:`DocumentError` where a chapter's ``machines.yml`` breaks its rules.
    """
    found = {}
    for ledger in ledgers:
        root = ledger.root
        if machines_path(root, ledger.chapter).is_file():
            stated = load_allowances(root, ledger.chapter).entries
            found["machines", f"{ledger.chapter}/numbers"] = _hash(
                {f"{name} ({profile})": vars(allowed) for (profile, name), allowed in stated.items()}
            )
        for what, items in (
            ("claim", ledger.claims),
            ("table", ledger.tables),
            ("source", ledger.sources.values()),
            ("departure", ledger.departures),
            ("headline", ledger.headlines),
            ("scale", ledger.scales.values()),
        ):
            for item in items:
                name = item.key if isinstance(item, Source) else item.name if isinstance(item, Scale) else item.id
                found[what, name if what in DOTTED else f"{ledger.chapter}/{name}"] = hash_of(item)
    for page in pages:
        found["page", page.id] = hash_of(page)
        if clocks := [
            cell.source.strip() for cell in page.notebook().cells if CLOCK_TAG in cell.metadata.get("tags", ())
        ]:
            found["clock", page.id] = _hash(clocks)
    return found


def chapter_of(key: Key) -> str:
    """Return the chapter that an entry belongs to."""
    what, id = key
    return id.partition("." if what in DOTTED else "/")[0]


def hash_of(item: Item) -> str:
    """Return the first digits of the SHA-256 of the entry's content as canonical JSON.

    Regions count as sets of numbers, whatever keys of the ledger gave them. Fields are named one by one: one that
    a later version of the ledger's format adds does not change the hash of entries that leave it out.
    """
    return _hash(dict(_content(item)))


def _hash(content: object) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _content(item: Item) -> Iterator[tuple[str, Any]]:
    names: tuple[str, ...]
    if isinstance(item, Claim):
        names = ("id", "statement", "where", "origin", "kind", "page", "unit", "clock")
        yield "paper", _reported(item.paper)
        yield "independent", _reported(item.independent)
        later = {
            "construction": item.construction,
            "code": _reported(item.code),
            "earlier": _reported(item.earlier),
        }
        yield from ((name, value) for name, value in later.items() if value)
        if item.trained and item.kind != "training":
            yield "trained", True
        yield "expect", {profile: _expectation(expect) for profile, expect in item.expect.items()}
    elif isinstance(item, Page):
        names = ("id",)
        yield "profiles", {profile: setting.not_attempted is None for profile, setting in item.settings.items()}
    elif isinstance(item, Table):
        names = ("id", "title", "columns", "source", "verified", "note", "publish")
        yield "rows", [[(cell.value, cell.verified, cell.source) for cell in row] for row in item.rows]
    elif isinstance(item, Source):
        names = ("key", "text", "url")
    elif isinstance(item, Scale):
        names = ("name", "note")
        yield "parts", dict(item.parts)
    elif isinstance(item, Headline):
        names = ("id", "text", "scale", "claims", "beside", "why")
        yield "paper", _reported(item.paper)
    else:
        names = ("id", "what", "paper", "ours", "why", "who")
    if work := getattr(item, "work", ""):
        yield "work", work
    yield from ((name, getattr(item, name)) for name in names)


def _reported(figure: Reported | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    later = {"range": figure.range, "why": figure.why}
    return {
        **{name: getattr(figure, name) for name in ("value", "text", "verified", "source")},
        **{name: value for name, value in later.items() if value},
    }


def _expectation(expect: Expectation) -> dict[str, Any]:
    words = {name: getattr(expect, name) for name in ("reason", "accepted", "verdict", "cost", "why")}
    later = {name: getattr(expect, name) for name in ("scale", "trainings", "trials")}
    words |= {name: value for name, value in later.items() if value is not None}
    return {**words, "support": _region(expect.support), "refute": _region(expect.refute)}


def _region(region: Region | None) -> list[Any] | None:
    return None if region is None else region.key()
