"""How a process that starts others is ended, with all of them: told first, after a while by force."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

__all__ = ["MARK", "WAIT_S", "end_marked", "marked"]

MARK = "COMPANION_ENGINE"
"""The variable by which everything that an engine starts on this machine is known."""
WAIT_S = 10.0
"""Seconds between one step and the next: it ends by itself, it is told to, it is ended."""
POLL_S = 0.1


def end_marked(process: subprocess.Popen[str], mark: str, wait: float = WAIT_S) -> None:
    """Wait for a process to end, then for all that carries ``mark``; what does not end is told to, then killed."""
    try:
        process.wait(wait)
    except subprocess.TimeoutExpired:
        pass
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            for pid in marked(mark):
                try:
                    os.kill(pid, number)
                except OSError:
                    continue
        deadline = time.monotonic() + wait
        while any(True for _ in marked(mark)) and time.monotonic() < deadline:
            process.poll()
            time.sleep(POLL_S)
    process.wait()


def marked(mark: str) -> Iterator[int]:
    """Yield the processes of this machine, this one apart, whose environment carries ``mark``."""
    import psutil

    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                if process.status() != psutil.STATUS_ZOMBIE:
                    yield process.pid
        except (psutil.Error, OSError):
            continue
