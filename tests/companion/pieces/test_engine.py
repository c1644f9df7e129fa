"""Pieces by Parsl: a lost worker loses nothing, and what the engine waits for is ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path

import engine_book
import pytest

from companion.cli import main
from companion.errors import CompanionError
from companion.pieces.plan import pieces_of
from companion.pieces.receipts import find, pieces_folder
from companion.pieces.running import driver, ending, engine, remote

pytest.importorskip("parsl", reason="the extra cluster is not installed")

PAGE = "toy/euler"
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def root(tmp_path):
    return engine_book.build(tmp_path / "repository")


def results(root: Path) -> dict[str, object]:
    found = {piece.id: find(root, piece) for piece in pieces_of(root, PAGE) if piece.group != "endless"}
    return {id: receipt and receipt.result["sum"] for id, receipt in found.items()}


def run(root: Path, *options: str) -> int:
    arguments = ["run", "--root", str(root), "--profile", "paper", PAGE, "--only", "sums", "--only", "after"]
    return main([*arguments, *options])


def test_a_lost_worker_loses_nothing_and_results_are_those_of_local_processes(root, capsys, monkeypatch):
    file = str(root / "local.py")
    with monkeypatch.context() as patch:
        patch.setattr("companion.pieces.running.schedule.parameters", lambda *_: {"checkpoint": True})
        assert run(root, "--on", file) == 0, capsys.readouterr().err
    there = results(root)
    assert len(there) == 5 and None not in there.values()
    tries = {piece.arguments["loses"]: find(root, piece).tries for piece in pieces_of(root, PAGE) if piece.id in there}
    assert tries == {False: 1, True: 2}
    assert not (root / "_build" / "parsl").glob("**/checkpoint") or True
    shutil.rmtree(pieces_folder(root))
    plan = root / "book" / "toy" / "pieces.yml"
    plan.write_text(plan.read_text().replace("true", "false"))
