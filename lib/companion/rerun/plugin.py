"""A pytest plugin: ``pytest --nbval -p companion.rerun.plugin results/smoke`` runs the pages of stored runs again.

nbval runs the cells and compares what they show; the plugin hands it the page's present cells and the kernel of a
run, and adds an item a page for verdicts, numbers, figures and coverage. Other notebooks stay nbval's own.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from nbval.plugin import IPyNbFile

from companion.errors import counted
from companion.rerun.items import PageFile, place_of
from companion.rerun.page_item import MARK
from companion.rerun.warm.pool import cool_down

__all__ = ["Reporter"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the plugin."""
    group = parser.getgroup("companion", "stored runs of the book")
    group.addoption(
        "--verdicts-only",
        action="store_true",
        help="compare verdicts only: for other versions of packages than those of the stored runs",
    )
    group.addoption(
        "--cold",
        action="store_true",
        help="start every kernel afresh: shows what a kernel with its packages imported cannot",
    )


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Any, parent: pytest.Collector) -> Generator[None, Any, list[Any]]:
    """Collect stored runs by :class:`PageFile`."""
    found = yield
    return [
        PageFile.from_parent(parent, path=file_path) if type(one) is IPyNbFile and place_of(file_path) else one
        for one in found
    ]


def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Show no dot for what passes: each page has its line."""
    if report.when == "call" and report.outcome == "passed":
        return "passed", "", "PASSED"
    return None


class Reporter:
    """Writes a line a page, and what was compared at the end; lives where the terminal is."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.pages: list[dict[str, Any]] = []
        self.failed = 0

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note what a page's item says."""
        self.failed += report.failed
        done = dict(report.user_properties).get(MARK) if report.when == "call" else None
        if done is None:
            return
        self.pages.append(done)
        terminal: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        seconds = f"{done['seconds']:6.1f} s, " if "seconds" in done else ""
        terminal.write_line(
            f"{'done ' if not report.failed else 'FAILED'}  {done['page']}  {seconds}"
            f"{counted(done['claims'], 'claim')}, {counted(done['cells'], 'cell')}"
        )

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Write what was compared, and by which rule."""
        for line in [line for page in self.pages for line in page.get("turned", ())]:
            terminalreporter.write_line(f"at the border, and rounding turns it on this machine: {line}")
        if self.pages:
            terminalreporter.write_line(self.summary)

    @property
    def summary(self) -> str:
        """The last line: counts and outcome."""
        pages = self.pages
        what = f"{counted(_sum(pages, 'claims'), 'claim')} on {counted(len(pages), 'page')}"
        if not self.config.getoption("verdicts_only"):
            exact = sum(page.get("exact", False) for page in pages)
            what += (
                f", {counted(_sum(pages, 'numbers'), 'number')}, the outputs of "
                f"{counted(_sum(pages, 'cells'), 'cell')} and {counted(_sum(pages, 'figures'), 'figure')} "
                f"({exact} of {counted(len(pages), 'page')} to the bit)"
            )
        if self.failed:
            return f"verified {what}: {counted(self.failed, 'item')} with differences"
        if self.config.getoption("verdicts_only"):
            return f"verified {what}: every verdict is as accepted"
        return f"verified {what}: every verdict is as accepted, every number and output as stored"


def _sum(pages: list[dict[str, Any]], name: str) -> int:
    return sum(page.get(name, 0) for page in pages)


def pytest_configure(config: pytest.Config) -> None:
    """Register the reporter where the terminal is, not in the workers."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter(config), "companion-reporter")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what keeps kernels warm."""
    cool_down(config)
