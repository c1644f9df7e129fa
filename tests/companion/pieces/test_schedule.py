"""Pieces side by side: needs first, failures alone, time that ends, devices, interrupts."""

import io
import subprocess
import threading
import time

import pytest
from toy_pieces import break_first, lengthen, pieces

from companion.pieces.execute import DONE, FAILED, LEFT, STOPPED_WORD
from companion.pieces.keys import key_of
from companion.pieces.plan import load_plan
from companion.pieces.receipts import find, receipt_path, work_folder
from companion.pieces.running import devices
from companion.pieces.running.devices import Worker, gpus, workers_for
from companion.pieces.running.local import compute
from companion.pieces.running.schedule import schedule
from companion.run.progress import Progress

PLAN = "book/toy/pieces.yml"
CODE = "lib/contdepth/studies/toy/pieces.py"
TWO = [Worker(1), Worker(1)]


def scheduled(root, group, **options):
    """Compute a group on two workers and return piece -> outcome, and what was shown."""
    shown = io.StringIO()
    options = {"machine": TWO, **options}
    outcomes = schedule(root, pieces(root, group), progress=Progress(shown, live=False), **options)
    return {outcome.id: outcome for outcome in outcomes}, shown.getvalue()


def test_what_is_needed_is_computed_first_and_what_is_done_is_left_alone(root):
    outcomes, shown = scheduled(root, "means")
    assert [outcome.word for outcome in outcomes.values()] == [DONE] * 4
    assert [find(root, piece).result["mean"] for piece in pieces(root, "means")] == [30, 55]
    assert "start  toy/sums[seed=0,steps=5]" in shown and ", 0 pieces left" in shown
    assert scheduled(root, "means")[0] == {}
    first = pieces(root, "means")[0]
    receipt_path(root, first, key_of(root, first)).unlink()
    assert list(scheduled(root, "means")[0]) == [first.id]


def test_a_failing_piece_stops_only_those_that_need_it(root):
    break_first(root)
    outcomes, shown = scheduled(root, "means")
    assert {id: outcome.word for id, outcome in outcomes.items()} == {
        "toy/sums[seed=0,steps=5]": FAILED,
        "toy/means[seed=0,steps=5]": LEFT,
        "toy/sums[seed=1,steps=5]": DONE,
        "toy/means[seed=1,steps=5]": DONE,
    }
    assert "AssertionError" in outcomes["toy/sums[seed=0,steps=5]"].error
    assert "expected toy/sums[seed=0,steps=5] to be done" in outcomes["toy/means[seed=0,steps=5]"].error
    assert "FAILED  toy/sums[seed=0,steps=5]" in shown


def test_time_ends_what_goes_on_later_and_begins_nothing_that_does_not_fit(root):
    lengthen(root, 3000)
    outcomes, _ = scheduled(root, "sums", minutes=0.05)  # of one
    assert {outcome.word for outcome in outcomes.values()} == {STOPPED_WORD}
    assert (work_folder(root, key_of(root, pieces(root, "sums")[0])) / "checkpoint/state.json").is_file()
    outcomes, _ = scheduled(
        root, "sums", minutes=0.05, machine=[Worker(1)]
    )  # the rest is too short for the second
    assert [outcome.word for outcome in outcomes.values()] == [STOPPED_WORD, LEFT]
    outcomes, _ = scheduled(root, "losses", minutes=0.1)  # pieces of 6 s, and 3 s until what runs is stopped
    assert {outcome.word for outcome in outcomes.values()} == {LEFT}
    assert "expected 0.1 minutes for it, found less time left" in list(outcomes.values())[0].error


def test_a_piece_for_a_gpu_waits_for_one(root):
    outcomes, _ = scheduled(root, "big")
    (outcome,) = outcomes.values()
    assert outcome.word == LEFT and "expected a GPU, found none; companion bundle" in outcome.error


def test_an_interrupt_stops_what_runs_and_it_goes_on(root):
    before = threading.active_count()
    lengthen(root, 60)
    work = [work_folder(root, key_of(root, piece)) for piece in pieces(root, "sums")]

    class Interrupt(Progress):
        def tick(self):
            if all((one / "checkpoint/state.json").is_file() for one in work):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        schedule(root, pieces(root, "sums"), machine=TWO, progress=Interrupt(io.StringIO(), live=False))
    assert threading.active_count() == before
    assert [find(root, piece) for piece in pieces(root, "sums")] == [None, None]
    outcomes, _ = scheduled(root, "sums")
    assert {outcome.word for outcome in outcomes.values()} == {DONE}
    assert [find(root, piece).tries for piece in pieces(root, "sums")] == [2, 2]


def test_two_processes_do_not_compute_the_same_piece(root):
    lengthen(root, 60)
    piece, found = pieces(root, "sums")[0], []
    other = threading.Thread(target=lambda: found.append(compute(root, piece)))
    other.start()
    while other.is_alive() and not (work_folder(root, key_of(root, piece)) / "checkpoint/state.json").is_file():
        time.sleep(0.01)
    mine = compute(root, piece)
    other.join()
    assert (mine.word, found[0].word) == (LEFT, DONE)
    assert mine.error == f"piece {piece.id}: another process computes it"
    assert compute(root, piece).word == DONE and find(root, piece).tries == 1


def test_every_worker_with_a_gpu_has_its_own(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(devices, "cores", lambda: 8)
    first, second, third = workers_for(3, ["0", "GPU-7"])
    assert (first.gpu, second.gpu, third.gpu) == ("0", "GPU-7", None) and {
        one.threads for one in (first, third)
    } == {2}
    assert second.environment("cuda") == {"CUDA_VISIBLE_DEVICES": "GPU-7"}
    assert second.environment("cpu") == third.environment("cpu") == {"CUDA_VISIBLE_DEVICES": ""}
    assert third.takes("cpu") and not third.takes("cuda") and first.takes("cuda")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert workers_for(1, [])[0].threads == 3


def test_gpus_are_those_that_the_environment_names(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 3")
    assert gpus() == ["2", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert gpus() == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    listed = "GPU 0: NVIDIA H200 (UUID: GPU-a)\n  MIG 1g.18gb Device 0: (UUID: MIG-b)\nGPU 1: NVIDIA H200\n"
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, stdout=listed))
    devices._installed.cache_clear()
    assert gpus() == ["0", "1"]
    devices._installed.cache_clear()


def test_a_worker_with_a_gpu_takes_its_pieces_first(root, monkeypatch):
    from companion.pieces.running import schedule as module

    taken = []

    def computed(root, piece, **options):
        from companion.pieces.execute import Outcome

        taken.append((piece.group, options["environment"]["CUDA_VISIBLE_DEVICES"]))
        return Outcome(piece.id, DONE)

    monkeypatch.setattr(module, "compute", computed)
    every = [
        piece for group in load_plan(root, "toy") for piece in group.pieces if group.name in ("losses", "big")
    ]
    schedule(root, every, machine=[Worker(1, "5")], progress=Progress(io.StringIO(), live=False))
    assert taken == [("big", "5")] + [("losses", "")] * 6
