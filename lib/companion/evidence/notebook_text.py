"""What stands in notebooks, as text: cells, outputs, and the patterns that replace machine traces."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "OVERWRITTEN",
    "PATTERNS",
    "PICTURE",
    "WIDGET",
    "Notebook",
    "Patterns",
    "code_cells",
    "patterns_of",
    "read_patterns",
    "sanitised",
    "text_of",
]

PATTERNS = "tests/nbval.cfg"
"""The file, below the root, that nbval sanitises with."""
PICTURE = "image/"
"""How the types of pictures begin."""
WIDGET = "application/vnd.jupyter.widget-view+json"
OVERWRITTEN = re.compile(r"^.*\r(?=[^\n])", re.MULTILINE)
"""What a carriage return lets the rest of a line replace."""

Patterns = Sequence[tuple[str, str]]
Notebook = Mapping[str, Any]


def read_patterns(text: str) -> list[tuple[str, str]]:
    """Return the pairs of ``regex:`` and ``replace:`` lines of a file that nbval sanitises with."""
    return re.findall(r"^regex: (.*)$\n^replace: (.*)$", text, re.MULTILINE)


def patterns_of(root: Path) -> list[tuple[str, str]]:
    """Return the pairs of the repository's own file; none where it has no such file."""
    file = root / PATTERNS
    return read_patterns(file.read_text(encoding="utf-8")) if file.is_file() else []


def code_cells(notebook: Notebook) -> list[Mapping[str, Any]]:
    """Return the code cells in order."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


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
