"""Fixtures of the tests of pieces."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import toy_pieces
from once import made_once

from companion.pieces.running.devices import Worker
from companion.pieces.running.schedule import schedule


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh throw-away repository with pieces, none of them done."""
    return toy_pieces.build(tmp_path / "repository")


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A throw-away repository of which two groups were really computed; not to be changed."""

    def make(folder: Path) -> None:
        toy_pieces.build(folder)
        both = [*toy_pieces.pieces(folder, "losses"), *toy_pieces.pieces(folder, "sums")]
        schedule(folder, both, machine=[Worker(1), Worker(1)])

    return made_once(tmp_path_factory, "pieces", make)


@pytest.fixture
def done(complete: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(complete, tmp_path / "repository"))
