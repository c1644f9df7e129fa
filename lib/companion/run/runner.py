"""Runs of pages: what is to be run, checked before a kernel starts; then one process a page, several at a
time.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from companion.book.escapes import escapes
from companion.book.ledger import load_ledger
from companion.book.pages import Page
from companion.errors import PageError, RunError
from companion.evidence.record import Record, load_record
from companion.evidence.soundness import semicolons
from companion.freshness.state import CARRIED, lacking, state_of
from companion.machine import THREADS, cores
from companion.pieces.assemble import any_ready
from companion.root import notebook_path, record_path
from companion.run.progress import Progress

__all__ = ["Job", "Outcome", "plan", "run"]


@dataclass(frozen=True)
class Job:
    """One page at one profile; ``strict`` refuses to store a run that is no evidence, ``environment`` holds
    further variables for its processes.
    """

    page: Page
    profile: str
    results: Path
    overrides: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The job in words."""
        return f"{self.page.id} ({self.profile})"


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its stored record, or the error."""

    job: Job
    record: Record | None = None
    error: str | None = None


def plan(
    pages: Iterable[Page],
    profile: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    out: Path | None = None,
    resume: bool = False,
    named: bool = False,
    strict: bool = True,
    environment: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> list[Job]:
    """Return the jobs for ``pages`` at ``profile``; raise ``PageError`` or :class:`RunError` before anything
    runs, where a page could not be compared (:mod:`companion.book.escapes`) or its run not be stored, too.

    ``overrides`` (parameters other than the profile's) need a folder ``out``: ``<root>/results`` holds the
    profiles' own runs only. ``resume`` leaves out pages whose stored run speaks for them: it is
    fresh, or carried and without claims by a clock. Pages that lack the
    profile, or do not attempt it, are left out unless they were ``named``; so are pages that are assembled from
    pieces of which no group is complete. ``environment``: further variables.
    """
    jobs = []
    for page in pages:
        if not named and profile not in page.settings:
            continue
        reason = page.setting(profile).not_attempted
        if page.asked(profile):
            if not any_ready(page):
                if progress:
                    progress.line(f"skip   {page.id} ({profile})  no group of its pieces is complete")
                continue
        elif reason and not named:
            if progress:
                progress.line(f"skip   {page.id} ({profile})  not attempted: {reason}")
            continue
        changed = page.parameters(profile, overrides) != page.parameters(profile)
        if changed and out is None:
            raise RunError(
                f"page {page.id}: expected --out FOLDER for a run with other parameters than the profile's, "
                f"found none"
            )
        if resume and not changed:
            word = _speaking(page, profile, out)
            if word:
                if progress:
                    progress.line(f"{word:5}  {page.id} ({profile})")
                continue
        jobs.append(
            Job(
                page,
                profile,
                (out or page.root / "results").resolve(),
                overrides if overrides and changed else {},
                strict and not changed,
                environment or {},
            )
        )
    for job in jobs:
        quiet = semicolons([cell.source for cell in job.page.cells()])
        if found := [*escapes(job.page), *(f"page {job.page.id}: {line}" for line in quiet)]:
            raise PageError(found[0])
    for job in jobs:
        _writable(job)
    return jobs


def _writable(job: Job) -> None:
    """Raise :class:`RunError` where the notebook and the record of ``job`` cannot be stored."""
    place = (job.results, job.profile, job.page.chapter, job.page.name)
    files = notebook_path(*place), record_path(*place)
    folder = files[0].parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            found = next((f"{path.name} is a folder" for path in files if path.is_dir()), None)
    except OSError as error:
        found = error.strerror
    if found:
        raise RunError(f"page {job.page.id}: expected to store its run in {folder}, found this: {found}")


def _speaking(page: Page, profile: str, results: Path | None) -> str | None:
    """Return the word of a stored run's state, or None where the page must be run again."""
    try:
        record = load_record(page.root, profile, page.chapter, page.name, results)
    except RunError:
        return None  # damaged
    if record is None:
        return None
    state = state_of(record, page, results=results)
    checked = load_ledger(page.root, page.chapter).of(record.checks) if state.word == CARRIED else ()
    return None if lacking(state, checked) else state.word


def run(jobs: Sequence[Job], workers: int = 1, progress: Progress | None = None) -> list[Outcome]:
    """Run ``jobs``, ``workers`` at a time, and return their outcomes in order; a failing page does not stop
    the others.

    On an interrupt all children are ended and the exception goes on; runs stored before stay as they are.
    """
    progress = progress or Progress()
    events: _Events = queue.Queue()
    waiting = list(enumerate(jobs))
    running: dict[int, _Child] = {}
    outcomes: dict[int, Outcome] = {}
    try:
        while waiting or running:
            while waiting and len(running) < max(1, workers):
                index, job = waiting.pop(0)
                progress.start(index, job.label)
                running[index] = _Child(index, job, max(1, workers), events)
            try:
                index, event = events.get(timeout=0.5)
            except queue.Empty:
                progress.tick()
                continue
            if event is None:
                outcomes[index] = running.pop(index).outcome()
                _report_end(progress, index, outcomes[index])
            else:
                running[index].last = event
                if event["event"] in ("start", "cell"):
                    progress.cell(index, event.get("number"), event.get("cells"))
    finally:
        progress.close()
        for child in running.values():
            child.kill()
    return [outcomes[index] for index in range(len(jobs))]


def _report_end(progress: Progress, index: int, outcome: Outcome) -> None:
    if outcome.record is not None:
        count = len(outcome.record.checks)
        progress.end(index, "done", f", {count} claim{'' if count == 1 else 's'} checked")
    else:
        progress.end(index, "FAILED", "")


_Events = queue.Queue[tuple[int, dict[str, Any] | None]]
"""Number of a job and what its process says, or None at its end."""


class _Child:
    """One worker process, with a thread that turns its lines into events."""

    def __init__(self, index: int, job: Job, workers: int, events: _Events) -> None:
        self.job = job
        self.last: dict[str, Any] = {}
        count = os.environ.get("OMP_NUM_THREADS") or str(max(1, cores() // workers))
        path = os.pathsep.join([str(job.page.root / "lib"), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {
            **os.environ,
            "PYTHONPATH": path,
            **dict.fromkeys(THREADS, count),
            **job.environment,
        }
        self.errors = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "companion.run.worker"],
            cwd=job.page.root,
            env=environment,
            text=True,
            encoding="utf-8",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            start_new_session=True,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.into, self.lines = self.process.stdin, self.process.stdout
        self.into.write(
            json.dumps(
                {
                    "root": str(job.page.root),
                    "page": job.page.id,
                    "profile": job.profile,
                    "overrides": dict(job.overrides),
                    "results": str(job.results),
                    "strict": job.strict,
                }
            )
            + "\n"
        )
        self.into.flush()
        self.reader = threading.Thread(target=self._read, args=(index, events), daemon=True)
        self.reader.start()

    def _read(self, index: int, events: _Events) -> None:
        for line in self.lines:
            events.put((index, json.loads(line)))
        self.process.wait()
        events.put((index, None))

    def outcome(self) -> Outcome:
        """Return what became of the ended process."""
        code, page = self.process.returncode, self.job.page
        try:
            if code == 0 and self.last.get("event") == "done":
                return Outcome(
                    self.job,
                    load_record(page.root, self.job.profile, page.chapter, page.name, self.job.results),
                )
            if self.last.get("event") == "error":
                return Outcome(self.job, error=self.last["text"])
            self.errors.seek(0)
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            tail = "".join(self.errors.readlines()[-20:])
            return Outcome(
                self.job,
                error=f"page {page.id}: expected a finished run, found that its process {how}\n{tail}".rstrip(),
            )
        finally:
            self._close()

    def kill(self) -> None:
        """End the process and all that it started: first gently, after three seconds by force."""
        import psutil

        try:
            family = [
                psutil.Process(self.process.pid),
                *psutil.Process(self.process.pid).children(recursive=True),
            ]
        except psutil.NoSuchProcess:
            family = []
        self.process.terminate()
        _, alive = psutil.wait_procs(family, timeout=3)
        for process in alive:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()
        self._close()

    def _close(self) -> None:
        self.reader.join(timeout=5)
        for stream in (self.into, self.lines, self.errors):
            stream.close()
