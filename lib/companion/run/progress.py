"""What a person sees while pages run: a line at each start and end, a live counter on a terminal, else a
heartbeat.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO

__all__ = ["Progress"]

HEARTBEAT_S = 30.0


@dataclass
class _Live:
    label: str
    since: float
    beat: float
    cells: int = 0
    cell: int = 0


@dataclass
class Progress:
    """Lines about runs, written to ``stream``; ``live`` (default: is it a terminal?) chooses counter or
    heartbeat.
    """

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    live: bool | None = None
    heartbeat: float = HEARTBEAT_S
    _pages: dict[int, _Live] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.live = self.stream.isatty() if self.live is None else self.live

    def line(self, text: str) -> None:
        """Write one line, above the live counter if there is one."""
        print(("\r\x1b[K" if self.live else "") + text, file=self.stream, flush=True)

    def start(self, job: int, label: str) -> None:
        """Say that a job starts."""
        now = time.monotonic()
        self._pages[job] = _Live(label, now, now)
        self.line(f"start  {label}")

    def cell(self, job: int, number: int | None = None, cells: int | None = None) -> None:
        """Take note of the cell a job is in."""
        page = self._pages[job]
        page.cell, page.cells = number or page.cell, cells or page.cells

    def end(self, job: int, word: str, detail: str) -> None:
        """Say that a job has ended: ``word`` is done or FAILED."""
        page = self._pages.pop(job)
        self.line(f"{word:<5}  {page.label}  {time.monotonic() - page.since:.1f} s{detail}")

    def tick(self) -> None:
        """Refresh the counter, or write the heartbeat lines that are due."""
        now = time.monotonic()
        if self.live:
            text = "  ".join(
                f"{page.label} {page.cell}/{page.cells} {now - page.since:.0f} s" for page in self._pages.values()
            )
            print(f"\r\x1b[K{text[:110]}", end="", file=self.stream, flush=True)
            return
        for page in self._pages.values():
            if now - page.beat >= self.heartbeat:
                page.beat = now
                self.line(f"       {page.label}  in cell {page.cell} of {page.cells}, {now - page.since:.0f} s")
