"""Fixtures of the tests of pieces."""

from __future__ import annotations

from pathlib import Path

import pytest
import toy_pieces


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh throw-away repository with pieces, none of them done."""
    return toy_pieces.build(tmp_path / "repository")
