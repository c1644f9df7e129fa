"""What the commands about pieces do: they print, and return the exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from companion.errors import CompanionError, counted
from companion.pieces.execute import DONE, FAILED, Outcome
from companion.pieces.headlines import as_json, as_lines, headline_counts, minutes_words
from companion.pieces.listing import list_json, list_lines, readme
from companion.pieces.piece import Group, Piece, ordered
from companion.pieces.plan import all_groups, find_groups
from companion.pieces.receipts import pieces_folder
from companion.pieces.state import count, states
from companion.text import write_text

if TYPE_CHECKING:
    from companion.book.pages import Page
    from companion.run.progress import Progress

__all__ = ["groups_of", "pieces_before", "pieces_command", "status_of_pieces"]


def groups_of(root: Path, options: argparse.Namespace) -> list[Group]:
    """Return the groups of the pages or the chapter that were named, else all."""
    from companion.book.pages import find_page

    pages = {find_page(root, id).id for id in options.pages}
    return [
        group
        for group in all_groups(root)
        if (not pages or group.page_id in pages) and options.chapter in (None, group.chapter)
    ]


def pieces_before(root: Path, options: argparse.Namespace, pages: Sequence[Page], progress: Progress) -> int:
    """Compute the pieces that a run at profile paper needs: those of the groups in ``--only``, else of the pages
    that were named; return 1 where one failed.
    """
    asked = [f"--{name}" for name in ("only", "minutes", "on") if getattr(options, name)]
    if options.profile != "paper":
        if asked:
            raise CompanionError(f"{asked[0]}: expected --profile paper beside it, found {options.profile}")
        return 0
    if options.only:
        named = {page.id for page in pages} if options.pages else None
        groups = find_groups(root, options.only, options.chapter or _one_chapter(options.pages))
        if odd := [group for group in groups if named is not None and group.page_id not in named]:
            raise CompanionError(
                f"--only {odd[0].name}: expected a group of {' or '.join(sorted(named or ()))}, "
                f"found one of {odd[0].page_id}"
            )
    elif options.pages:
        groups = [group for group in groups_of(root, options) if group.page_id in {page.id for page in pages}]
    else:
        groups = []
    pieces = ordered(piece for group in groups for piece in group.pieces)
    found = states(root, pieces)
    missing = [piece for piece in pieces if found[piece.id] != DONE]
    return _computed(root, options, missing, progress) if missing else 0


def _one_chapter(pages: Iterable[str]) -> str | None:
    found = {page.partition("/")[0] for page in pages}
    return found.pop() if len(found) == 1 else None


def _computed(root: Path, options: argparse.Namespace, missing: list[Piece], progress: Progress) -> int:
    progress.line(f"pieces {counted(len(missing), 'piece')} to compute, {_minutes(missing)}")
    if options.on:
        from companion.pieces.running.engine import run_on

        outcomes = run_on(root, missing, Path(options.on), minutes=options.minutes, progress=progress)
    else:
        from companion.pieces.running.schedule import schedule

        outcomes = schedule(root, missing, workers=options.jobs, minutes=options.minutes, progress=progress)
    return _reported(outcomes, progress)


def _minutes(pieces: Iterable[Piece]) -> str:
    left: dict[str, float] = {}
    for piece in pieces:
        left[piece.device] = left.get(piece.device, 0.0) + piece.minutes
    return minutes_words(left)


def _reported(outcomes: Sequence[Outcome], progress: Progress) -> int:
    """Say what became of pieces; return 1 where one failed."""
    words = [outcome.word for outcome in outcomes]
    told = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    reasons: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.word not in (DONE, FAILED) and outcome.error:
            reasons.setdefault(outcome.error.partition(": ")[2], []).append(outcome.id)
    for reason, ids in reasons.items():
        progress.line(f"left   {ids[0]}{f' and {len(ids) - 1} more' if len(ids) > 1 else ''}: {reason}")
    progress.line(f"pieces {told}")
    for outcome in outcomes:
        if outcome.word == FAILED:
            print(f"\n{outcome.error}", file=sys.stderr)
    return 1 if FAILED in words else 0


def status_of_pieces(root: Path, options: argparse.Namespace) -> int:
    """Show how far the headlines are at the papers' scale."""
    rows = headline_counts(root, [group for group in all_groups(root) if options.chapter in (None, group.chapter)])
    print(as_json(rows) if options.json else "\n".join(as_lines(rows) if rows else ["no chapter has pieces"]))
    return 0


def pieces_command(root: Path, options: argparse.Namespace) -> int:
    """List pieces, or write the list of all bundles."""
    if options.write:
        path = pieces_folder(root) / "README.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, readme(root))
        print(path.relative_to(root).as_posix())
        return 0
    groups = groups_of(root, options)
    if options.json:
        print(list_json(root, groups))
        return 0
    for line in list_lines(root, groups, everything=options.all):
        print(line)
    whole = count(root, groups)
    print(f"{whole.done} of {counted(whole.needed, 'piece')} done, left: {minutes_words(whole.minutes)}")
    return 0
