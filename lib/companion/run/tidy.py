"""An executed notebook made fit to be stored: nothing in it changes from run to run but its results."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

__all__ = ["WITHOUT_PICTURES", "picture_bytes", "plain_text", "remove_pictures", "tidy"]

WITHOUT_PICTURES = ("smoke",)
"""Profiles whose own runs store no picture, only its hash: no page shows them."""
CELL_METADATA = ("papermill", "execution")
NOTEBOOK_METADATA = ("papermill", "language_info", "widgets", "jupytext")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def tidy(notebook: Any, page: str, source: str, profile: str, *, pictures: bool = True) -> Any:
    """Return ``notebook`` with timings and machine traces dropped and stable cell ids; it is changed in place.

    Without ``pictures`` only their hashes stay.

    Ids count the cells of ``source`` (the injected cell is ``injected``), so that a cell has the same id at
    every profile. The notebook's metadata gains ``companion: {source, profile}``.
    """
    index = 0
    for cell in notebook.cells:
        for key in CELL_METADATA:
            cell.metadata.pop(key, None)
        if "injected-parameters" in cell.metadata.get("tags", ()):
            cell.id = "injected"
            continue
        cell.id = f"{re.sub(r'[^A-Za-z0-9_-]', '-', page)[:56]}-{index:02d}"
        index += 1
    for key in NOTEBOOK_METADATA:
        notebook.metadata.pop(key, None)
    notebook.metadata["companion"] = {"source": source, "profile": profile}
    return notebook if pictures else remove_pictures(notebook)


def remove_pictures(notebook: Any) -> Any:
    """Return ``notebook`` with each picture of its outputs replaced, in place, by the SHA-256 of its bytes in the
    output's metadata: ``companion: {pictures: {"image/png": hex}}``.
    """
    for output in [output for cell in notebook.cells for output in cell.get("outputs", ())]:
        kinds = sorted(kind for kind in output.get("data", ()) if kind.startswith("image/"))
        if kinds:
            pictures = {kind: picture_bytes(kind, output.data.pop(kind)) for kind in kinds}
            hashes = {kind: hashlib.sha256(content).hexdigest() for kind, content in pictures.items()}
            output.metadata["companion"] = {**output.metadata.get("companion", {}), "pictures": hashes}
    return notebook


def picture_bytes(kind: str, content: str) -> bytes:
    """Return the bytes of a picture as a notebook holds it: SVG as text, all others in base 64."""
    return content.encode() if kind == "image/svg+xml" else base64.b64decode(content)


def plain_text(text: str) -> str:
    """Return ``text`` without terminal colours."""
    return _ANSI.sub("", text)
