"""What is shown while pages run: plain lines where nobody looks, bars that leave no trace on a terminal."""

from __future__ import annotations

import io
import re

import pytest

from companion.run.progress import Progress

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def told(live: bool) -> str:
    """Return what a short run writes."""
    stream = io.StringIO()
    progress = Progress(stream, live=live, heartbeat=0.0)
    progress.line("skip   toy/paper")
    progress.start(0, "toy/orders [smoke]")
    progress.cell(0, cells=7)
    progress.cell(0, 2)
    progress.tick()
    progress.end(0, "done", ", 1 claim checked")
    progress.close()
    return stream.getvalue()


def test_without_a_terminal_there_are_plain_lines() -> None:
    lines = [re.sub(r"\d+(\.\d)? s", "N s", line) for line in told(live=False).split("\n")]
    assert lines == [
        "skip   toy/paper",
        "start  toy/orders [smoke]",
        "       toy/orders [smoke]  in cell 2 of 7, N s",
        "done   toy/orders [smoke]  N s, 1 claim checked",
        "",
    ]


def test_on_a_terminal_a_bar_counts_cells_and_goes() -> None:
    text = told(live=True)
    plain = ESCAPE.sub("", text)
    assert re.search(r"toy/orders \[smoke\] .* 2/7 0:00:0\d", plain)
    assert "start  toy/orders [smoke]\n" in plain and ", 1 claim checked\n" in plain
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1, "the cursor is hidden and shown again"


@pytest.mark.parametrize("live", [True, False])
def test_closing_twice_is_no_fault(live: bool) -> None:
    progress = Progress(io.StringIO(), live=live)
    progress.start(0, "toy/orders")
    progress.close()
    progress.close()
