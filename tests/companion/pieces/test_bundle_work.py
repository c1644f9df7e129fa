"""Which piece of a bundle is begun next, and what a call says and returns."""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from companion.errors import CompanionError
from companion.pieces.bare import work
from companion.pieces.bare.manifest import Manifest, Task
from companion.pieces.execute import DONE, FAILED, STOPPED_WORD, Outcome


class Bench:
    """Pieces that are done, or wait for a part, as a test says."""

    def __init__(self, kept: Path, *tasks: Task) -> None:
        self.kept, self.manifest = kept, Manifest("toy/euler", "paper", "abc", 9.0, 1, {}, tasks)
        self.finished: set[str] = set()
        self.waiting: dict[str, list[str]] = {}
        (kept / "done").mkdir(parents=True)

    def done(self, task):
        return task.id in self.finished

    def ready(self, task):
        needs = (task.needs or {}).values()
        return not self.waits_for(task) and all(key in self.finished for key in needs)

    def waits_for(self, task):
        return self.waiting.get(task.id, [])

    def begun(self):
        return []

    def keep(self, task):
        if task.id == "damaged":
            raise CompanionError("receipt.json: expected a receipt, found none")
        self.finished.add(task.id)


def task(id: str, minutes: float = 1.0, **more: object) -> Task:
    return Task(id, id, "cpu", minutes, {}, **more)


@pytest.fixture
def made(tmp_path):
    def make(*tasks: Task, minutes: float = 9.0, workers: int | None = None) -> work.Work:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        options = argparse.Namespace(results=folder / "results", device=None, minutes=minutes, workers=workers)
        return work.Work(Bench(folder / "kept", *tasks), options, time.monotonic())

    return make


def ended(one: work.Work, task: Task, word: str, seconds: float = 1.0) -> None:
    future: Future[Outcome] = Future()
    future.set_result(Outcome(task.id, word, seconds, "what went wrong" if word == FAILED else ""))
    one._ended(task, future)


def test_the_first_piece_that_fits_is_next(made):
    long, short = task("long", 20.0), task("short")
    one = made(long, short)
    assert one._next(set()) is short
    assert one._next({"short"}) is None


def test_a_piece_that_goes_on_from_a_checkpoint_is_begun_though_it_does_not_fit(made):
    long = task("long", 20.0, resumes=True)
    assert made(long, task("short"))._next(set()) is long


def test_a_piece_waits_for_what_it_needs_and_for_its_data(made):
    first, second = task("first"), task("second", needs={"given": "first"})
    one = made(second, first)
    assert one._next(set()) is first
    assert one._next({"first"}) is None
    ended(one, first, DONE)
    assert one._next(set()) is second
    one.bench.waiting["second"] = ["part-2"]
    assert one._next(set()) is None


def test_a_slower_machine_is_given_less(made):
    first, second, third = task("first", 1.0), task("second", 5.0), task("third", 1.5)
    one = made(first, second, third)
    ended(one, first, DONE, seconds=120.0)
    assert one.slowness == 2.0
    assert one._next(set()) is third, "twice five minutes are more than nine"


def test_nothing_is_begun_in_the_last_seconds_or_after_a_stop(made):
    assert made(task("first", 0.001, resumes=True), minutes=0.05)._next(set()) is None
    one = made(task("first", 0.001, resumes=True))
    assert one._next(set()) is not None
    one.over.set()
    assert one._next(set()) is None


def test_time_is_kept_for_stopping(made):
    one = made(task("first"))
    assert one.deadline - one.began == pytest.approx(540 - 30)
    small = made(task("first"), minutes=1.0, workers=3)
    assert small.deadline - small.began == pytest.approx(54) and small.workers == [None] * 3


@pytest.mark.parametrize(("word", "code"), [(DONE, 0), (STOPPED_WORD, 3), (FAILED, 1)])
def test_what_a_call_returns(made, monkeypatch, capsys, word, code):
    one = made(task("first", resumes=True))
    monkeypatch.setattr(one, "_one", lambda task, worker: Outcome(task.id, word, 1.0, "what went wrong"))
    assert one.run() == code
    said = capsys.readouterr().out
    assert {0: "1 of 1 pieces done", 3: "the same command goes on", 1: "failed what went wrong"}[code] in said
    assert (one.results / "index.json").is_file()


def test_what_cannot_be_kept_has_failed(made, capsys):
    one = made(task("damaged"))
    ended(one, one.bench.manifest.tasks[0], DONE)
    assert one.failed == {"damaged": "piece damaged: receipt.json: expected a receipt, found none"}


def test_gpus_are_given_one_each(made, monkeypatch):
    monkeypatch.setattr("companion.pieces.bare.machine.COUNT", "print(4)")
    assert made(Task("a", "a", "cuda", 1.0, {})).workers == [0, 1, 2, 3]
    monkeypatch.setattr("companion.pieces.bare.machine.COUNT", "print(0)")
    with pytest.raises(CompanionError, match="expected a GPU that PyTorch can use, found none; --device cpu"):
        made(Task("a", "a", "cuda", 1.0, {}))
