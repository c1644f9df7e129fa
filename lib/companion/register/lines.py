"""The register: a list to which lines are only added, one for each time that an entry of the ledgers was added,
revised or retired, with a hash of its content and, but for additions, the reason.

It makes changes visible, not impossible: nothing is signed, and whoever rewrites the history of the repository can
rewrite the register with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from companion.errors import CompanionError, nearest
from companion.register.entries import KINDS, Key, chapter_of
from companion.root import register_path
from companion.text import read_text, write_text

__all__ = ["ADDED", "EVENTS", "LABEL", "RETIRED", "REVISED", "Line", "append", "mismatches", "pending", "read"]

LABEL = "book/register.tsv"
FIELDS = ("date", "event", "what", "id", "hash", "reason")
EVENTS = ADDED, REVISED, RETIRED = ("added", "revised", "retired")
NOTHING = "-"
"""Stands for the reason of an addition."""


@dataclass(frozen=True)
class Line:
    """One line: what happened to an entry, when, and why; a retirement repeats the hash of what was retired."""

    date: str
    event: str
    what: str
    id: str
    hash: str
    reason: str = ""

    @property
    def key(self) -> Key:
        """What the line is about."""
        return self.what, self.id

    def __str__(self) -> str:
        return "\t".join((self.date, self.event, self.what, self.id, self.hash, self.reason or NOTHING))


def read(root: Path, *, joining: bool = False) -> tuple[list[Line], list[str]]:
    """Return the lines of the register of the book at ``root`` that are well formed, and a sentence for each that
    is not, or that cannot follow those before it.

    Two branches may both have added an entry: once they are joined, a line that revises it says what it became.
    With ``joining`` that line is about to be written.
    """
    path = register_path(root)
    if not path.is_file():
        return [], [f"{LABEL}: expected the register, found nothing; write it with: companion register"]
    head, *rest = read_text(path).removesuffix("\n").split("\n")
    lines: list[Line] = []
    problems: list[tuple[str, Key | None]] = []  # with the entry, where a line that revises it is the remedy
    last: dict[Key, Line] = {}
    if head != "\t".join(FIELDS):
        names = f"expected the names {', '.join(FIELDS)} between tabs, found {head!r:.80}"
        problems.append((f"{LABEL}:1: {names}", None))
    for number, text in enumerate(rest, 2):
        line = _parse(text)
        if isinstance(line, str):
            problems.append((f"{LABEL}:{number}: {line}", None))
            continue
        said = _out_of_turn(line, last.get(line.key))
        if said:
            problems.append((f"{LABEL}:{number}: {said}", line.key if line.event == ADDED else None))
        elif line.event == REVISED:
            problems = [problem for problem in problems if problem[1] != line.key]
        lines.append(line)
        last[line.key] = line
    return lines, [problem for problem, key in problems if key is None or not joining]


def _parse(text: str) -> Line | str:
    """Return the line, or what is wrong with it."""
    parts = text.split("\t")
    if len(parts) != len(FIELDS):
        return f"expected {len(FIELDS)} fields between tabs ({', '.join(FIELDS)}), found {len(parts)}"
    day, event, what, id, hash, reason = parts
    line = Line(day, event, what, id, hash, "" if reason == NOTHING else reason)
    try:
        date.fromisoformat(line.date)
    except ValueError:
        return f"expected a date like 2026-05-04, found {line.date!r:.40}"
    for name, found, known in (("event", line.event, EVENTS), ("kind", line.what, KINDS)):
        if found not in known:
            return f"expected the {name} {' or '.join(known)}, found {found!r:.40}{nearest(found, known)}"
    if not re.fullmatch(r"[0-9a-f]{16}", line.hash):
        return f"expected a hash of 16 hexadecimal digits, found {line.hash!r:.40}"
    if not line.id or (line.event != ADDED and not line.reason.strip()):
        return f"expected {'a reason' if line.id else 'an id'}, found none"
    return line


def _out_of_turn(line: Line, before: Line | None) -> str | None:
    """Return why a line cannot follow the one ``before`` it about the same entry, or None."""
    present = before if before is not None and before.event != RETIRED else None
    name = f"{line.what} {line.id}"
    if line.event == ADDED:
        hint = "; where two branches added it, a line that revises it says why"
        again = present is not None and present.hash != line.hash
        return f"expected {name} to be added once, found it added again{hint}" if again else None
    if not present:
        return f"expected {name} to be added before it is {line.event}, found no such line"
    if line.event == RETIRED and line.hash != present.hash:
        return f"expected the hash of what is retired, {present.hash}, found {line.hash}"
    if line.event == REVISED and line.hash == present.hash:
        return f"expected another hash than before, found {line.hash} again"
    return None


def mismatches(lines: Iterable[Line], present: Mapping[Key, str], chapter: str | None = None) -> list[str]:
    """Return one sentence for each entry that the ledgers have and the register does not, or the other way round,
    or whose content is not the one registered last; of one chapter or of all.
    """
    last = {line.key: line for line in lines}
    found = []
    for event, key, hash in _changes(last, present):
        what, id = key
        if chapter not in (None, chapter_of(key)):
            continue
        if event == RETIRED:
            found.append(
                f"{what} {id}: expected it in the book, or a line of {LABEL} that retires it, found neither; put "
                f'it back, or say why it went: companion register --reason "…" {id}'
            )
        elif event == REVISED:
            found.append(
                f"{what} {id}: expected what {LABEL} has of {last[key].date} (hash {last[key].hash}), found "
                f"another content (hash {hash}); put it back, or say why it changed: "
                f'companion register --reason "…" {id}'
            )
        elif key in last:
            found.append(
                f"{what} {id}: expected it gone, since {LABEL} retires it on {last[key].date}, found it "
                f"again; put it on record: companion register {id}"
            )
        else:
            found.append(f"{what} {id}: expected a line in {LABEL}, found none; add it: companion register {id}")
    return found


def _changes(last: Mapping[Key, Line], present: Mapping[Key, str]) -> Iterator[tuple[str, Key, str]]:
    """Yield what a line is missing for: the event, the entry and its hash."""
    for key, hash in present.items():
        if key not in last or last[key].event == RETIRED:
            yield ADDED, key, hash
        elif last[key].hash != hash:
            yield REVISED, key, hash
    for key, line in last.items():
        if key not in present and line.event != RETIRED:
            yield RETIRED, key, line.hash


def pending(
    lines: Iterable[Line],
    present: Mapping[Key, str],
    reason: str = "",
    ids: Collection[str] = (),
    today: date | None = None,
) -> list[Line]:
    """Return the lines that are missing for what the book now has, all or those of ``ids``.

    Raises :class:`CompanionError` for an id that neither the book nor the register has, for a reason that is no
    single line, and where an entry was revised or retired and no reason is given.
    """
    last = {line.key: line for line in lines}
    known = {id for _, id in {**last, **present}}
    for id in ids:
        if id not in known:
            raise CompanionError(
                f"register: expected an id of the book or of {LABEL}, found {id!r}{nearest(id, known)}"
            )
    reason = reason.strip()
    if reason == NOTHING or re.search(r"[\t\r\n\v\f\x1c-\x1e\x85\u2028\u2029]", reason):
        raise CompanionError(f"--reason: expected a sentence on one line and without tabs, found {reason!r}")
    chosen = [change for change in _changes(last, present) if not ids or change[1][1] in ids]
    unsaid = [f"{id} ({event})" for event, (_, id), _ in chosen if event != ADDED]
    if unsaid and not reason:
        more = f" and {len(unsaid) - 5} more" if len(unsaid) > 5 else ""
        raise CompanionError(
            f"--reason: expected why {', '.join(unsaid[:5])}{more}, found none; say it: "
            'companion register --reason "…"'
        )
    day = (today or date.today()).isoformat()
    return [Line(day, event, *key, hash, "" if event == ADDED else reason) for event, key, hash in chosen]


def append(root: Path, lines: Iterable[Line]) -> None:
    """Add lines at the end of the register; the first ones begin it."""
    path = register_path(root)
    before = read_text(path) if path.is_file() else "\t".join(FIELDS) + "\n"
    write_text(path, before + "".join(f"{line}\n" for line in lines))
