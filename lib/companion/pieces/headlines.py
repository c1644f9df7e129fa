"""How far the headlines of the papers are at the paper's scale: pieces done, needed, and the minutes left."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from companion.pieces.piece import Group
from companion.pieces.plan import all_groups
from companion.pieces.state import Count, count

__all__ = ["HeadlineCount", "as_json", "as_lines", "headline_counts", "minutes_words"]


@dataclass(frozen=True)
class HeadlineCount:
    """One headline (or, without one, one page) with the groups that belong to it and how far they are."""

    headline: str
    groups: tuple[Group, ...]
    count: Count

    @property
    def claims(self) -> tuple[str, ...]:
        """The claims that the groups decide, each once."""
        return tuple(dict.fromkeys(claim for group in self.groups for claim in group.claims))


def headline_counts(root: Path, groups: Iterable[Group] | None = None) -> list[HeadlineCount]:
    """Return how far each headline is, in the order of the plans; ``groups`` default to all of the book."""
    found: dict[str, list[Group]] = {}
    for group in all_groups(root) if groups is None else groups:
        found.setdefault(group.headline or f"page {group.page_id}", []).append(group)
    return [HeadlineCount(name, tuple(mine), count(root, mine)) for name, mine in found.items()]


def minutes_words(minutes: dict[str, float]) -> str:
    """Return the minutes left by device in words: ``12 min of an H200, 3 h of one core``; ``none`` for none."""
    words = {"cuda": "an H200", "cpu": "one core"}
    told = [f"{_time(minutes[kind])} of {words[kind]}" for kind in words if minutes.get(kind)]
    return ", ".join(told) or "none"


def _time(minutes: float) -> str:
    return f"{minutes / 60:.1f} h" if minutes >= 120 else f"{minutes:.0f} min" if minutes >= 1 else "1 min"


def as_lines(rows: Sequence[HeadlineCount]) -> list[str]:
    """Return the table as lines of text."""
    head = ("headline", "done", "needed", "left")
    told = [
        (row.headline, str(row.count.done), str(row.count.needed), minutes_words(row.count.minutes))
        for row in rows
    ]
    widths = [max(len(line[place]) for line in [head, *told]) for place in range(3)]
    return [
        f"{name:<{widths[0]}}  {done:>{widths[1]}}  {needed:>{widths[2]}}  {left}"
        for name, done, needed, left in [head, *told]
    ]


def as_json(rows: Sequence[HeadlineCount]) -> str:
    """Return the table as a JSON list: headline, claims, groups, done, needed, minutes left by device."""
    return json.dumps(
        [
            {
                "headline": row.headline,
                "claims": list(row.claims),
                "groups": [group.id for group in row.groups],
                "done": row.count.done,
                "needed": row.count.needed,
                "minutes": row.count.minutes,
            }
            for row in rows
        ],
        indent=1,
        ensure_ascii=False,
    )
