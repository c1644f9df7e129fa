"""What each command of the command line does: it prints, and returns the exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from companion.errors import CompanionError, DocumentError, counted
from companion.root import CARRY, register_path

if TYPE_CHECKING:
    from companion.book.pages import Page

__all__ = [
    "carry_command",
    "check_ledger_command",
    "export_command",
    "judge_command",
    "register_command",
    "run_command",
    "scorecard_command",
    "settle_command",
    "stale_command",
    "status_command",
    "vary_command",
    "verify_command",
]


def run_command(root: Path, options: argparse.Namespace) -> int:
    """Run pages and store what they found."""
    from companion.book.ledger import load_ledger
    from companion.book.parameters import parse_value
    from companion.evidence.soundness import differences
    from companion.pieces.commands import pieces_before
    from companion.run.progress import Progress
    from companion.run.runner import plan, run

    overrides = {}
    for item in options.parameters:
        name, sign, text = item.partition("=")
        if not sign or not name:
            raise CompanionError(f"-p: expected NAME=VALUE, found {item!r}")
        if name == "profile":
            raise CompanionError(
                f"-p profile: expected another parameter, since --profile sets this one, found {text!r}"
            )
        overrides[name] = parse_value(text)
    progress = Progress()
    pages = _pages(root, options)
    failed = pieces_before(root, options, pages, progress)
    if options.only:
        return failed
    jobs = plan(
        pages,
        options.profile,
        overrides=overrides,
        out=Path(options.out) if options.out else None,
        resume=options.resume,
        named=bool(options.pages),
        progress=progress,
    )
    outcomes = run(jobs, options.jobs, progress)
    for outcome in outcomes:
        if outcome.record is not None and not outcome.job.overrides:
            for line in differences(load_ledger(root, outcome.record.chapter), outcome.record):
                print(f"verdict differs: {line}")
    return _failures(outcomes) or failed


def _failures(outcomes: Sequence[Any]) -> int:
    """Print what went wrong in runs, and return the exit status."""
    from companion.run.tidy import plain_text

    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    for error in failed:
        print(f"\n{error if sys.stderr.isatty() else plain_text(error)}", file=sys.stderr)
    if failed:
        print(
            f"\ncompanion: {len(failed)} of {len(outcomes)} runs failed; what was stored for them before is "
            "unchanged",
            file=sys.stderr,
        )
    return 1 if failed else 0


def vary_command(root: Path, options: argparse.Namespace) -> int:
    """Run variations again."""
    from companion.errors import nearest
    from companion.run.runner import plan, run
    from companion.run.variations import load_variations, results_of

    known = load_variations(root)
    for id in options.ids:
        if id not in known:
            raise CompanionError(
                f"vary: expected one of {', '.join(known) or 'none'}, found {id!r}{nearest(id, known)}"
            )
    chosen = [known[id] for id in options.ids] or [v for v in known.values() if v.reasons()]
    jobs = [
        job
        for v in chosen
        for job in plan([v.page], v.profile, overrides=v.parameters, out=results_of(v), named=True)
    ]
    return _failures(run(jobs))


def carry_command(root: Path, options: argparse.Namespace) -> int:
    """Carry the stale runs of pages over an edit that changes no number."""
    from companion.book.pages import find_page
    from companion.freshness.carry import carry
    from companion.run.progress import Progress
    from companion.run.tidy import plain_text

    progress, refused = Progress(), 0
    for page in [find_page(root, id) for id in options.pages]:
        report = carry(page, progress=progress)
        for line in report.carried:
            print(f"carried  {line}", flush=True)
        for sentence in report.refused:
            refused += 1
            print(f"not carried: {sentence if sys.stdout.isatty() else plain_text(sentence)}", flush=True)
    return 1 if refused else 0


def verify_command(root: Path, options: argparse.Namespace) -> int:
    """Run pages afresh and compare."""
    from companion.rerun.verify import verify

    if options.pieces:
        from companion.pieces.commands import groups_of
        from companion.pieces.running.recompute import verify_pieces

        return verify_pieces(root, options.pieces, groups=groups_of(root, options))
    return verify(
        _pages(root, options),
        options.profile,
        options.jobs,
        verdicts_only=options.verdicts_only,
        cold=options.cold,
    )


def judge_command(root: Path, options: argparse.Namespace) -> int:
    """Judge every stored number again."""
    from companion.report.judgement import judge_records

    found = judge_records(root, _chapter(root, options))
    print(*found.differing, *found.problems, found.summary, sep="\n")
    return 1 if found.differing or found.problems else 0


def status_command(root: Path, options: argparse.Namespace) -> int:
    """Show every claim."""
    from companion.evidence.pins import pinned
    from companion.report.scorecard import claim_rows
    from companion.report.status import as_json, write_table

    if options.profile:
        from companion.pieces.commands import status_of_pieces

        return status_of_pieces(root, options)
    rows, pins = claim_rows(root, _chapter(root, options)), pinned(root)
    print(as_json(rows, pins)) if options.json else write_table(rows, pins=pins)
    return 0


def scorecard_command(root: Path, options: argparse.Namespace) -> int:
    """Print or write the scorecard."""
    from companion.report.scorecard import summary, write_markdown

    if options.write:
        changed = write_markdown(root, Path(options.write))
        print(f"{options.write}: {'rewritten' if changed else 'already up to date'}")
    else:
        print(summary(root))
    return 0


def export_command(root: Path, options: argparse.Namespace) -> int:
    """Write all claims as open data."""
    from companion.report.export import export

    for path in export(root, Path(options.out)):
        print(path)
    return 0


def stale_command(root: Path, options: argparse.Namespace) -> int:
    """List stored runs that do not speak for the book."""
    from companion.freshness.staleness import findings

    found = findings(root, _chapter(root, options), tuple(options.profile) if options.profile else None)
    for finding in found:
        print(finding)
    print(
        f"{len(found)} findings: companion run --resume runs what is missing or stale"
        if found
        else f"every stored run is fresh{' or carried' if any((root / 'results').rglob(f'*{CARRY}')) else ''}"
    )
    return 1 if found else 0


def settle_command(root: Path, options: argparse.Namespace) -> int:
    """Name the commits of runs with local changes."""
    from companion.freshness.settle import settle

    outcomes = []
    for outcome in settle(root):
        outcomes.append(outcome)
        found = (
            f"settled at {outcome.commit[:12]} of {outcome.date}"
            if outcome.commit
            else ("no commit holds the code it ran: commit that code, or run the page again from a clean commit")
        )
        print(f"{outcome.path.relative_to(root).as_posix()}: {found}")
    failed = sum(outcome.commit is None for outcome in outcomes)
    print(
        f"{len(outcomes) - failed} of {len(outcomes)} records settled"
        if outcomes
        else "every stored record is of a commit or settled"
    )
    return 1 if failed else 0


def register_command(root: Path, options: argparse.Namespace) -> int:
    """Put on record what is new, changed or gone in the ledgers."""
    from companion.book.ledger import load_ledgers
    from companion.book.pages import load_pages
    from companion.register.entries import entries
    from companion.register.lines import LABEL, append, pending, read

    lines, problems = read(root, joining=True)
    if problems and register_path(root).is_file():
        raise DocumentError(problems)
    added = pending(lines, entries(load_ledgers(root), load_pages(root)), options.reason, options.ids)
    if added:
        append(root, added)
    for line in added:
        print(f"{line.event:<8} {line.what} {line.id}")
    print(f"{LABEL}: {counted(len(added), 'line')} added" if added else f"{LABEL} is up to date: nothing to do")
    return 0


def check_ledger_command(root: Path, options: argparse.Namespace) -> int:
    """Check all that can be checked without running anything."""
    from companion.report.book_check import check_book

    found = check_book(root, _chapter(root, options))
    if found.problems:
        raise DocumentError(found.problems)
    print(*found.remarks, found.summary, sep="\n")
    return 0


def _pages(root: Path, options: argparse.Namespace) -> list[Page]:
    """Return the pages named, else all of the chapter or the book."""
    from companion.book.pages import find_page, load_pages

    for id in options.pages:
        chapter = id.partition("/")[0]
        if options.chapter not in (None, chapter):
            raise CompanionError(
                f"page {id}: expected a page of chapter {options.chapter}, found one of {chapter}"
            )
    return [find_page(root, id) for id in options.pages] or load_pages(root, options.chapter)


def _chapter(root: Path, options: argparse.Namespace) -> str | None:
    """Return the chapter asked for, known to exist."""
    from companion.book.pages import load_pages

    if options.chapter:
        load_pages(root, options.chapter)
    return options.chapter
