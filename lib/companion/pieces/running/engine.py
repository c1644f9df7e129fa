"""Pieces computed where Parsl finds room: on this machine, or on a cluster by Slurm, PBS, LSF or Kubernetes.

A piece stays a process with a receipt of its own. What is done is known from the receipts alone, never from what
the engine remembers, and an engine that does not end is ended.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from companion.errors import CompanionError, RunError
from companion.pieces.execute import FAILED, GRACE_S, STOPPED_WORD, Outcome
from companion.pieces.piece import Piece
from companion.pieces.running.devices import Slot, Worker
from companion.pieces.running.ending import MARK, end_marked
from companion.pieces.running.schedule import schedule
from companion.run.progress import Progress

__all__ = ["Engine", "run_on"]

LIB = Path(__file__).resolve().parents[3]
START_S = 120.0
"""Seconds that Parsl has to start."""
TICK_S = 0.1
MOST_TRIES = 100
"""Times that a piece is given out again after its worker's time was over."""
SHORT_S, MOST_PAUSE_S = 10.0, 30.0
"""A try shorter than this says that its worker's time is over; the next one waits, this long at most."""


def run_on(
    root: Path,
    pieces: Iterable[Piece],
    file: Path,
    *,
    minutes: float | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Compute those of ``pieces`` that are not done by the Parsl configuration in ``file``; see :func:`schedule`.

    Raises :class:`CompanionError` where Parsl is not installed, or cannot start with the file.
    """
    with Engine(root, file) as engine:
        return schedule(
            root, pieces, minutes=minutes, progress=progress, machine=engine.slots, execute=engine.execute
        )


class Engine:
    """Parsl in a process of its own, from ``with`` to its end; ``slots`` are the pieces it takes at a time."""

    def __init__(self, root: Path, file: Path) -> None:
        self.file, self.folder = file.resolve(), (root / "_build" / "parsl").resolve()
        for path in (self.folder, self.file, Path(sys.executable)):
            if len(str(path).split()) > 1:
                raise CompanionError(
                    f"--on: expected paths without blanks, where Parsl can start workers, found {str(path)!r}"
                )
        if importlib.util.find_spec("parsl") is None:
            raise CompanionError(
                '--on: expected Parsl, found that it is not installed; pip install "contdepth[cluster]"'
            )
        if not self.file.is_file():
            raise CompanionError(f"--on: expected a Python file that defines config, found no file {file}")
        self.slots: list[Worker] = []
        self._mark = uuid.uuid4().hex
        self._numbers = itertools.count()
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Engine:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = [str(LIB), *filter(None, [os.environ.get("PYTHONPATH")])]
        programs = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "companion.pieces.running.driver", str(self.file), str(self.folder)],
            env={**os.environ, "PYTHONPATH": ":".join(path), "PATH": ":".join(programs), MARK: self._mark},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.close()
        except OSError:
            pass
        end_marked(self._process, self._mark)
        self._process.stdout.close()

    def execute(
        self,
        job: Mapping[str, Any],
        *,
        environment: Mapping[str, str] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Outcome:
        """Compute a job somewhere and say what became of it.

        One that its worker had no time to end is given out again, and goes on.
        """
        seconds = job.get("seconds")
        deadline = None if seconds is None else time.time() + seconds
        told = {**job, "deadline": deadline, "environment": dict(environment or {})}
        outcome = Outcome(job["id"], STOPPED_WORD)
        for number in range(MOST_TRIES):
            if number and outcome.seconds < SHORT_S:
                self._pause(min(MOST_PAUSE_S, 2.0**number), stop)
            outcome = self._given_out(told, stop)
            over = deadline is not None and time.time() >= deadline - TICK_S
            if outcome.word != STOPPED_WORD or over or (stop is not None and stop()):
                break
        return outcome

    def _pause(self, seconds: float, stop: Callable[[], bool] | None) -> None:
        """Wait, so that a worker with no time left is not given the same piece again and again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (stop is not None and stop()):
            time.sleep(TICK_S)

    def _given_out(self, told: Mapping[str, Any], stop: Callable[[], bool] | None) -> Outcome:
        number, answer = next(self._numbers), queue.Queue[dict[str, Any]]()
        self._answers[number] = answer
        deadline = told["deadline"]
        try:
            with self._lock:
                assert self._process.stdin is not None
                self._process.stdin.write(json.dumps({"number": number, "job": told}) + "\n")
                self._process.stdin.flush()
            while True:
                try:
                    said = answer.get(timeout=TICK_S)
                    if "outcome" in said:
                        return Outcome(**said["outcome"])
                    lost = said["lost"]["error"]
                    text = f"piece {told['id']}: expected a receipt, found that Parsl lost it: {lost}"
                    return Outcome(told["id"], FAILED, error=text)
                except queue.Empty:
                    if self._process.poll() is not None:
                        raise OSError from None
                    late = deadline is not None and time.time() > deadline + GRACE_S
                    if late or (stop is not None and stop()):
                        return Outcome(told["id"], STOPPED_WORD)
        except OSError:
            text = f"piece {told['id']}: expected an answer of Parsl, found that it ended; see {self.folder}"
            return Outcome(told["id"], FAILED, error=text)
        finally:
            del self._answers[number]

    def _begin(self) -> None:
        """Wait until Parsl has started; a thread reads its answers from then on."""
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, args=(lines,), daemon=True).start()
        try:
            told = json.loads(lines.get(timeout=START_S) or "{}")
        except queue.Empty:
            told = {}
        if "slots" not in told:
            found = told.get("error", f"--on {self.file}: expected that Parsl starts, found that it does not")
            raise RunError(found)
        self.slots = [Slot(told["threads"]) for _ in range(told["slots"])]

    def _listen(self, first: queue.Queue[str]) -> None:
        assert self._process.stdout is not None
        first.put(self._process.stdout.readline())
        for line in self._process.stdout:
            told = json.loads(line)
            answer = self._answers.get(told["number"])
            if answer is not None:
                answer.put(told)
