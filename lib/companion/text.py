"""Text files read as Python reads its sources: whatever their line ends, with or without a byte-order mark."""

from __future__ import annotations

from pathlib import Path

__all__ = ["read_text"]


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file with ``\\n`` at the ends of lines and without a byte-order mark."""
    return path.read_text(encoding="utf-8-sig")
