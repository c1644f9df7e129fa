"""Runs made with local changes, settled afterwards: the first commit that holds the very code they ran.

A record of a dirty run names a commit that lacks part of what ran. Once the changes are committed, the run's
fingerprint is that of a commit, which is then written into the record; all else in it stays.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from companion.book.pages import find_page, load_pages
from companion.errors import CompanionError
from companion.freshness.fingerprint import fingerprint
from companion.freshness.history import WATCHED, commits, date_of, export, is_ancestor, is_shallow
from companion.freshness.stored import Stored, stored_runs
from companion.text import write_text

__all__ = ["Settled", "settle", "unfounded", "unsettled"]


@dataclass(frozen=True)
class Settled:
    """What became of a record: the commit and its date, or None where no commit holds the code it ran."""

    path: Path
    commit: str | None = None
    date: str | None = None


def unsettled(root: Path) -> list[Stored]:
    """Return the stored records that are neither of a committed state nor settled, those of variations too."""
    return [
        item for item in stored_runs(root, load_pages(root)) if item.record.dirty and item.record.settled is None
    ]


def unfounded(root: Path) -> list[Path]:
    """Return the stored records whose commit is not in the history, or does not hold the code that they say ran.

    Raises :class:`CompanionError` without git, and where the clone is too shallow to tell.
    """
    with tempfile.TemporaryDirectory() as folder:
        past = _Past(root, Path(folder))
        return [item.path for item in stored_runs(root, load_pages(root)) if not past.founded(item)]


def settle(root: Path) -> Iterator[Settled]:
    """Write into every unsettled record the first commit whose fingerprint is the run's, and yield what was found.

    The search begins at the commit that the record names. Raises :class:`CompanionError` without git, and
    where the clone is too shallow to search.
    """
    with tempfile.TemporaryDirectory() as folder:
        past = _Past(root, Path(folder))
        for item in unsettled(root):
            commit = past.first(item)
            if commit is None:
                yield Settled(item.path)
                continue
            date = date_of(root, commit)
            write_text(item.path, replace(item.record, settled={"commit": commit, "date": date}).json())
            yield Settled(item.path, commit, date)


class _Past:
    """The book at earlier commits, each written out once."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder

    def first(self, item: Stored) -> str | None:
        """Return the first commit, from the record's own on, at which the fingerprint is the record's."""
        own, digest = item.record.commit, item.record.fingerprint.get("digest")
        if is_ancestor(self.root, own):
            candidates = [own, *commits(self.root, own)]
        else:  # run before there was a commit, or on a branch that is gone
            candidates = commits(self.root, own if is_shallow(self.root) else None)
        return next((commit for commit in candidates if self.digest(commit, item) == digest), None)

    def founded(self, item: Stored) -> bool:
        """Tell whether the commit that the record names is in the history and has the record's fingerprint."""
        commit, _ = item.record.code_at
        if is_shallow(self.root):
            date_of(self.root, commit)
        in_history = is_ancestor(self.root, commit)
        return in_history and self.digest(commit, item) == item.record.fingerprint.get("digest")

    def digest(self, commit: str, item: Stored) -> str | None:
        """Return the page's fingerprint at ``commit``, or None where it cannot be read there."""
        tree = self.folder / commit
        if not tree.is_dir():
            tree.mkdir()
            export(self.root, commit, WATCHED, tree)
        try:
            page = find_page(tree, item.record.page_id)
            record = item.record  # names the groups of pieces that it used; their receipts are not in ``tree``
            return fingerprint(page, record.profile, item.overrides, record.fingerprint)["digest"]
        except (CompanionError, OSError):
            return None
