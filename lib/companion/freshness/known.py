"""What was found fresh or carried before: remembered by the bytes of everything that it depends on.

Whoever decides something (``companion stale``, ``run --resume``, continuous integration) looks again; the tables,
which show all runs at once, ask here first. A file that cannot be read or written costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path

import companion
from companion.book.pages import Page
from companion.evidence.record import Record, stored_notebook
from companion.freshness.sidecar import load_sidecar
from companion.freshness.state import CARRIED, FRESH, STALE, State, state_of
from companion.root import carry_path, record_path, registry_path, runs_path
from companion.text import write_text

__all__ = ["Known"]


class Known:
    """The states of the runs at ``root`` that were found fresh or carried, by a digest of what that rested on.

    The files are read once, when it is made: it is for one command, in which none of them changes.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / "_build" / "known.json"
        self._base = _base(root)
        self._before = _stored(self.path)
        self._now: dict[str, str] = {}
        self._digests: dict[Path, bytes] = {}

    def state(self, record: Record, page: Page) -> State:
        """Return the state of the run of ``record`` as ``state_of`` does.

        A stale run is looked at each time, and so is one at profile paper, which rests on pieces too.
        """
        key = self._key(record, page)
        word = self._before.get(key)
        sidecar = load_sidecar(page.root / "results", record) if word == CARRIED else None
        known = word == FRESH or sidecar is not None
        state = State(sidecar=sidecar) if known else state_of(record, page)
        if state.word != STALE and record.profile != "paper":
            self._now[key] = state.word
        return state

    def store(self) -> None:
        """Write what was found; what was not asked for stays as long as what all runs rest on is the same."""
        kept = {key: word for key, word in self._before.items() if key.startswith(self._base[:8])} | self._now
        if kept != self._before:
            try:
                self.path.parent.mkdir(exist_ok=True)
                write_text(self.path, json.dumps(kept, indent=0, sort_keys=True) + "\n")
            except OSError:
                pass

    def _key(self, record: Record, page: Page) -> str:
        files = [
            page.source,
            runs_path(page.root, page.chapter),
            record_path(page.root / "results", record.profile, record.chapter, record.page),
            stored_notebook(page.root, record),
            carry_path(page.root / "results", record.profile, record.chapter, record.page),
        ]
        digest = hashlib.sha256(f"{self._base}\0{page.id}\0{record.profile}".encode())
        for path in files:
            digest.update(self._digest(path))
        return self._base[:8] + digest.hexdigest()

    def _digest(self, path: Path) -> bytes:
        if path not in self._digests:
            self._digests[path] = hashlib.sha256(path.read_bytes() if path.is_file() else b"").digest()
        return self._digests[path]


def _stored(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _base(root: Path) -> str:
    """Return a digest of what all runs rest on: both libraries, the data registry, Python, the pages' reader."""
    digest = hashlib.sha256(f"{sys.version}\0{version('jupytext')}".encode())
    library, own = root / "lib" / "contdepth", Path(companion.__file__).parent
    for path in [*sorted(library.rglob("*.py")), *sorted(library.rglob("*.pyi")), *sorted(own.rglob("*.py"))]:
        digest.update(f"\0{path.as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update(registry_path(root).read_bytes() if registry_path(root).is_file() else b"")
    return digest.hexdigest()
