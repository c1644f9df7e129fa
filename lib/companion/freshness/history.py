"""Files of an earlier commit, taken from git without touching the checkout."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from companion.errors import CompanionError

__all__ = ["export"]


def export(root: Path, commit: str, paths: Sequence[str], folder: Path) -> None:
    """Write ``paths`` of ``commit`` below ``folder``; raise :class:`CompanionError` where this clone has not got
    them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as archive:
        command = ["git", "-C", str(root), "archive", "--format=tar", commit, "--", *paths]
        if subprocess.run(command, stdout=archive, stderr=subprocess.DEVNULL, check=False).returncode:
            raise CompanionError(
                f"commit {commit[:12]}: expected it in this clone with {', '.join(paths)}, found no such commit "
                "or files"
            )
        archive.seek(0)
        with tarfile.open(fileobj=archive) as tar:
            tar.extractall(folder, filter="data")
