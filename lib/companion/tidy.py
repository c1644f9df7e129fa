"""An executed notebook made fit to be stored: nothing in it changes from run to run but its results."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["plain_text", "tidy"]

CELL_METADATA = ("papermill", "execution")
NOTEBOOK_METADATA = ("papermill", "language_info", "widgets", "jupytext")
COMPARED = "nbval-check-output"
"""Tag of the cells that nbval compares where it is lax: those that hold a check."""
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def tidy(notebook: Any, page: str, source: str, profile: str) -> Any:
    """Return ``notebook`` with timings and machine traces dropped and stable cell ids; it is changed in
    place.

    Ids count the cells of ``source`` (the injected cell is ``injected``), so that a cell has the same id at
    every profile. Cells that hold a check are tagged for nbval. The notebook's metadata gains
    ``companion: {source, profile}``.
    """
    index = 0
    for cell in notebook.cells:
        for key in CELL_METADATA:
            cell.metadata.pop(key, None)
        payloads = [output.get("metadata", {}).get("companion", {}) for output in cell.get("outputs", ())]
        if any("check" in payload for payload in payloads):
            cell.metadata["tags"] = [*cell.metadata.get("tags", ()), COMPARED]
        if "injected-parameters" in cell.metadata.get("tags", ()):
            cell.id = "injected"
            continue
        cell.id = f"{re.sub(r'[^A-Za-z0-9_-]', '-', page)[:56]}-{index:02d}"
        index += 1
    for key in NOTEBOOK_METADATA:
        notebook.metadata.pop(key, None)
    notebook.metadata["companion"] = {"source": source, "profile": profile}
    return notebook


def plain_text(text: str) -> str:
    """Return ``text`` without terminal colours."""
    return _ANSI.sub("", text)
