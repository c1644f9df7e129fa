"""What several test processes need and one of them makes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

LONGEST = 300
"""Seconds that a process waits for what another one makes."""


def made_once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that ``make`` has filled, here or in another process of the test run; not to be changed.

    Raises:
        RuntimeError: the other process failed, or takes too long.
    """
    base = folders.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"shared-{name}"
    done, failed = folder / ".done", folder / ".failed"
    try:
        folder.mkdir()
    except FileExistsError:
        deadline = time.monotonic() + LONGEST
        while not done.exists():
            if failed.exists() or time.monotonic() > deadline:
                raise RuntimeError(
                    f"{name}: expected that another test process makes it, found that it "
                    f"{'failed' if failed.exists() else 'takes too long'}"
                ) from None
            time.sleep(0.1)
        return folder / "made"
    try:
        make(folder / "made")
    except BaseException:
        failed.touch()
        raise
    done.touch()
    return folder / "made"
