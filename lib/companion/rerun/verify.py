"""Run pages afresh and compare: one pytest run of nbval with :mod:`companion.rerun.plugin`."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from companion.book.ledger import load_ledger
from companion.book.pages import Page
from companion.errors import RunError
from companion.evidence.pins import other_versions, pinned
from companion.evidence.record import Record, load_record
from companion.root import notebook_path

__all__ = ["verify"]

NEEDED = ("pytest", "nbval", "xdist")


def verify(
    pages: Sequence[Page],
    profile: str = "smoke",
    workers: int = 1,
    *,
    verdicts_only: bool = False,
    cold: bool = False,
) -> int:
    """Run the stored runs of ``pages`` at ``profile`` again, report what differs, and return the exit status.

    Pages that lack the profile, do not attempt it or are assembled from pieces there are left out. The longest
    runs come first at ``smoke``; at the other profiles those made with other versions than are pinned, then the
    oldest. Raises :class:`RunError` where nbval is not installed. ``cold``: no kernel is forked from one that has
    imported its packages.
    """
    if absent := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise RunError(
            f"verify: expected pytest, nbval and pytest-xdist, found no {', '.join(absent)}; "
            f"pip install -e '.[test]'"
        )
    missing, stored = [], []
    pins = pinned(pages[0].root) if pages else {}
    for page in pages:
        if profile in page.settings and not page.setting(profile).not_attempted and not page.asked(profile):
            record = load_record(page.root, profile, page.chapter, page.name)
            path = notebook_path(page.root / "results", profile, page.chapter, page.name)
            if record is None or not path.is_file():
                missing.append(f"{page.id} ({profile}): expected a stored run, found none")
            else:
                stored.append((priority(record, pins), path))
    if not stored and not missing:
        missing.append(f"expected a page with a run at {profile}, found none")
    elif not any(load_ledger(page.root, page.chapter).expected(page.name, profile) for page in pages):
        missing.append(f"expected a claim to be checked at {profile}, found none")
    status = 0
    if stored:
        status = _pytest(
            pages[0].root,
            [path for _, path in sorted(stored)],
            workers,
            [*(["--verdicts-only"] if verdicts_only else []), *(["--cold"] if cold else [])],
        )
    for line in missing:
        print(line, flush=True)
    return 1 if status or missing else 0


def priority(record: Record, pins: Mapping[str, str]) -> tuple[bool, float, str]:
    """Return by what runs are sorted: the longest first at ``smoke``; elsewhere other versions, then age."""
    if record.profile == "smoke":
        return False, -record.duration_s, record.page_id
    started = datetime.fromisoformat(record.started).timestamp()
    return not other_versions(record, pins), started, record.page_id


def _pytest(root: Path, notebooks: Sequence[Path], workers: int, options: Sequence[str]) -> int:
    path = os.pathsep.join([str(root / "lib"), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        "--nbval",
        "-p",
        "companion.rerun.plugin",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(root),
        "-q",
        "--no-header",
        "-rN",
        "--tb=short",
        f"--color={'yes' if sys.stdout.isatty() else 'no'}",
        *options,
        *(["-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"] if workers > 1 else []),
        *map(str, notebooks),
    ]
    sys.stdout.flush()
    return subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": path}, check=False).returncode
