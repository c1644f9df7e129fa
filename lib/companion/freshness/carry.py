"""Carry: stored runs that an edit of the library made stale, but that a comparison shows it did not change.

The page runs at smoke with the code of the run and with today's. Only if everything it shows is equal to the bit,
and every changed line was executed, a sidecar beside the record says so; the record stays as it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from companion.book.ledger import load_ledger
from companion.book.pages import Page
from companion.errors import CompanionError
from companion.evidence.notebook_text import patterns_of
from companion.evidence.record import load_record
from companion.freshness.bench import PROFILE, Bench, Side
from companion.freshness.changes import Changes, changes
from companion.freshness.fingerprint import fingerprint
from companion.freshness.identical import Compared, compare
from companion.freshness.sidecar import Sidecar, record_hash, write_sidecar
from companion.freshness.stored import Stored, obstacle, own_digest, stored_runs
from companion.freshness.tracing import seen
from companion.machine import git_state
from companion.run.progress import Progress

__all__ = ["Report", "carry"]

TODAY = "today"
SIDES = ("its own code", "today's code")


@dataclass(frozen=True)
class Report:
    """What became of a page: a line for each run carried, a sentence for whatever stood in the way."""

    carried: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def carry(page: Page, *, today: datetime | None = None, progress: Progress | None = None) -> Report:
    """Carry the stale runs of ``page`` to today's library and write their sidecars; ``today`` is the time of the
    carry.

    Raises :class:`CompanionError` where the page or a ledger has an error.
    """
    today, progress = today or datetime.now(UTC), progress or Progress()
    stored = stored_runs(page.root, [page])
    if not stored:
        return Report(refused=(f"{page.id}: expected a stored run to carry, found none",))
    waiting = [one for one in stored if not one.speaks]
    if not waiting:
        return Report(refused=(f"{page.id}: expected a stale run to carry, found that every stored run is fresh",))
    if PROFILE not in page.settings or page.settings[PROFILE].not_attempted:
        return Report(refused=(f"{page.id}: expected a run at {PROFILE} to compare by, found none in runs.yml",))
    found = {one.label: obstacle(one, today) for one in waiting}
    refused = [sentence for sentence in found.values() if sentence]
    waiting = [one for one in waiting if not found[one.label]]
    carried: list[str] = []
    with tempfile.TemporaryDirectory(prefix="companion-carry-") as folder:
        bench = Bench(page, Path(folder), progress)
        while waiting:
            group, sentences = _group(bench, waiting)
            waiting = [one for one in waiting if one not in group]
            if not sentences:
                progress.line(
                    f"carry  {', '.join(one.label for one in group)}: {PROFILE} with the code of "
                    f"{group[0].commit[:7]}, then with today's"
                )
                lines, sentences = _carried(bench, group, today)
                carried += lines
            refused += sentences
    return Report(tuple(carried), tuple(refused))


def _group(bench: Bench, waiting: list[Stored]) -> tuple[list[Stored], list[str]]:
    """Return the runs that have the code of the first one's commit, or the first with what is wrong with it."""
    first = waiting[0]
    try:
        page = bench.state(first.commit, first.commit)
    except CompanionError as error:
        return [first], [f"{first.label}: {error}"]
    group = [one for one in waiting if own_digest(one, page) == one.record.fingerprint["digest"]]
    if first not in group:
        return [first], [
            f"{first.label}: expected the fingerprint of its record from the code of {first.commit[:12]}, "
            "found another"
        ]
    return group, []


def _carried(bench: Bench, group: list[Stored], today: datetime) -> tuple[list[str], list[str]]:
    """Compare the code of ``group`` with today's and write the sidecars; return a line for each, or what was found
    against it.
    """
    page, commit = bench.page, group[0].commit
    pages = bench.state(commit), bench.state(TODAY)
    changed = changes(pages[0].root, pages[1].root, *pages)
    if changed.values:
        return [], [f"{page.id}: {sentence}" for sentence in changed.values]
    if not changed.old and not changed.new:
        return [], [f"{page.id}: expected changed lines of the library, found none that a run could execute"]
    sides = []
    for name, whose in zip((commit, TODAY), SIDES, strict=True):
        try:
            sides.append(bench.side(name))
        except CompanionError as error:
            return [], [f"{page.id}: expected both runs to succeed, found that {whose} failed: {error}"]
    missing, exempt = _unexecuted(changed, sides)
    compared = _compared(page, *sides)
    if compared.difference:
        return [], [f"{page.id}: expected two runs equal to the bit, found a difference in {compared.difference}"]
    if missing:
        return [], [f"{page.id}: {sentence}" for sentence in missing]
    if moved := [one.label for one in group if _moved(one, pages[1])]:
        return [], [f"{', '.join(moved)}: expected page and record to stay as they were, found them changed"]
    for one in group:
        write_sidecar(one.sidecar, _sidecar(one, commit, changed, exempt, sides, compared, today))
    statements = len(changed.old) + len(changed.new)
    much = (
        f"{compared.checks} checks, {compared.notes} notes, {compared.outputs} outputs and {compared.figures} "
        f"figures are equal to the bit; {statements} changed statements, {len(exempt)} of them not executed since "
        "they can only raise"
    )
    return [f"{one.label}, run of {one.record.started[:10]} at {one.commit[:7]}: {much}" for one in group], []


def _unexecuted(changed: Changes, sides: Sequence[Side]) -> tuple[list[str], list[str]]:
    """Return a sentence for each changed line that its side did not execute, and the lines that can only raise.

    So does a check that one side alone has and that did not run at all: every statement that calls it is a changed
    one, and was not executed either.
    """
    missing, exempt = [], []
    for lines, side, whose in zip((changed.old, changed.new), sides, SIDES, strict=True):
        ran = {line for line in lines if seen(side.lines, line.path, line.first, line.last)}
        begun = {line.symbol for line in ran if line.kind == "check"}
        for line in lines:
            if line in ran:
                continue
            if line.kind == "raises" or (line.kind == "check" and line.symbol not in begun):
                exempt.append(f"{line} ({whose})")
            else:
                missing.append(
                    f"expected every changed line to be executed at {PROFILE}, found that {whose} "
                    f"leaves out {line}"
                )
    return missing, exempt


def _compared(page: Page, old: Side, new: Side) -> Compared:
    claims = load_ledger(page.root, page.chapter).claims
    clocks = {claim.id for claim in claims if claim.clock}
    compared = compare(old.notebook, new.notebook, patterns_of(page.root), clocks)
    if compared.difference is None and old.record.parameters != new.record.parameters:
        return Compared(0, 0, 0, 0, "the parameters of the page")
    return compared


def _moved(one: Stored, tested: Page) -> bool:
    """Tell whether page or record are no longer what they were when the carry began, or not what was tested."""
    record = load_record(one.page.root, one.record.profile, one.page.chapter, one.page.name, one.results)
    now = fingerprint(one.page, one.record.profile, one.overrides)["digest"]
    return record != one.record or not now == own_digest(one, tested) == one.now["digest"]


def _sidecar(
    one: Stored,
    commit: str,
    changed: Changes,
    exempt: Iterable[str],
    sides: Sequence[Side],
    compared: Compared,
    today: datetime,
) -> Sidecar:
    state = git_state(one.page.root)
    lines: Mapping[str, frozenset[int]] = sides[1].lines
    return Sidecar(
        page=one.page.id,
        profile=one.record.profile,
        record_sha256=record_hash(one.record),
        notebook_sha256=one.record.notebook_sha256,
        before={"digest": one.record.fingerprint["digest"], "commit": commit},
        after={"digest": one.now["digest"], "commit": state[0], "dirty": state[1]},
        symbols=list(changed.symbols),
        exempt=list(exempt),
        smoke={"from": sides[0].record.notebook_sha256, "to": sides[1].record.notebook_sha256},
        compared={
            "checks": compared.checks,
            "notes": compared.notes,
            "outputs": compared.outputs,
            "figures": compared.figures,
            "lines": sum(len(numbers) for numbers in lines.values()),
        },
        machine=sides[1].record.device,
        versions=dict(sides[1].record.versions),
        date=today.isoformat(timespec="seconds"),
    )
