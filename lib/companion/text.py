"""Text files: read as Python reads its sources, whatever their line ends and with or without a byte-order mark;
written as a whole or not at all.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["read_text", "write_text"]


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file with ``\\n`` at the ends of lines and without a byte-order mark."""
    return path.read_text(encoding="utf-8-sig")


def write_text(path: Path, text: str) -> None:
    """Put ``text`` in the place of the file at ``path``, with ``\\n`` at the ends of lines on any system."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
