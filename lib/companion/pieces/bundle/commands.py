"""What ``companion bundle`` and ``companion collect`` do: they print, and return the exit status."""

from __future__ import annotations

import argparse
from pathlib import Path

from companion.errors import CompanionError, counted, nearest
from companion.pieces.piece import Piece, ordered

__all__ = ["bundle_command", "collect_command"]


def bundle_command(root: Path, options: argparse.Namespace) -> int:
    """Write what a bare machine needs for the missing pieces of a page."""
    from companion.pieces.bundle.making import make_bundle
    from companion.pieces.bundle.parts import MIB

    if options.profile != "paper":
        raise CompanionError(
            f"--profile: expected paper, since only its pages have pieces, found {options.profile}"
        )
    for name in ("minutes", "mib"):
        if getattr(options, name) <= 0:
            raise CompanionError(f"--{name}: expected more than 0, found {getattr(options, name):g}")
    pieces, out = _chosen(root, options.page, options.only), Path(options.out)
    manifest = make_bundle(
        root, options.page, options.profile, pieces, out, minutes=options.minutes, mib=options.mib
    )
    for number in range(1, manifest.parts + 1):
        size = sum(file.bytes for file in manifest.files.values() if file.part == number)
        print(f"{out / f'part-{number}'}: {size / MIB:.1f} MiB")
    total = sum(task.minutes for task in manifest.tasks)
    print(
        f"{counted(len(manifest.tasks), 'piece')} of {options.page}, about {total:.1f} minutes: there, python "
        f"part-1/run.py; then, here, companion collect {out / 'results'}"
    )
    return 0


def collect_command(root: Path, options: argparse.Namespace) -> int:
    """Check the results of a bundle and store them."""
    from companion.pieces.bundle.collecting import collect

    found = collect(root, Path(options.folder))
    for id in found.stored:
        print(f"stored {id}")
    for id in found.begun:
        print(f"begun  {id}: its checkpoint goes into the next bundle")
    for text in found.failed.values():
        print(f"failed {text}")
    again = f", {len(found.before)} stored before" if found.before else ""
    print(f"{counted(len(found.stored), 'piece')} stored{again}")
    return 1 if found.failed else 0


def _chosen(root: Path, page: str, only: list[str] | None) -> list[Piece]:
    """Return the pieces of a page, or of some of its groups, each after what it needs."""
    from companion.book.pages import find_page
    from companion.pieces.plan import load_plan
    from companion.root import chapter_label

    chapter = find_page(root, page).chapter
    groups = [group for group in load_plan(root, chapter) if group.page_id == page]
    if not groups:
        raise CompanionError(
            f"page {page}: expected pieces in {chapter_label(root, chapter)}/pieces.yml, found none"
        )
    known = [group.name for group in groups]
    for name in only or ():
        if name not in known and name not in [group.id for group in groups]:
            raise CompanionError(
                f"--only: expected one of {', '.join(known)}, found {name!r}{nearest(name, known)}"
            )
    chosen = [group for group in groups if not only or group.name in only or group.id in only]
    return ordered(piece for group in chosen for piece in group.pieces)
