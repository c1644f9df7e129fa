"""Text files as people's tools leave them: a byte order mark in front, or line ends of another system."""

from __future__ import annotations

from pathlib import Path

__all__ = ["read_text"]


def read_text(path: Path) -> str:
    """Return the file's text without a byte order mark and with ``\\n`` at its line ends.

    Raises ``UnicodeDecodeError`` where it is not UTF-8, and ``OSError`` where it cannot be read.
    """
    return path.read_text(encoding="utf-8-sig")
