"""A fresh run against what was accepted and stored: every difference is a finding, in either direction."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from companion.errors import counted
from companion.evidence import difference, flaws, measured
from companion.fingerprint import same_code
from companion.ledger import Ledger, load_ledger
from companion.outputs import compare_outputs, read_patterns
from companion.pages import Page
from companion.progress import Progress
from companion.record import Record, load_record
from companion.rejudging import judged, refusals
from companion.root import notebook_path
from companion.runner import Outcome, plan, run

__all__ = ["Report", "compare", "verify"]

OUTPUTS_PROFILE = "smoke"
"""The profile at which everything that a page shows is compared: its sizes leave no room for other digits."""
NOTE_TOLERANCE = 1e-2
"""Largest relative difference between a noted number of a fresh run and the stored one."""
CLOCK = "time_"
"""A noted number whose name begins so was measured by a clock: it has to be there, its value may differ."""


@dataclass(frozen=True)
class Report:
    """What a verification found: one line for each difference, and how many pages, claims and cells' outputs
    were compared.
    """

    findings: tuple[str, ...]
    pages: int
    claims: int
    cells: int = 0

    @property
    def summary(self) -> str:
        """The last line: counts and outcome."""
        what = f"{counted(self.claims, 'claim')} on {counted(self.pages, 'page')}"
        if self.cells:
            what += f" and the outputs of {counted(self.cells, 'cell')}"
        if not self.findings:
            outputs = ", every output as stored" if self.cells else ""
            return f"verified {what}: every verdict is as accepted and as stored{outputs}"
        return f"verified {what}: {counted(len(self.findings), 'difference')}"


def verify(
    pages: Sequence[Page],
    profile: str = "smoke",
    workers: int = 1,
    progress: Progress | None = None,
    *,
    outputs: bool = True,
) -> Report:
    """Run ``pages`` at ``profile`` into a temporary folder and compare with the ledger and the stored runs.

    With ``outputs`` what the cells print and show is compared too, at smoke.
    """
    with tempfile.TemporaryDirectory(prefix="companion-verify-") as folder:
        jobs = plan(pages, profile, out=Path(folder), strict=False, progress=progress)
        outcomes = run(jobs, workers, progress)
        found, claims, cells = [], 0, 0
        for outcome in outcomes:
            page = outcome.job.page
            ledger = load_ledger(page.root, page.chapter)
            claims += len(ledger.expected(page.name, profile))
            found += _outcome_findings(outcome, ledger, Path(folder))
            if outputs and profile == OUTPUTS_PROFILE and outcome.record is not None:
                count, differences = _output_findings(page, profile, Path(folder))
                cells += count
                found += differences
    if not outcomes:
        found.append(f"expected a page with a run at {profile}, found none")
    elif not claims:
        found.append(f"expected a claim to be checked at {profile}, found none")
    return Report(tuple(found), len(outcomes), claims, cells)


def _outcome_findings(outcome: Outcome, ledger: Ledger, folder: Path) -> Iterable[str]:
    page, profile = outcome.job.page, outcome.job.profile
    if outcome.record is None:
        yield outcome.error or f"page {page.id} ({profile}): expected a finished run, found none"
        return
    fresh = notebook_path(folder, profile, page.chapter, page.name)
    yield from (    # compare() tells of claims left out or out of place
        f"{page.id} ({profile}), fresh run: {problem}"
        for problem in flaws(fresh, outcome.record, ledger, coverage=False)
    )
    stored = load_record(page.root, profile, page.chapter, page.name)
    if stored is None:
        yield f"{page.id} ({profile}): expected a stored run, found none"
    else:
        path = notebook_path(page.root / "results", profile, page.chapter, page.name)
        yield from (
            f"{page.id} ({profile}), stored run: {problem}" for problem in flaws(path, stored, ledger)
        )
    yield from compare(ledger, page.name, profile, outcome.record, stored)


def _output_findings(page: Page, profile: str, folder: Path) -> tuple[int, list[str]]:
    """Return how many cells of a fresh run were compared with the stored ones, and where they differ."""
    stored, fresh = (
        _notebook(notebook_path(results, profile, page.chapter, page.name))
        for results in (page.root / "results", folder)
    )
    if stored is None or fresh is None:
        return 0, []    # the other findings tell of it
    file = page.root / "tests" / "nbval.cfg"
    patterns = read_patterns(file.read_text(encoding="utf-8")) if file.is_file() else []
    record = load_record(page.root, profile, page.chapter, page.name)
    same = record is not None and same_code(record, page)
    count, found = compare_outputs(stored, fresh, patterns, same_code=same)
    return count, [f"{page.id} ({profile}), {line}" for line in found]


def _notebook(path: Path) -> dict[str, Any] | None:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return notebook if isinstance(notebook, dict) and isinstance(notebook.get("cells"), list) else None


def compare(ledger: Ledger, page: str, profile: str, fresh: Record, stored: Record | None) -> list[str]:
    """Return one line for each claim whose fresh verdict differs from the accepted or the stored one, or is
    missing, and on pages without claims about training for each noted number that is not the stored one.
    """
    found = []
    verdicts, refused = judged(ledger, fresh), refusals(ledger, fresh)
    before = judged(ledger, stored) if stored else {}
    expected = {claim.id: claim.expect[profile] for claim in ledger.judged(page, profile)}
    for id in [*expected, *(id for id in fresh.checks if id not in expected)]:
        label = f"{id} ({profile})"
        if id not in fresh.checks:
            if not expected[id].checkable:
                continue
            found.append(f"{label}: expected a check on page {page}, found none")
            continue
        if id not in expected:
            found.append(f"{label}: expected an entry in the ledger for the check on page {page}, found none")
            continue
        if id in refused:
            found.append(refused[id])
            continue
        check = verdicts[id]
        if line := difference(ledger.claim(id), profile, check):
            found.append(line)
        if id in before and check.verdict != before[id].verdict:
            found.append(
                f"{label}: stored {before[id].verdict} (value {before[id].value:.6g}), "
                f"found {measured(check, expected[id].text)}"
            )
    trained = any(claim.kind == "training" for claim in ledger.judged(page, profile))
    return found if stored is None or trained else found + _note_findings(page, fresh, stored)


def _note_findings(page: str, fresh: Record, stored: Record) -> list[str]:
    """Return the noted numbers of a deterministic page that differ by more than ``NOTE_TOLERANCE``, or that only
    one of the runs has; of those that a clock measured only the latter.
    """
    found = []
    for name in sorted({*fresh.values, *stored.values}):
        label = f"note {name} ({page}, {fresh.profile})"
        if name not in stored.values:
            found.append(f"{label}: expected it in the stored run too, found it only in the fresh one")
        elif name not in fresh.values:
            found.append(f"{label}: expected it in the fresh run too, found it only in the stored one")
        elif name.startswith(CLOCK):
            continue
        elif not math.isclose(fresh.values[name], stored.values[name], rel_tol=NOTE_TOLERANCE, abs_tol=1e-12):
            found.append(f"{label}: stored {stored.values[name]:.6g}, found {fresh.values[name]:.6g}")
    return found
