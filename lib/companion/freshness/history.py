"""The book's past: which commits changed the library or the book, when, and their files as they were then."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from companion import git
from companion.errors import CompanionError

__all__ = ["commits", "date_of", "export", "is_ancestor", "is_shallow", "known"]

WATCHED = ("lib/contdepth", "book")
"""What a run's numbers can depend on, below the root."""


def commits(root: Path, since: str | None = None) -> list[str]:
    """Return the commits along first parents up to ``HEAD`` that touch the library or the book, oldest first.

    With ``since``, those after that commit only. Raises :class:`CompanionError` without git, or where the
    clone is too shallow to tell.
    """
    if since is not None:
        _require(root, since)
    elif is_shallow(root):
        raise CompanionError(_shallow("the whole history"))
    span = "HEAD" if since is None else f"{since}..HEAD"
    return _text(root, "log", "--first-parent", "--reverse", "--format=%H", span, "--", *WATCHED).split()


def date_of(root: Path, commit: str) -> str:
    """Return the commit's date in ISO 8601; raise :class:`CompanionError` where git or the commit is not there."""
    _require(root, commit)
    return _text(root, "show", "--no-patch", "--format=%cI", commit).strip()


def known(root: Path, commit: str) -> bool:
    """Tell whether the repository has ``commit``; raise :class:`CompanionError` without git."""
    is_shallow(root)
    return git.succeeds(root, "cat-file", "-e", f"{commit}^{{commit}}")


def is_ancestor(root: Path, commit: str) -> bool:
    """Tell whether ``commit`` is known and is ``HEAD`` or before it; raise :class:`CompanionError` without git."""
    return known(root, commit) and git.succeeds(root, "merge-base", "--is-ancestor", commit, "HEAD")


def is_shallow(root: Path) -> bool:
    """Tell whether the clone lacks part of its history; raise :class:`CompanionError` without git."""
    return _text(root, "rev-parse", "--is-shallow-repository").strip() == "true"


def export(root: Path, commit: str, paths: Sequence[str], folder: Path) -> None:
    """Write ``paths`` (files or folders below ``root``) as they are in ``commit`` below ``folder``, byte by byte.

    A path that the commit lacks is left out. Raises :class:`CompanionError` where git or the commit is not
    there; a shallow clone says what to do.
    """
    _require(root, commit)
    listed = git.ask(root, "ls-tree", "-r", "-z", commit, "--", *paths) if paths else b""
    entries = [entry.split(b"\t", 1) for entry in listed.split(b"\0") if entry]
    files = [(head.split(), Path(os.fsdecode(name))) for head, name in entries]
    blobs = [(mode, id, name) for (mode, kind, id), name in files if kind == b"blob"]
    texts = git.contents(root, [id.decode() for _, id, _ in blobs])
    for (mode, id, name), content in zip(blobs, texts, strict=True):
        if content is None:
            raise CompanionError(f"git: expected the object {id.decode()}, found it missing")
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if mode == b"120000":
            target.symlink_to(os.fsdecode(content))
            continue
        target.write_bytes(content)
        if mode == b"100755":
            target.chmod(0o755)


def _require(root: Path, commit: str) -> None:
    if not known(root, commit):
        raise CompanionError(
            _shallow(f"commit {commit[:12]}")
            if is_shallow(root)
            else f"git: expected commit {commit[:12]} in the history, found none"
        )


def _shallow(expected: str) -> str:
    return f"git: expected {expected}, found a shallow clone; fetch the rest with: git fetch --unshallow"


def _text(root: Path, *arguments: str) -> str:
    return git.ask(root, *arguments).decode()
