"""What a person sees while pages run: a line at each start and end, bars on a terminal, else a heartbeat."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

__all__ = ["Progress"]

HEARTBEAT_S = 30.0


@dataclass
class _Live:
    label: str
    since: float
    beat: float
    cells: int = 0
    cell: int = 0
    bar: TaskID | None = None


@dataclass
class Progress:
    """Lines about runs, written to ``stream``; ``live`` (default: is it a terminal?) chooses bars or heartbeat."""

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    live: bool | None = None
    heartbeat: float = HEARTBEAT_S
    _pages: dict[int, _Live] = field(default_factory=dict)
    _bars: Bars | None = None

    def __post_init__(self) -> None:
        self.live = self.stream.isatty() if self.live is None else self.live

    def line(self, text: str) -> None:
        """Write one line, above the bars if there are some."""
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=self.stream, flush=True)

    def start(self, job: int, label: str) -> None:
        """Say that a job starts."""
        now = time.monotonic()
        page = self._pages[job] = _Live(label, now, now)
        if self.live:
            self._bars = self._bars or _bars(self.stream)
            page.bar = self._bars.add_task(label, total=None)
        self.line(f"start  {label}")

    def cell(self, job: int, number: int | None = None, cells: int | None = None) -> None:
        """Take note of the cell a job is in."""
        page = self._pages[job]
        page.cell, page.cells = number or page.cell, cells or page.cells
        if self._bars is not None and page.bar is not None:
            self._bars.update(page.bar, completed=page.cell, total=page.cells)

    def end(self, job: int, word: str, detail: str) -> None:
        """Say that a job has ended: ``word`` is done or FAILED."""
        page = self._pages.pop(job)
        if self._bars is not None and page.bar is not None:
            self._bars.remove_task(page.bar)
        self.line(f"{word:<5}  {page.label}  {time.monotonic() - page.since:.1f} s{detail}")

    def tick(self) -> None:
        """Draw the bars again, or write the heartbeat lines that are due."""
        if self._bars is not None:
            self._bars.refresh()
            return
        now = time.monotonic()
        for page in self._pages.values():
            if now - page.beat >= self.heartbeat:
                page.beat = now
                where = f"in cell {page.cell} of {page.cells}, " if page.cells else ""
                self.line(f"       {page.label}  {where}{now - page.since:.0f} s")

    def close(self) -> None:
        """Take the bars away; the next start brings them back."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


def _bars(stream: TextIO) -> Bars:
    """Return bars below the lines of a terminal, shown from now on; they are drawn when they are told to."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(file=stream, force_terminal=True)
    bars = Progress(*columns, console=console, auto_refresh=False, transient=True)
    bars.start()
    return bars
