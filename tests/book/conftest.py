"""What the tests of the built book share: the book, its addresses, the browser, and one plain line about the gate.

The folder is ``COMPANION_HTML``, else ``_build/html`` of the checkout; without either the book is built strictly.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from companion.errors import CompanionError
from companion.site import checks
from companion.site.browser import chromium, find_chromium
from companion.site.building import build_strictly

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> checks.Site:
    """The built book."""
    named = os.environ.get("COMPANION_HTML")
    folder = Path(named) if named else ROOT / "_build" / "html"
    if not named and not folder.is_dir():
        folder = build_strictly(ROOT, tmp_path_factory.mktemp("book"))
    assert (folder / "index.html").is_file(), f"expected a built book in {folder}, found no index.html: make book"
    return checks.Site(folder)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of a process; where there is none, each test that asks for it is skipped."""
    try:
        find_chromium()
    except CompanionError as error:
        pytest.skip(f"NO BROWSER: {error}")
    with chromium() as found:
        yield found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what the gate saw, or that it saw nothing."""
    stats = terminalreporter.stats
    reports = {
        kind: [report for report in stats.get(kind, []) if "test_browser.py::test_page" in report.nodeid]
        for kind in ("passed", "failed", "skipped", "error")
    }
    reasons = [str(report.longrepr[2]) for report in reports["skipped"] if isinstance(report.longrepr, tuple)]
    if reasons:
        terminalreporter.write_line(
            f"BROWSER GATE SKIPPED, {len(reasons)} pages not looked at: "
            + reasons[0].removeprefix("Skipped: ").removeprefix("NO BROWSER: ")
        )
    elif seen := sum(map(len, reports.values())):
        faulty = len(reports["failed"]) + len(reports["error"])
        terminalreporter.write_line(
            f"Browser gate: {seen} pages, each in light and dark at 1300 and 390 px, {faulty} with findings"
        )
