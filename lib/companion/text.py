"""Text files: read as Python reads its sources, whatever their line ends and with or without a byte-order mark;
written as a whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["read_text", "write_text", "write_texts"]


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file with ``\\n`` at the ends of lines and without a byte-order mark."""
    return path.read_text(encoding="utf-8-sig")


def write_text(path: Path, text: str) -> None:
    """Put ``text`` in the place of the file at ``path``, with ``\\n`` at the ends of lines on any system."""
    write_texts({path: text})


def write_texts(texts: Mapping[Path, str]) -> None:
    """Put each text in the place of the file at its path, with ``\\n`` at the ends of lines on any system; none
    before all of them are written.
    """
    parts = {path: path.with_name(f"{path.name}.{os.getpid()}.part") for path in texts}
    try:
        for path, part in parts.items():
            part.write_text(texts[path], encoding="utf-8", newline="\n")
        for path, part in parts.items():
            os.replace(part, path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
