"""One piece computed on this machine and stored."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from companion.errors import CompanionError
from companion.pieces.execute import DONE, FAILED, LEFT, Outcome, job_of, run_one
from companion.pieces.keys import key_of
from companion.pieces.piece import Piece
from companion.pieces.receipts import find, work_folder
from companion.pieces.storing import store

__all__ = ["compute"]


def compute(
    root: Path,
    piece: Piece,
    *,
    threads: int = 1,
    seconds: float | None = None,
    environment: Mapping[str, str] | None = None,
    stop: Callable[[], bool] | None = None,
    execute: Callable[..., Outcome] = run_one,
) -> Outcome:
    """Compute a piece in a process of its own and store its receipt, unless it is done.

    It goes on from where it was stopped, and stops after ``seconds`` or when ``stop`` says so. A piece that
    another process computes at the same time is left to it. ``execute`` starts the piece's process: here, as
    :func:`run_one` does, or elsewhere.
    """
    try:
        key = key_of(root, piece)
        with _alone(work_folder(root, key).with_suffix(".lock")) as alone:
            if not alone:
                return Outcome(piece.id, LEFT, error=f"piece {piece.id}: another process computes it")
            if find(root, piece, key) is not None:
                return Outcome(piece.id, DONE)
            return _computed(root, piece, threads, seconds, environment, stop, execute)
    except CompanionError as error:
        return Outcome(piece.id, FAILED, error=str(error))


def _computed(
    root: Path,
    piece: Piece,
    threads: int,
    seconds: float | None,
    environment: Mapping[str, str] | None,
    stop: Callable[[], bool] | None,
    execute: Callable[..., Outcome],
) -> Outcome:
    above = root / "_build" / "pieces"
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=above))
    try:
        job = job_of(root, piece, folder, threads=threads, seconds=seconds)
        outcome = execute(job, environment=environment, stop=stop)
        if outcome.word == DONE:
            store(root, piece, folder)
        return outcome
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Hold the file at ``path`` against other processes, or say that one holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(handle)
