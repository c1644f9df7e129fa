"""Pieces computed on this machine, several at a time: what they need first, one device a worker."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from companion.errors import counted
from companion.freshness.code.symbols import library_at
from companion.pieces.code import parameters
from companion.pieces.execute import DONE, FAILED, GRACE_S, LEFT, Outcome, run_one
from companion.pieces.piece import Piece, ordered
from companion.pieces.running.devices import Worker, workers_for
from companion.pieces.running.local import compute
from companion.pieces.state import states
from companion.run.progress import Progress

__all__ = ["schedule"]

TICK_S = 0.2
LEAST_S = 60.0
"""Less time than this is not enough to begin what will be stopped in it."""


def schedule(
    root: Path,
    pieces: Iterable[Piece],
    *,
    workers: int = 1,
    minutes: float | None = None,
    progress: Progress | None = None,
    machine: Sequence[Worker] | None = None,
    execute: Callable[..., Outcome] = run_one,
) -> list[Outcome]:
    """Compute those of ``pieces``, and of what they need, that are not done; return what became of them, in order.

    ``minutes`` is the time for all: a piece that would not fit is not begun, unless it can go on from a
    checkpoint, and what still runs is stopped before the time is over. A failing piece does not stop the others;
    those that need it are left. ``machine`` holds the workers, default: this machine's, ``workers`` of them;
    ``execute`` starts a piece's process, by default here. On an interrupt all running pieces are stopped, and go
    on next time.
    """
    wanted = ordered(pieces)
    found = states(root, wanted)
    missing = [piece for piece in wanted if found[piece.id] != DONE]
    done = {piece.id for piece in wanted if found[piece.id] == DONE}
    machine = machine or workers_for(workers)
    return _Schedule(root, missing, done, machine, minutes, progress or Progress(), execute).run()


class _Schedule:
    def __init__(
        self,
        root: Path,
        pieces: list[Piece],
        done: set[str],
        machine: Sequence[Worker],
        minutes: float | None,
        progress: Progress,
        execute: Callable[..., Outcome],
    ) -> None:
        self.root, self.pieces, self.done, self.execute = root, pieces, done, execute
        self.idle, self.progress = list(machine), progress
        self.end = None if minutes is None else time.monotonic() + 60 * minutes
        self.least = 0.0 if minutes is None else min(LEAST_S, 15 * minutes)
        self.outcomes: dict[str, Outcome] = {}
        self.running: dict[str, Worker] = {}
        self.events: queue.Queue[Outcome] = queue.Queue()
        self.halt = threading.Event()
        self.threads: list[threading.Thread] = []
        self.resumable: dict[str, bool] = {}
        self.numbers = {piece.id: number for number, piece in enumerate(pieces)}

    def run(self) -> list[Outcome]:
        """Return the outcomes of all pieces, in order."""
        try:
            while self._begin() or self.running:
                try:
                    self._took(self.events.get(timeout=TICK_S))
                except queue.Empty:
                    self.progress.tick()
        finally:
            self.halt.set()
            for thread in self.threads:
                thread.join()
            self.progress.close()
        for piece in self.pieces:
            self.outcomes.setdefault(piece.id, Outcome(piece.id, LEFT, error=self._why(piece)))
        return [self.outcomes[piece.id] for piece in self.pieces]

    def _begin(self) -> bool:
        """Give every idle worker the first piece that it can compute; tell whether one was given."""
        given = False
        for worker in list(self.idle):
            waiting = [piece for piece in self.pieces if self._ready(piece) and worker.takes(piece.device)]
            # a worker with a GPU leaves the CPU's pieces to the others as long as it has its own
            waiting.sort(key=lambda piece: piece.device != "cuda")
            if waiting:
                self._start(waiting[0], worker)
                given = True
        return given

    def _ready(self, piece: Piece) -> bool:
        if piece.id in self.outcomes or piece.id in self.running:
            return False
        return all(need.id in self.done for need in piece.needs.values()) and self._fits(piece)

    def _fits(self, piece: Piece) -> bool:
        left = self._left()
        if left is None:
            return True
        if left <= 0:
            return False
        return 60 * piece.minutes <= left or (left >= self.least and self._goes_on(piece.function))

    def _goes_on(self, function: str) -> bool:
        """Tell whether a function takes a checkpoint folder, from which it goes on when it was stopped."""
        if function not in self.resumable:
            self.resumable[function] = "checkpoint" in parameters(library_at(self.root), function)
        return self.resumable[function]

    def _left(self) -> float | None:
        """Return the seconds until running pieces are told to stop: early enough to be ended by force in time."""
        if self.end is None:
            return None
        left = self.end - time.monotonic()
        return left - min(GRACE_S, left / 2)

    def _start(self, piece: Piece, worker: Worker) -> None:
        self.idle.remove(worker)
        self.running[piece.id] = worker
        self.progress.start(self.numbers[piece.id], piece.id)
        thread = threading.Thread(target=self._compute, args=(piece, worker, self._left()))
        self.threads.append(thread)
        thread.start()

    def _compute(self, piece: Piece, worker: Worker, seconds: float | None) -> None:
        try:
            outcome = compute(
                self.root,
                piece,
                threads=worker.threads,
                seconds=seconds,
                environment=worker.environment(piece.device),
                stop=self.halt.is_set,
                execute=self.execute,
            )
        except Exception as error:  # a full disk, a folder that cannot be written
            outcome = Outcome(
                piece.id, FAILED, error=f"piece {piece.id}: expected to compute it, found this: {error}"
            )
        self.events.put(outcome)

    def _took(self, outcome: Outcome) -> None:
        self.outcomes[outcome.id] = outcome
        self.idle.append(self.running.pop(outcome.id))
        if outcome.word == DONE:
            self.done.add(outcome.id)
        word = outcome.word if outcome.word != FAILED else "FAILED"
        self.progress.end(self.numbers[outcome.id], word, f", {counted(self._waiting(), 'piece')} left")

    def _waiting(self) -> int:
        return sum(piece.id not in self.outcomes for piece in self.pieces)

    def _why(self, piece: Piece) -> str:
        """Return why a piece was not begun, in a sentence."""
        needs = [need.id for need in piece.needs.values() if need.id not in self.done]
        if needs:
            return f"piece {piece.id}: expected {needs[0]} to be done before it, found that it is not"
        if not any(worker.takes(piece.device) for worker in self.idle):
            return f"piece {piece.id}: expected a GPU, found none; companion bundle takes it to one"
        return f"piece {piece.id}: expected {piece.minutes:g} minutes for it, found less time left"
