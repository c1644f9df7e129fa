"""Pieces by Parsl: a lost worker loses nothing, and what the engine waits for is ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import engine_book
import pytest

from companion.errors import CompanionError
from companion.pieces.execute import Outcome
from companion.pieces.piece import Piece
from companion.pieces.plan import pieces_of
from companion.pieces.receipts import find, pieces_folder
from companion.pieces.running import driver, ending, engine, remote
from companion.pieces.running.schedule import schedule

ROOT = Path(__file__).resolve().parents[3]
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) == 1:
    subprocess.Popen([sys.executable, __file__, "child"], start_new_session=True)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return engine_book.build(tmp_path / "repository")


@pytest.fixture
def plan(root: Path) -> list[Piece]:
    return [piece for piece in pieces_of(root, "toy/euler") if piece.group != "endless"]


@pytest.fixture
def parsl():
    return pytest.importorskip("parsl", reason="the extra cluster is not installed")


def results(root: Path, plan: list[Piece]) -> dict[str, object]:
    return {piece.id: receipt.result for piece in plan if (receipt := find(root, piece)) is not None}


def test_a_lost_worker_loses_nothing_and_results_are_those_of_local_processes(parsl, root, plan):
    outcomes = engine.run_on(root, plan, root / "local.py")
    assert [outcome.word for outcome in outcomes] == ["done"] * 5, outcomes
    there, tries = results(root, plan), {piece.group: find(root, piece).tries for piece in plan}
    assert len(there) == 5 and tries == {"sums": 1, "lost": 2, "after": 1}
    assert schedule(root, plan) == [], "what is done is left out"
    shutil.rmtree(pieces_folder(root))
    assert {outcome.word for outcome in schedule(root, plan)} == {"done"}
    assert results(root, plan) == there


def test_an_engine_ends_with_the_pieces_that_it_runs(parsl, root):
    (endless,) = [piece for piece in pieces_of(root, "toy/euler") if piece.group == "endless"]
    outcomes: list[Outcome] = []
    with engine.Engine(root, root / "local.py") as running:
        assert len(running.slots) == 2 and running.slots[0].takes("cuda")
        thread = threading.Thread(
            target=lambda: outcomes.extend(
                schedule(root, [endless], machine=running.slots, execute=running.execute)
            )
        )
        thread.start()
        deadline = time.monotonic() + 60
        while not any((root / "_build" / "pieces").glob("*/tries.json")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert len(list(ending.marked(running._mark))) > 3
    assert list(ending.marked(running._mark)) == []
    thread.join(60)
    assert [outcome.word for outcome in outcomes] == ["failed"]
    assert "expected an answer of Parsl, found that it ended" in outcomes[0].error


def test_what_does_not_end_is_ended_with_all_that_it_started(tmp_path):
    script, mark = tmp_path / "stubborn.py", uuid.uuid4().hex
    script.write_text(STUBBORN)
    process = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env={**os.environ, ending.MARK: mark}
    )
    assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "ready\n"]
    pids = set(ending.marked(mark))
    assert len(pids) == 2 and process.pid in pids and set(ending.marked("another")) == set()
    ending.end_marked(process, mark, wait=0.3)
    assert list(ending.marked(mark)) == [] and process.returncode == -9
    process.stdout.close()


def test_a_path_with_a_blank_is_refused(tmp_path):
    root = engine_book.build(tmp_path / "two words")
    with pytest.raises(CompanionError, match=r"--on: expected paths without blanks, .* found '.*two words"):
        engine.Engine(root, root / "local.py")


def test_a_file_that_is_not_there_is_refused(root):
    with pytest.raises(CompanionError, match="expected a Python file that defines config, found no file"):
        engine.Engine(root, root / "absent.py")


def test_parsl_is_named_with_its_extra_where_it_is_missing(root, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CompanionError, match=r'--on: expected Parsl, .* pip install "contdepth\[cluster\]"'):
        engine.Engine(root, root / "local.py")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "expected config, a parsl.Config, found NoneType"),
        (
            "from parsl.executors import HighThroughputExecutor\nconfig = HighThroughputExecutor()",
            "expected an address for each executor",
        ),
        (
            "from parsl.addresses import address_by_query\nconfig = address_by_query()",
            "expected an address for each executor",
        ),
        ("raise ValueError('odd')", "found ValueError: odd"),
        ("config = ", "found SyntaxError"),
    ],
)
def test_a_configuration_is_refused_before_anything_is_asked_of_the_network(parsl, tmp_path, text, said):
    file = tmp_path / "on.py"
    file.write_text(text)
    with pytest.raises(CompanionError) as caught:
        driver.load_config(file, tmp_path)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_what_a_configuration_says_of_checkpoints_and_retries_is_not_relied_on(parsl, tmp_path):
    file = tmp_path / "on.py"
    file.write_text(engine_book.LOCAL)
    config = driver.load_config(file, tmp_path / "kept")
    assert config.retries == 1 and config.run_dir == str(tmp_path / "kept") and config.usage_tracking == 0
    assert driver.offers(config) == {"slots": 2, "threads": 1}


@pytest.mark.parametrize("name", ["local", "slurm"])
def test_the_examples_are_configurations(parsl, tmp_path, monkeypatch, name):
    monkeypatch.setattr("parsl.providers.slurm.slurm.SlurmProvider.execute_wait", lambda *_: (1, "", ""))
    config = driver.load_config(ROOT / "examples" / f"{name}.py", tmp_path)
    slots = {"local": {"slots": 2, "threads": 1}, "slurm": {"slots": 8, "threads": 8}}
    assert driver.offers(config) == slots[name] and config.retries == 2


class Told:
    """What :func:`remote.do` starts, kept instead."""

    def __call__(self, job, *, environment):
        self.job, self.environment = job, environment
        return Outcome(job["id"], "done", 1.0)


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr("companion.pieces.execute.run_one", found := Told())
    for name in (*remote.ENDS, remote.JOB):
        monkeypatch.delenv(name, raising=False)
    return found


def test_a_piece_is_stopped_before_its_job_ends(told, monkeypatch):
    said = remote.do({"id": "a", "deadline": None, "environment": {"CUDA_VISIBLE_DEVICES": ""}})
    assert said["word"] == "done" and told.job["seconds"] is None
    assert told.environment == {"CUDA_VISIBLE_DEVICES": ""}
    monkeypatch.setattr("time.time", lambda: 1000.0)
    monkeypatch.setenv("SLURM_JOB_END_TIME", "1100")
    remote.do({"id": "a", "deadline": None})
    assert told.job["seconds"] == 70.0
    remote.do({"id": "a", "deadline": 1020.0})
    assert told.job["seconds"] == 20.0
    remote.do({"id": "a", "deadline": 900.0})
    assert told.job["seconds"] == 0.1
    monkeypatch.setenv("COMPANION_JOB_END", "1200")
    remote.do({"id": "a", "deadline": None})
    assert told.job["seconds"] == 170.0


def test_an_earlier_slurm_is_asked_when_the_job_ends(told, monkeypatch, tmp_path):
    (tmp_path / "squeue").write_text('#!/bin/sh\n[ "$3" = 7 ] && echo 2:30\n')
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    remote.do({"id": "a", "deadline": None})
    assert 115 < told.job["seconds"] <= 120
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    remote.do({"id": "a", "deadline": None})
    assert told.job["seconds"] is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45", 45), ("2:30", 150), ("1:00:01", 3601), ("2-00:00:05", 172805), ("UNLIMITED", None), ("", None)],
)
def test_times_of_slurm(text, seconds):
    assert remote.seconds_of(text) == seconds


def test_two_processes_do_not_compute_one_piece(tmp_path, monkeypatch):
    held = remote.alone(tmp_path / "work")
    monkeypatch.setattr(remote, "LONGEST_S", 0.2)
    with pytest.raises(SystemExit, match="work: expected that no other process computes this piece, found one"):
        remote.alone(tmp_path / "work")
    os.close(held)
    os.close(remote.alone(tmp_path / "work"))


def test_a_piece_that_its_worker_had_no_time_for_is_given_out_again(root, monkeypatch):
    words = iter(["stopped", "stopped", "done"])
    running = engine.Engine(root, root / "local.py")
    monkeypatch.setattr(engine, "MOST_PAUSE_S", 0.0)
    monkeypatch.setattr(running, "_given_out", lambda told, stop: Outcome(told["id"], next(words)))
    assert running.execute({"id": "a", "seconds": None}).word == "done"
    words = iter(["stopped", "done"])
    assert running.execute({"id": "a", "seconds": 0.0}).word == "stopped", "its own time is over"
    words = iter(["stopped", "done"])
    assert running.execute({"id": "a", "seconds": None}, stop=lambda: True).word == "stopped"
