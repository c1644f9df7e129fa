"""What on a page would not be run, end the run, escape nbval's comparison or switch it off: refused before
anything is run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from companion.book.pages import Page
from companion.book.sourcecode import parse_cell
from companion.evidence.notebook_text import text_of

__all__ = ["escapes"]

TAGS = re.compile(r"nbval-.*|pytest-validate-.*|raises-exception|skip-execution")
"""Tags by which nbval and nbclient leave out a cell or its outputs."""
MARKERS = re.compile(r"^\s*#+\s*((?:NBVAL|PYTEST_VALIDATE)_[A-Z_]+)\s*$", re.MULTILINE)
"""Comments that nbval takes for such tags."""
CALLS = {"clear_output", "update_display", "DisplayHandle"}
"""What takes outputs back or changes those of an earlier cell, which nbval does not follow (0.11.0)."""
HANDLE = "display_id"
ENDS = {ast.Name: ("exit", "quit", "_exit"), ast.Attribute: ("_exit", "ask_exit")}
"""Names and attributes that end a kernel, at once or after the cell: no cell fails."""


def escapes(page: Page) -> list[str]:
    """Return a sentence for each place of ``page`` where a comparison would be switched off or escaped, or code
    would not be run.

    Raises :class:`PageError` where the page cannot be read.
    """
    cells = [cell for cell in page.notebook().cells if cell.cell_type == "code"]
    found = [
        f"page {page.id}, code cell {number}: expected {line}"
        for number, cell in enumerate(cells, 1)
        for line in _of_cell(cell)
    ]
    if page.source.with_name("matplotlibrc").exists():
        found.append(f"page {page.id}: expected Matplotlib's own settings, found a file matplotlibrc beside it")
    return found


def _of_cell(cell: Mapping[str, Any]) -> Iterator[str]:
    source = text_of(cell["source"])
    for tag in cell["metadata"].get("tags", ()):
        if TAGS.fullmatch(tag):
            yield f"every output to be compared, found the tag {tag}; tag a cell that shows measured times clock"
    if "load" in cell["metadata"]:
        yield f"code that stands on the page, found :load: {cell['metadata']['load']}, which is not read"
    for marker in MARKERS.findall(source):
        yield f"every output to be compared, found the comment {marker}"
    try:
        tree = parse_cell(source)
    except SyntaxError:
        return  # the fingerprint tells of it
    for node in ast.walk(tree):
        name = getattr(node, "attr", getattr(node, "id", ""))
        if name in ENDS.get(type(node), ()):
            yield f"the page to run to its end, found {name}, which ends the kernel"
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in CALLS:
                yield f"outputs that stay as they were shown, found a call of {name}"
            elif any(keyword.arg == HANDLE for keyword in node.keywords):
                yield f"outputs that stay as they were shown, found {HANDLE}= in a call of {name}"
