"""Two executed notebooks of one page, equal to the bit: values, notes, texts and figures, all but clocks."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from companion.clocks import CLOCK_TAG, clock_note
from companion.evidence.notebook_text import (
    OVERWRITTEN,
    PICTURE,
    WIDGET,
    Notebook,
    Patterns,
    code_cells,
    sanitised,
    text_of,
)
from companion.rerun.printed import skeleton

__all__ = ["Compared", "compare"]

Part = tuple[str, str]
MEASURED = "measured by a clock"
"""What stands for such a value, on both sides."""
PICTURES = (PICTURE, "picture ")
"""How the kinds of pictures begin: their bytes, or the hash that stands for them."""
CONTEXT = 40
"""How many letters a message shows on either side of the first that differs."""


@dataclass(frozen=True)
class Compared:
    """How much of two notebooks was compared, and the first difference in words, or None."""

    checks: int
    notes: int
    outputs: int
    figures: int
    difference: str | None


def compare(before: Notebook, now: Notebook, patterns: Patterns = (), clocks: Collection[str] = ()) -> Compared:
    """Return what two runs of one page have in common, cells paired by position.

    Left out are the claims ``clocks``, notes whose name says that they are times, pictures, notes and printed
    numbers of cells tagged ``clock``, and in texts what the ``patterns`` match. The tags of ``now`` count.
    """
    counts = dict.fromkeys(("check", "note", "output", "figure"), 0)
    for number, pair in enumerate(zip_longest(code_cells(before), code_cells(now)), 1):
        if None in pair:
            return _compared(counts, f"code cell {number}: expected it in both runs, found it in one")
        tags = pair[1]["metadata"].get("tags", ())
        sides = [list(_parts(cell, tags, patterns, clocks)) for cell in pair]
        for old, new in zip_longest(*sides):
            if old != new:
                return _compared(counts, f"code cell {number}, {_words(old, new)}")
        for kind, _ in sides[0]:
            word = kind.partition(" ")[0]
            counts[word if word in ("check", "note") else "output"] += 1
            counts["figure"] += kind.startswith(PICTURES)
    return _compared(counts, None)


def _compared(counts: Mapping[str, int], difference: str | None) -> Compared:
    return Compared(counts["check"], counts["note"], counts["output"], counts["figure"], difference)


def _parts(
    cell: Mapping[str, Any], tags: Collection[str], patterns: Patterns, clocks: Collection[str]
) -> Iterator[Part]:
    """Yield kind and text of all that ``cell`` shows or stores, in order; a stream is one, where it begins."""
    clocked = CLOCK_TAG in tags
    streams: dict[str, str] = {}
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + text_of(output["text"])
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            if output["name"] in streams:
                text = sanitised(OVERWRITTEN.sub("", streams.pop(output["name"])), patterns)
                yield output["name"], skeleton(text) if clocked else text
        elif output["output_type"] == "error":
            yield "error", f"{output['ename']}: {output['evalue']}"
        else:
            for kind, text in _shown(output, patterns, clocks):
                yield kind, _timed(kind, text) if clocked else text


def _timed(kind: str, text: str) -> str:
    """Return what is left of an output of a cell that shows times."""
    if kind.startswith((*PICTURES, "note ")):
        return MEASURED
    return text if kind.startswith("check ") else skeleton(text)


def _shown(output: Mapping[str, Any], patterns: Patterns, clocks: Collection[str]) -> Iterator[Part]:
    metadata = dict(output.get("metadata", {}))
    payload = dict(metadata.pop("companion", {}))
    check, note = payload.pop("check", None), payload.pop("note", None)
    if check is not None and check["claim"] in clocks:
        yield f"check {check['claim']}", MEASURED
        return
    if check is not None:
        yield f"check {check['claim']}", _exact(check)
    if note is not None:
        yield f"note {note['name']}", MEASURED if clock_note(note["name"]) else _exact(note)
    pictures = payload.pop("pictures", {})
    for name, value in sorted(pictures.items()) if isinstance(pictures, dict) else [("hashes", pictures)]:
        yield f"picture {name}", _exact(value)
    for kind, value in sorted(output["data"].items()):
        if kind != WIDGET:
            yield kind, text_of(value) if kind.startswith(PICTURE) else sanitised(text_of(value), patterns)
    if rest := {**metadata, **payload}:
        yield "metadata", _exact(rest)


def _exact(value: object) -> str:
    """Return ``value`` as JSON, in which equal text means floats equal to the bit."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _words(old: Part | None, new: Part | None) -> str:
    if old is None or new is None or old[0] != new[0]:
        return "its own code gives {}, today's {}".format(*(part[0] if part else "nothing" for part in (old, new)))
    if old[0].startswith(PICTURES):
        return f"{old[0]}: its own code and today's give other bytes"
    place = next((k for k, pair in enumerate(zip(old[1], new[1], strict=False)) if pair[0] != pair[1]), None)
    start = max(0, (min(len(old[1]), len(new[1])) if place is None else place) - CONTEXT)
    cut = [repr(f"{'…' if start else ''}{part[1][start : start + 2 * CONTEXT]}") for part in (old, new)]
    return f"{old[0]}: its own code gives {cut[0]}, today's {cut[1]}"
