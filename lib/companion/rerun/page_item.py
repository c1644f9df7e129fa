"""The page as a whole, once nbval has run its cells: what they gave, beside what is stored and accepted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from companion.clocks import clock_note
from companion.errors import DocumentError, RunError
from companion.evidence.machines import load_allowances
from companion.evidence.record import extract, noted
from companion.evidence.soundness import flaws, notebook_problems
from companion.rerun.audit import replaced
from companion.rerun.figures import figure_difference
from companion.rerun.numbers import number_findings, turned, verdict_findings
from companion.run.tidy import tidy

__all__ = ["MARK", "PageItem"]

MARK = "companion"
"""Name of the property in which a page's item reports what was compared."""


class PageItem(pytest.Item):
    """The page as a whole: verdicts, values, intervals, notes, figures, and that nothing is left out."""

    parent: Any
    """The file, a :class:`companion.rerun.items.PageFile`."""

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the item is, for pytest."""
        return self.path, 0, self.parent.label

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """Return the findings as they are, one a line."""
        return str(excinfo.value) if isinstance(excinfo.value, RunError) else super().repr_failure(excinfo, style)

    def runtest(self) -> None:
        """Judge what the cells gave; raise :class:`RunError` with one line for each finding."""
        file = self.parent
        findings = list(file.trouble)
        done: dict[str, Any] = {"page": file.label, "claims": 0, "numbers": 0, "cells": 0, "figures": 0}
        if file.stored is not None:
            done["exact"] = file.stored.exact
            if not self.config.getoption("verdicts_only"):
                done["cells"] = sum(cell.pair.stored is not None for cell in file.cells)
                figures, unlike = _figures(file)
                done["figures"] = figures
                findings += unlike
            if file.kernel is not None and file.kernel.is_alive():
                findings += [
                    f"after the last cell {line}"
                    for line in replaced(file.kernel.kc, file.stored.page.root / "lib")
                ]
            numbers, unlike = _numbers(file, verdicts_only=self.config.getoption("verdicts_only"))
            done.update(numbers)
            findings += unlike
        if hasattr(file, "started"):
            done["seconds"] = round(time.monotonic() - file.started, 1)
        self.user_properties.append((MARK, done))
        if findings:
            raise RunError("\n".join(f"{file.label}: {line}" for line in findings))


def _figures(file: Any) -> tuple[int, list[str]]:
    """Return how many figures were compared, and a line for each cell with one that differs."""
    count, found = 0, []
    for cell in file.cells:
        exact = file.stored.exact
        if cell.test_outputs is None or cell.pair.clock or (not exact and file.stored.trains):
            continue
        compared, line = figure_difference(cell.pair.outputs, cell.test_outputs, exact=exact)
        count += compared
        found += [f"code cell {cell.cell_num}, {line}"] if line else []
    return count, found


def _numbers(file: Any, *, verdicts_only: bool) -> tuple[Mapping[str, Any], list[str]]:
    """Return how many claims and numbers were compared, which turned, and a line for each finding."""
    stored, record = file.stored, file.stored.record
    page, profile = stored.page.name, record.profile
    found = [f"stored run: {line}" for line in flaws(file.path, record, stored.ledger)]
    found += [f"code cell {cell.cell_num} was not run" for cell in file.cells if cell.test_outputs is None]
    fresh = _fresh(file)
    # verdict_findings tells of claims left out or out of place
    problems = notebook_problems(fresh, page, profile, stored.ledger, coverage=False)
    found += [f"fresh run: {line}" for line in problems]
    try:
        checks, values = extract(fresh)
    except RunError:
        return {}, found  # already among the notebook's problems
    now = replace(record, checks=checks, values=values)
    done: dict[str, Any] = {"claims": len(checks)}
    try:
        allowances = None if stored.exact else load_allowances(stored.page.root, stored.page.chapter)
    except DocumentError as error:
        return done, [*found, *verdict_findings(stored.ledger, page, now), *error.problems]
    borderline = turned(stored.ledger, now, record, allowances)
    done["turned"] = list(borderline.values())
    found += verdict_findings(stored.ledger, page, now, borderline)
    if not verdicts_only:
        clocked = noted(
            [
                output
                for cell in file.cells
                if cell.pair.clock
                for output in [*cell.pair.outputs, *(cell.test_outputs or [])]
            ]
        )
        found += number_findings(stored.ledger, page, now, record, allowances, clocked, borderline)
        clocked |= {name for name in values if clock_note(name)}
        done["numbers"] = len(checks) + len({*values} - clocked)
    return done, found


def _fresh(file: Any) -> Any:
    """Return a notebook of what the cells gave, made fit for comparison as a stored one is."""
    cells = [
        nbformat.v4.new_code_cell(cell.pair.source, outputs=cell.test_outputs or [], execution_count=number)
        for number, cell in enumerate(file.cells, 1)
    ]
    page = file.stored.page
    source = page.source.relative_to(page.root).as_posix()
    return tidy(nbformat.v4.new_notebook(cells=cells), page.name, source, file.stored.record.profile)
