"""Does as many pieces of a bundle as fit into its minutes: what ``run.py`` starts."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from companion.errors import CompanionError
from companion.machine import cores
from companion.pieces.bare.bench import Bench
from companion.pieces.bare.machine import gpu_count, gpu_name, last_line
from companion.pieces.bare.manifest import MANIFEST, Manifest, Task
from companion.pieces.bare.results import Packed, pack
from companion.pieces.execute import DONE, FAILED, Outcome, run_one

__all__ = ["main"]

RESERVE = 0.1
MOST_RESERVE_S = 30.0
"""The share of the minutes that is kept for stopping and for the results, and the most seconds of it."""
LEAST_S = 5.0
"""Seconds below which no piece is begun."""
NEWS_S = 20.0
"""Seconds between two lines about a piece that runs."""
GOES_ON, PIECE_FAILED, REFUSED = 3, 1, 2


def main(home: Path, arguments: list[str] | None = None) -> int:
    """Do pieces of the bundle whose first part is ``home``.

    Returns 0 where all are done, 3 where the next call goes on, 1 where one failed, 2 where nothing can be done.
    """
    began = time.monotonic()
    try:
        manifest = Manifest.read(home / MANIFEST)
        options = _options(manifest, home.parent, arguments)
        bench = Bench(manifest, home.parent, options.kept.resolve())
        return Work(bench, options, began).run()
    except CompanionError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return REFUSED


def _options(manifest: Manifest, beside: Path, arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="run.py", description=f"Do pieces of {manifest.page}; a next call goes on."
    )
    add = parser.add_argument
    add(
        "--minutes",
        type=float,
        default=manifest.minutes,
        help=f"stop before so many (default: {manifest.minutes:g})",
    )
    add(
        "--results", type=Path, default=beside / "results", help="folder to carry home (default: beside the parts)"
    )
    add("--kept", type=Path, default=beside / "kept", help="folder of what a next call goes on from")
    add("--device", choices=("cpu", "cuda"), help="another device than the pieces name")
    add("--workers", type=int, help="pieces at a time (default: one for each GPU, or one)")
    return parser.parse_args(arguments)


class Work:
    """The pieces of a bundle within the time that ``options`` say."""

    def __init__(self, bench: Bench, options: argparse.Namespace, began: float) -> None:
        self.bench, self.results, self.device, self.began = bench, options.results, options.device, began
        limit = 60 * options.minutes
        self.deadline = began + limit - min(MOST_RESERVE_S, RESERVE * limit)
        self.failed: dict[str, str] = {}
        self.stopped: set[str] = set()
        self.slowness = 1.0
        self.over = threading.Event()
        gpus = gpu_count() if any(self._device(task) == "cuda" for task in bench.manifest.tasks) else 0
        self.workers: list[int | None] = [None] * (options.workers or 1)
        if gpus:
            self.workers = [number % gpus for number in range(options.workers or gpus)]
        self.threads = max(1, cores() // len(self.workers))

    def run(self) -> int:
        """Do what fits, say how it goes, leave the results, and return the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.over.set())
        tasks = self.bench.manifest.tasks
        self._say(
            f"{self._count()} of {len(tasks)} pieces done; {self.deadline - time.monotonic():.0f} s for more"
        )
        free = list(self.workers)
        running: dict[Future[Outcome], tuple[Task, int | None]] = {}
        with ThreadPoolExecutor(len(self.workers)) as pool:
            while True:
                while free and (task := self._next({one.id for one, _ in running.values()})) is not None:
                    worker = free.pop(0)
                    running[pool.submit(self._one, task, worker)] = (task, worker)
                if not running:
                    break
                for future in wait(running, timeout=0.2, return_when=FIRST_COMPLETED).done:
                    task, worker = running.pop(future)
                    free.append(worker)
                    self._ended(task, future)
        return self._leave()

    def _next(self, running: set[str]) -> Task | None:
        """Return the next piece that can be begun and fits, or goes on another time."""
        left = self.deadline - time.monotonic()
        if self.over.is_set() or left < LEAST_S:
            return None
        for task in self.bench.manifest.tasks:
            out = task.id in running or task.id in self.failed or task.id in self.stopped or self.bench.done(task)
            fits = task.resumes or 60 * task.minutes * self.slowness <= left
            if not out and fits and self.bench.ready(task):
                return task
        return None

    def _one(self, task: Task, worker: int | None) -> Outcome:
        device = self._device(task)
        job = self.bench.job(task, device, self.threads, max(1.0, self.deadline - time.monotonic()))
        environment = self.bench.environment()
        if device == "cuda" and worker is not None:
            environment["CUDA_VISIBLE_DEVICES"] = gpu_name(worker)
        log, last = Path(job["folder"]) / "log.txt", [time.monotonic()]

        def watch() -> None:
            if time.monotonic() - last[0] >= NEWS_S:
                last[0] = time.monotonic()
                self._say(f"runs   {task.id}: {last_line(log)}")

        self._say(f"begins {task.id}, about {task.minutes * self.slowness:.1f} min")
        return run_one(job, environment=environment, stop=self.over.is_set, watch=watch)

    def _ended(self, task: Task, future: Future[Outcome]) -> None:
        outcome = future.result()
        if outcome.word == DONE:
            try:
                self.bench.keep(task)
            except CompanionError as error:
                outcome = Outcome(task.id, FAILED, outcome.seconds, f"piece {task.id}: {error}")
        if outcome.word == DONE:
            if outcome.seconds > 60 * task.minutes * self.slowness:
                self.slowness = outcome.seconds / (60 * task.minutes)
            self._say(
                f"done   {task.id} in {outcome.seconds:.0f} s, {self._count()} of {len(self.bench.manifest.tasks)}"
            )
            self._pack(final=False)
        elif outcome.word == FAILED:
            self.failed[task.id] = outcome.error
            self._say(f"failed {outcome.error}")
        else:
            self.stopped.add(task.id)
            self._say(f"stops  {task.id}" + ("; it goes on next time" if task.resumes else ""))

    def _leave(self) -> int:
        """Write the results, say what is left, and return the exit status."""
        packed, count, total = self._pack(final=True), self._count(), len(self.bench.manifest.tasks)
        left = [task for task in self.bench.manifest.tasks if not self.bench.done(task)]
        waiting = {part for task in left for part in self.bench.waits_for(task)}
        if waiting:
            self._say(
                f"expected {', '.join(sorted(waiting))} beside part-1 for other pieces, found none; bring more"
            )
        for name in packed.left:
            self._say(f"{name} has no room in the results; it stays in {self.bench.kept} for the next call")
        self._say(f"{count} of {total} pieces done; results: {self.results}")
        if count == total:
            return 0
        self._say("the same command goes on" if not self.failed else "see above what failed")
        return PIECE_FAILED if self.failed else GOES_ON

    def _pack(self, *, final: bool) -> Packed:
        kept, manifest = self.bench.kept, self.bench.manifest
        begun = self.bench.begun() if final else ()
        return pack(self.results, kept, manifest.digest, kept / "done", begun, self.failed)

    def _count(self) -> int:
        return sum(self.bench.done(task) for task in self.bench.manifest.tasks)

    def _device(self, task: Task) -> str:
        return self.device or task.device

    def _say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.began:4.0f} s] {text}", flush=True)
