"""A piece's process: what it is told, how it is started, stopped at its time, and what became of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from companion.pieces.one import STOPPED

if TYPE_CHECKING:
    from companion.pieces.piece import Piece

__all__ = ["DONE", "FAILED", "GRACE_S", "LEFT", "STOPPED_WORD", "Outcome", "job_of", "run_one"]

DONE, STOPPED_WORD, FAILED, LEFT = "done", "stopped", "failed", "left"
GRACE_S = 20.0
"""Seconds between SIGTERM and SIGKILL."""
POLL_S = 0.05
LAST_LINES = 20


@dataclass(frozen=True)
class Outcome:
    """What became of a piece: ``done``, ``stopped`` (it goes on next time), ``failed`` with the last lines of its
    log in ``error``, or ``left`` (not begun) with the reason.
    """

    id: str
    word: str
    seconds: float = 0.0
    error: str = ""


def job_of(
    root: Path,
    piece: Piece,
    folder: Path,
    *,
    device: str | None = None,
    threads: int = 1,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Return what :mod:`companion.pieces.one` is told to compute ``piece`` into ``folder``.

    Raises :class:`companion.errors.RunError` where a piece that it needs is not done. ``device`` is the piece's
    own unless given, ``seconds`` the time after which it is stopped.
    """
    from companion.errors import RunError
    from companion.freshness.code.symbols import library_at
    from companion.machine import git_state
    from companion.pieces.code import digest_in
    from companion.pieces.keys import data_digests, keys_of
    from companion.pieces.receipts import find, receipt_path, work_folder

    keys, needs = keys_of(root, [piece]), {}
    for name, need in piece.needs.items():
        if find(root, need, keys[need.id]) is None:
            raise RunError(f"piece {piece.id}: expected {need.id} to be done before it, found that it is not")
        needs[name] = {"key": keys[need.id], "receipt": str(receipt_path(root, need, keys[need.id]))}
    commit, dirty = git_state(root)
    return {
        "schema": 1,
        "id": piece.id,
        "key": keys[piece.id],
        "function": piece.function,
        "code": digest_in(library_at(root), piece.function),
        "arguments": dict(piece.arguments),
        "data": data_digests(root, piece),
        "needs": needs,
        "device": device or piece.device,
        "threads": threads,
        "seconds": seconds,
        "folder": str(folder.resolve()),
        "work": str(work_folder(root, keys[piece.id]).resolve()),
        "library": [str(root / "lib")],
        "commit": commit + (" with local changes" if dirty else ""),
    }


def run_one(
    job: Mapping[str, Any],
    *,
    environment: Mapping[str, str] | None = None,
    stop: Callable[[], bool] | None = None,
    watch: Callable[[], None] | None = None,
) -> Outcome:
    """Compute a job in a process of its own and say what became of it; its log is ``log.txt`` in the job's folder.

    It gets SIGTERM after its ``seconds``, or when ``stop`` says so, and SIGKILL 20 s later. ``environment`` holds
    further variables; the job's ``module`` is run in place of :mod:`companion.pieces.one` where it names one;
    ``watch`` is called about twenty times a second. On an exception here the process is ended
    likewise.
    """
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / "job.json"
    told.write_text(json.dumps({**job, "ends_with_parent": True}), encoding="utf-8")
    began = time.monotonic()
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", job.get("module", "companion.pieces.one"), str(told)],
            cwd=folder,
            env=_environment(job, environment or {}),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(process, job.get("seconds"), stop, watch)
        finally:
            _end(process)
    seconds = time.monotonic() - began
    if process.returncode == 0 and (folder / "receipt.json").is_file():
        return Outcome(job["id"], DONE, seconds)
    if process.returncode in (STOPPED, -signal.SIGTERM, -signal.SIGKILL) and _was_told(process):
        return Outcome(job["id"], STOPPED_WORD, seconds)
    return Outcome(job["id"], FAILED, seconds, f"piece {job['id']}: {_how(process.returncode)}{_tail(folder)}")


def _wait(
    process: subprocess.Popen[bytes],
    seconds: float | None,
    stop: Callable[[], bool] | None,
    watch: Callable[[], None] | None,
) -> None:
    """Wait until the process has ended, its time is over or ``stop`` says so."""
    deadline = None if seconds is None else time.monotonic() + seconds
    while process.poll() is None:
        if (deadline is not None and time.monotonic() >= deadline) or (stop is not None and stop()):
            return
        if watch is not None:
            watch()
        try:
            process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            continue


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that still runs, gently and after a while by force, with all that it has started."""
    if process.poll() is None:
        process.told = True  # type: ignore[attr-defined]
        process.terminate()
        assert process.stdin is not None
        process.stdin.close()  # from now on it tells itself to end, again and again
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    assert process.stdin is not None
    process.stdin.close()


def _was_told(process: subprocess.Popen[bytes]) -> bool:
    return process.returncode == STOPPED or getattr(process, "told", False)


def _environment(job: Mapping[str, Any], more: Mapping[str, str]) -> dict[str, str]:
    from companion.machine import THREADS

    path = [*job["library"], *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = dict.fromkeys(THREADS, str(job["threads"]))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1", **threads, **more}


def _how(code: int) -> str:
    ended = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
    return f"expected a receipt, found that its process {ended}"


def _tail(folder: Path) -> str:
    lines = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    return "".join(f"\n{line}" for line in lines[-LAST_LINES:])
