"""The scorecards as plain data: one row for each claim of the book, with its verdicts, records and their states;
what papers claim, what third parties report and what only this book says are counted apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from companion.book.ledger import CONSTRUCTION, GROUPS, Claim, load_ledger, words_of
from companion.book.pages import Page, load_runs
from companion.book.toc import chapters
from companion.errors import CheckError, CompanionError
from companion.evidence.judging import Checked
from companion.evidence.record import Record, load_record
from companion.evidence.rejudging import judged_again
from companion.evidence.soundness import difference
from companion.evidence.verdict import HOLDS
from companion.freshness.known import Known
from companion.freshness.state import CARRIED, STALE, WORDS, State, state_of
from companion.report.scales import Share, shares
from companion.root import PROFILES, claims_path, runs_path
from companion.text import write_text

__all__ = [
    "ALL",
    "NOT_RUN",
    "Row",
    "by_chapter",
    "by_construction",
    "claim_rows",
    "counted_groups",
    "counts",
    "markdown",
    "records_of",
    "summary",
    "write_markdown",
]

MARKS = ("<!-- scorecard -->", "<!-- /scorecard -->")
"""What stands around the generated table in a Markdown file."""
ALL = "all"
"""What stands in the place of a chapter in the last line of a scorecard."""
NOT_RUN = "not run"
"""Headline of a claim that a profile should check, but for which no run is stored yet."""


@dataclass(frozen=True)
class Row:
    """One claim: per profile its verdict, record and state, and the headline that the scorecard counts."""

    chapter: str
    claim: Claim
    verdicts: Mapping[str, str]
    """Profile -> verdict on the stored numbers, else the ledger's ``not attempted`` or ``quoted``, else ``not
    run``.
    """
    records: Mapping[str, Record]
    """Profile -> record, for the profiles at which numbers for this claim are stored that the ledger can judge."""
    checks: Mapping[str, Checked]
    """Profile -> those numbers, judged by today's ledger, for the same profiles."""
    refusals: Mapping[str, str]
    """Profile -> why the numbers stored there cannot be judged any more."""
    states: Mapping[str, State]
    """Profile -> whether what was found there is fresh, carried or stale, for the same profiles."""
    profile: str | None
    """The profile of the headline: the most demanding one with a stored check; None if there is none."""
    verdict: str
    """The headline verdict."""
    shares: Mapping[str, Share] = field(default_factory=dict)
    """Profile -> how large its run is beside the paper's, where the ledger says so."""

    @property
    def record(self) -> Record | None:
        """The headline's record."""
        return self.records.get(self.profile) if self.profile else None

    @property
    def check(self) -> Checked | None:
        """The headline's check: value, interval, verdict …"""
        return self.checks.get(self.profile) if self.profile else None

    @property
    def group(self) -> str:
        """The scorecard that counts it, a key of ``GROUPS``."""
        return self.claim.group

    @property
    def share(self) -> Share | None:
        """The headline's share of the paper's scale; None where it has none, or nothing was run."""
        return self.shares.get(self.profile) if self.profile else None

    @property
    def differences(self) -> list[str]:
        """The verdicts on this claim that are not the accepted ones, and why others cannot be given."""
        lines = [difference(self.claim, profile, check) for profile, check in self.checks.items()]
        return [*(line for line in lines if line), *self.refusals.values()]

    @property
    def reasons(self) -> dict[str, list[str]]:
        """Profile -> why what was found there is stale; empty when it is not."""
        return {profile: state.reasons for profile, state in self.states.items()}

    @property
    def state(self) -> str | None:
        """The worst state of this claim at any profile, in a word; None where nothing is stored."""
        return max((state.word for state in self.states.values()), key=WORDS.index, default=None)

    @property
    def stale(self) -> bool:
        """Whether this claim is stale at any profile."""
        return self.state == STALE

    @property
    def carried(self) -> bool:
        """Whether this claim rests on a carried run at some profile, and is stale at none."""
        return self.state == CARRIED


def records_of(page: Page, known: Known | None = None) -> dict[str, tuple[Record, State]]:
    """Return profile -> (record, its state) of a page's stored runs; what is ``known`` is not derived again."""
    found = {}
    for profile in PROFILES:
        record = load_record(page.root, profile, page.chapter, page.name)
        if record is not None:
            found[profile] = (record, known.state(record, page) if known else state_of(record, page))
    return found


def claim_rows(
    root: Path,
    chapter: str | None = None,
    records: Callable[[Page], Mapping[str, tuple[Record, State]]] | None = None,
) -> list[Row]:
    """Return one row for each claim, in the order of the book and of its ledgers; ``records`` finds the stored
    runs of a page (default: :func:`records_of`, with what was found fresh before).
    """
    if records is None:
        known = Known(root)
        found = claim_rows(root, chapter, partial(records_of, known=known))
        known.store()
        return found
    rows = []
    for name in [chapter] if chapter else chapters(root):
        if not claims_path(root, name).is_file():
            continue
        pages = load_runs(root, name) if runs_path(root, name).is_file() else {}
        stored = {page.name: records(page) for page in pages.values()}
        ledger = load_ledger(root, name)
        for claim in ledger.claims:
            page = pages.get(claim.page or "")
            rows.append(_row(name, claim, stored.get(claim.page or "", {}), shares(ledger, claim, page)))
    return rows


def _row(
    chapter: str, claim: Claim, stored: Mapping[str, tuple[Record, State]], shares: Mapping[str, Share]
) -> Row:
    checks, refusals = {}, {}
    for profile, (record, _) in stored.items():
        if claim.id in record.checks:
            try:
                checks[profile] = judged_again(claim, profile, record.checks[claim.id])
            except CheckError as error:
                refusals[profile] = str(error)
    own = {profile: pair for profile, pair in stored.items() if profile in checks}
    verdicts = {}
    for profile in PROFILES:
        if profile in own:
            verdicts[profile] = checks[profile].verdict
        elif profile in claim.expect:
            verdicts[profile] = claim.expect[profile].verdict or NOT_RUN
    demanding = [profile for profile in reversed(PROFILES) if profile in own]
    if demanding:
        headline = verdicts[demanding[0]]
    else:
        headline = next((verdicts[p] for p in reversed(PROFILES) if verdicts.get(p, NOT_RUN) != NOT_RUN), NOT_RUN)
    return Row(
        chapter,
        claim,
        verdicts,
        {p: pair[0] for p, pair in own.items()},
        checks,
        refusals,
        {p: pair[1].of(claim) for p, pair in own.items()},
        demanding[0] if demanding else None,
        headline,
        shares,
    )


def counts(rows: Iterable[Row], group: str) -> dict[str, int]:
    """Return how many rows of a group have each headline verdict, in the fixed order of the verdicts (zeros
    included).
    """
    headlines = [row.verdict for row in rows if row.group == group]
    total = {verdict: headlines.count(verdict) for verdict in words_of(group)}
    return {**total, NOT_RUN: headlines.count(NOT_RUN)} if NOT_RUN in headlines else total


def by_chapter(rows: Iterable[Row], group: str) -> dict[str, dict[str, int]]:
    """Return the counts of each chapter with claims of a group, in the order of the book, and last under
    :data:`ALL` those of all; they have the same verdicts in the same order.
    """
    rows = [row for row in rows if row.group == group]
    total = counts(rows, group)
    numbers = {}
    for name in dict.fromkeys(row.chapter for row in rows):
        own = counts((row for row in rows if row.chapter == name), group)
        numbers[name] = {verdict: own.get(verdict, 0) for verdict in total}
    return {**numbers, ALL: total}


def counted_groups(rows: Iterable[Row]) -> list[str]:
    """Return the groups that have a scorecard, of those that occur."""
    present = {row.group for row in rows}
    return [group for group in GROUPS if group in present and group != CONSTRUCTION]


def by_construction(rows: Iterable[Row]) -> str:
    """Return the line about the claims that no scorecard counts; empty where there are none."""
    held = [row for row in rows if row.group == CONSTRUCTION]
    if not held:
        return ""
    broken = sum(row.verdict != HOLDS for row in held)
    text = f"Not counted: {len(held)} that hold by construction, or are unit tests"
    return f"{text}; of these {broken} do not hold." if broken else f"{text}; all hold."


def summary(root: Path) -> str:
    """Return the scorecards as plain text: for each group one line a chapter, then the total."""
    rows = claim_rows(root)
    if not rows:
        return "no claims yet"
    text = []
    for group in counted_groups(rows):
        lines = _lines(rows, group)
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text.append(GROUPS[group])
        for head, *cells in lines:
            numbers = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
            text.append("  ".join(["", head.ljust(widths[0]), *numbers]))
    carried, old = sum(row.carried for row in rows), sum(row.stale for row in rows)
    rest = [f"on a carried run: {carried}"] if carried else []
    rest += [f"on a stale run: {old} (companion stale says why)"] if old else []
    last = [by_construction(rows), f"claims that rest {'; '.join(rest)}" if rest else ""]
    return "\n".join([*text, *filter(None, last)])


def markdown(root: Path) -> str:
    """Return the scorecards as Markdown, without a newline at its end."""
    rows = claim_rows(root)
    parts = []
    for group in counted_groups(rows):
        lines = [f"| {' | '.join(line)} |" for line in _lines(rows, group)]
        rule = "|---" + "|---:" * (lines[0].count("|") - 2) + "|"
        parts.append("\n".join([f"**{GROUPS[group]}**", "", lines[0], rule, *lines[1:]]))
    return "\n\n".join([*parts, *filter(None, [by_construction(rows)])])


def write_markdown(root: Path, path: Path) -> bool:
    """Put the table between the scorecard marks of the file at ``path``; return whether that changed it.

    Raises ``CompanionError`` where the file lacks the marks.
    """
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    before, start, rest = text.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not start or not end:
        raise CompanionError(
            f"{path.name}: expected the marks {MARKS[0]} and {MARKS[1]}, found at most one of them"
        )
    fresh = f"{before}{start}\n{markdown(root)}\n{end}{after}"
    if fresh != text:
        write_text(path, fresh)
    return fresh != text


def _lines(rows: list[Row], group: str) -> list[list[str]]:
    """Return the head, one line for each chapter with claims of the group, and the total, as text."""
    numbers = by_chapter(rows, group)
    return [
        ["chapter", *numbers[ALL]],
        *([name, *(str(number) for number in own.values())] for name, own in numbers.items()),
    ]
