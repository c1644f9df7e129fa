"""The tries of a piece that may be stopped: how many, how long, and on what, kept beside its checkpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from companion.errors import RunError
from companion.pieces.files import write_whole

__all__ = ["Tries"]


class Tries:
    """Counts the present try as one more; raises :class:`RunError` where the piece was begun on another kind of
    device or with another PyTorch, since it could not go on to the same result.
    """

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._path = Path(job["work"]) / "tries.json"
        self._began = time.monotonic()
        here = {"device": job["device"], "torch": _torch()}
        told = json.loads(self._path.read_text(encoding="utf-8")) if self._path.is_file() else {}
        before = {name: told[name] for name in here if name in told}
        if before and before != here:
            raise RunError(
                f"piece {job['id']}: expected to go on with {_words(before)}, as it was begun, "
                f"found {_words(here)}; remove {self._path.parent} to begin again"
            )
        self.count = told.get("tries", 0) + 1
        self._before = told.get("seconds", 0.0)
        self._here = here
        self._write()

    @property
    def seconds(self) -> float:
        """Seconds of all tries that were not killed, the present one among them."""
        return self._before + time.monotonic() - self._began

    def end(self) -> None:
        """Keep the seconds of the present try."""
        self._write(self.seconds)

    def _write(self, seconds: float | None = None) -> None:
        told = {**self._here, "tries": self.count, "seconds": self._before if seconds is None else seconds}
        write_whole(self._path, json.dumps(told).encode())


def _torch() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return "none"


def _words(told: Mapping[str, str]) -> str:
    return f"torch {told['torch']} on {told['device']}"
