"""Fixtures of the bookkeeping's tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import toy_book
from once import made_once


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A fresh throw-away repository without runs."""
    return toy_book.build(tmp_path / "repository")


@pytest.fixture(scope="session")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A throw-away repository whose two pages were really run at smoke; not to be changed."""
    from companion.cli import main

    def make(root: Path) -> None:
        toy_book.build(root)
        assert main(["run", "--root", str(root), "--profile", "smoke", "--jobs", "2"]) == 0

    return made_once(tmp_path_factory, "executed", make)


@pytest.fixture
def ran(executed: Path, tmp_path: Path) -> Path:
    """A copy of the executed repository that a test may change."""
    return Path(shutil.copytree(executed, tmp_path / "repository"))
