"""The strict build of the book, as it is published: every warning is an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from companion.errors import CompanionError

__all__ = ["JUPYTER_BOOK", "STRICT", "build_strictly"]

JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"
"""What a Python runs with the command line's arguments: the program itself may be of another environment."""
STRICT = ("-W", "-n", "--keep-going")


def build_strictly(root: Path, out: Path) -> Path:
    """Build the book at ``root`` below ``out`` and return the folder of its pages.

    Raises :class:`CompanionError` with the end of what was said, where the build fails.
    """
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", str(root), "--path-output", str(out), "--all", *STRICT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompanionError(f"the strict build of the book fails:\n{done.stderr[-3000:]}")
    return out / "_build" / "html"
