"""Text files: read as Python reads its sources, whatever their line ends and with or without a byte-order mark;
written as a whole or not at all.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["PART", "read_text", "write_text", "write_texts"]

PART = ".part"
"""How the name of a file ends that is being written: what it is for and the number of the process stand before."""


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file with ``\\n`` at the ends of lines and without a byte-order mark."""
    return path.read_text(encoding="utf-8-sig")


def write_text(path: Path, text: str) -> None:
    """Put ``text`` in the place of the file at ``path``, with ``\\n`` at the ends of lines on any system."""
    write_texts({path: text})


def write_texts(texts: Mapping[Path, str]) -> None:
    """Put each text in the place of the file at its path, with ``\\n`` at the ends of lines on any system; none
    before all of them are written.

    What a process that was killed while writing them left behind is removed.
    """
    for path in texts:
        for part in path.parent.glob(f"{glob.escape(path.name)}.*{PART}"):
            pid = part.name.removeprefix(f"{path.name}.").removesuffix(PART)
            if pid.isdecimal() and not _lives(int(pid)):
                part.unlink(missing_ok=True)
    parts = {path: path.with_name(f"{path.name}.{os.getpid()}{PART}") for path in texts}
    try:
        for path, part in parts.items():
            part.write_text(texts[path], encoding="utf-8", newline="\n")
        for path, part in parts.items():
            os.replace(part, path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    """Tell whether there is a process of that number."""
    import psutil

    return psutil.pid_exists(pid)
