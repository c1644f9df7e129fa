"""What two executed notebooks print and show, compared cell by cell; of pictures only that they are there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress, zip_longest
from typing import Any

from companion.freshness.page_symbols import speaks

__all__ = ["OVERWRITTEN", "code_cells", "compare_outputs", "read_patterns", "sanitised", "text_of"]

IGNORED = "nbval-ignore-output"
"""Tag of the cells whose outputs are not compared: they show measured times."""
PICTURE = "image/"
"""How the types of pictures begin; one that was removed is named in its output's metadata and counts alike."""
WIDGET = "application/vnd.jupyter.widget-view+json"
WIDTH = 120
OVERWRITTEN = re.compile(r"^.*\r(?=[^\n])", re.MULTILINE)
"""What a carriage return lets the rest of a line replace."""

Patterns = Sequence[tuple[str, str]]
Notebook = Mapping[str, Any]


def read_patterns(text: str) -> list[tuple[str, str]]:
    """Return the pairs of ``regex:`` and ``replace:`` lines of a file that nbval sanitises with."""
    return re.findall(r"^regex: (.*)$\n^replace: (.*)$", text, re.MULTILINE)


def compare_outputs(
    stored: Notebook, fresh: Notebook, patterns: Patterns = (), *, same_code: bool = False
) -> tuple[int, list[str]]:
    """Return how many code cells had their outputs compared, and one line for each that differs.

    Cells are paired by position; the first whose code is not the stored one ends the comparison. Where the caller
    knows that both say the same (``same_code``), the words of cells may differ, and those that hold only imports
    are left out unless they stand in the same places.
    """
    count, found = 0, []
    sides = code_cells(stored), code_cells(fresh)
    if same_code:
        speaking = [[speaks(text_of(cell["source"])) for cell in cells] for cells in sides]
        if speaking[0] != speaking[1]:
            sides = tuple(list(compress(*pair)) for pair in zip(sides, speaking, strict=True))
    for number, (before, now) in enumerate(zip_longest(*sides), 1):
        place = f"code cell {number}"
        if before is None or now is None:
            return count, [*found, f"{place}: stored {_presence(before)}, found {_presence(now)}"]
        if not same_code and (codes := [text_of(cell["source"]) for cell in (before, now)])[0] != codes[1]:
            return count, [*found, f"{place}, code: {_first_difference(*codes)}"]
        if IGNORED in before["metadata"].get("tags", ()):
            continue
        count += 1
        if line := _difference(_shown(before, patterns), _shown(now, patterns)):
            found.append(f"{place}, {line}")
    return count, found


def code_cells(notebook: Notebook) -> list[Mapping[str, Any]]:
    """Return the code cells in order."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _presence(cell: Mapping[str, Any] | None) -> str:
    return "none" if cell is None else _quoted(text_of(cell["source"]).partition("\n")[0], 0)


def _shown(cell: Mapping[str, Any], patterns: Patterns) -> list[tuple[str, str]]:
    """Return kind and text of everything that ``cell`` shows, in order; a stream is one, where it begins."""
    shown: list[tuple[str, str]] = []
    streams: dict[str, int] = {}
    for kind, text in (part for output in cell["outputs"] for part in _parts(output)):
        if kind in streams:
            shown[streams[kind]] = kind, shown[streams[kind]][1] + text
            continue
        if kind in ("stdout", "stderr"):
            streams[kind] = len(shown)
        shown.append((kind, text))
    for kind, place in streams.items():
        shown[place] = kind, OVERWRITTEN.sub("", shown[place][1])
    return [(kind, sanitised(text, patterns)) for kind, text in shown]


def _parts(output: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if output["output_type"] == "stream":
        yield output["name"], text_of(output["text"])
    elif output["output_type"] == "error":
        yield "error", f"{output['ename']}: {output['evalue']}"
    else:
        removed = output.get("metadata", {}).get("companion", {}).get("pictures", {})
        shown = {**dict.fromkeys(removed), **output["data"]}
        for kind, value in sorted(shown.items(), key=lambda item: (item[0] != "text/plain", item[0])):
            if kind != WIDGET:
                yield kind, "" if kind.startswith(PICTURE) else text_of(value)


def text_of(value: object) -> str:
    """Return a notebook's text, which is stored as a string or as its lines; other data as JSON."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def sanitised(text: str, patterns: Patterns) -> str:
    """Return ``text`` with what the patterns match replaced."""
    for regex, replacement in patterns:
        text = re.sub(regex, replacement, text)
    return text


def _difference(stored: list[tuple[str, str]], fresh: list[tuple[str, str]]) -> str | None:
    for before, now in zip_longest(stored, fresh):
        if before == now:
            continue
        if before is None or now is None or before[0] != now[0]:
            sides = [f"{part[0]} {_quoted(part[1], 0)}" if part else "nothing" for part in (before, now)]
            return "stored {}, found {}".format(*sides)
        return f"{before[0]}: {_first_difference(before[1], now[1])}"
    return None


def _first_difference(stored: str, fresh: str) -> str:
    """Return the first line that differs, from both sides."""
    lines = zip_longest(stored.split("\n"), fresh.split("\n"))
    before, now = next((before, now) for before, now in lines if before != now)
    same = next((k for k, (a, b) in enumerate(zip_longest(before or "", now or "")) if a != b), 0)
    sides = ["nothing" if line is None else _quoted(line, same) for line in (before, now)]
    return "stored {}, found {}".format(*sides)


def _quoted(line: str, place: int) -> str:
    """Return ``line`` in quotes, cut down to what lies around ``place``."""
    start = max(0, place - WIDTH // 2) if len(line) > WIDTH else 0
    end = start + WIDTH
    return repr(f"{'…' if start else ''}{line[start:end]}{'…' if end < len(line) else ''}")
