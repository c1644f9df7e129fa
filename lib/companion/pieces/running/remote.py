"""What an engine's worker does with a piece, and the piece's process there.

The process holds the piece's work folder: one that lost its worker is given time to end before the next begins.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

__all__ = ["alone", "do", "seconds_of"]

ENDS = ("COMPANION_JOB_END", "SLURM_JOB_END_TIME")
"""Variables that say when a worker's job ends, in seconds since 1970: one set by hand, that of later Slurms."""
JOB = "SLURM_JOB_ID"
SPARE_S = 30.0
"""Seconds before the end of a job at which its piece is stopped: it writes its checkpoint, and is not killed."""
LONGEST_S = 60.0
"""Seconds that a process waits for another one that computes the same piece."""


def do(job: Mapping[str, Any]) -> dict[str, Any]:
    """Compute a job in a process of its own, until its ``deadline`` or nearly the end of the worker's time.

    Times are seconds since 1970. Returns the outcome as plain words.
    """
    from companion.pieces.execute import run_one

    ends = [end for end in (job.get("deadline"), _job_end()) if end is not None]
    seconds = max(0.1, min(ends) - time.time()) if ends else None
    environment = job.get("environment") or {}
    told = {**job, "seconds": seconds, "module": "companion.pieces.running.remote"}
    return asdict(run_one(told, environment=environment))


def _job_end() -> float | None:
    """Return when a piece is stopped for the worker's job to end; None where nothing says when that is."""
    for name in ENDS:
        if os.environ.get(name, "").isdigit():
            return float(os.environ[name]) - SPARE_S
    if JOB not in os.environ:
        return None
    command = ["squeue", "--noheader", "--jobs", os.environ[JOB], "--format", "%L"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    left = seconds_of(asked.stdout.strip())
    return None if left is None else time.time() + left - SPARE_S


def seconds_of(text: str) -> float | None:
    """Return a time of Slurm, ``[days-][[hours:]minutes:]seconds``, in seconds; None for ``UNLIMITED``."""
    days, _, rest = text.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdigit() for part in (*parts, days or "0")):
        return None
    units = zip((1, 60, 3600), reversed(parts), strict=False)
    return 86400.0 * int(days or 0) + sum(unit * int(part) for unit, part in units)


def alone(work: Path) -> int:
    """Hold a piece's work folder and return the handle; exit where another process does not leave it."""
    work.mkdir(parents=True, exist_ok=True)
    handle = os.open(work / ".held", os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + LONGEST_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            if time.monotonic() > deadline:
                sys.exit(f"{work.name}: expected that no other process computes this piece, found one")
            time.sleep(0.1)


if __name__ == "__main__":
    from companion.pieces.one import main

    held = alone(Path(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["work"]))
    sys.exit(main())
