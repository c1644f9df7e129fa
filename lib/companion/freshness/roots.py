"""Roots put together for one run each: today's book and bookkeeping, with the library and page of some commit."""

from __future__ import annotations

import shutil
from pathlib import Path

import companion
from companion.book.pages import Page, find_page
from companion.freshness.history import export

__all__ = ["assemble"]

LIBRARY = "lib/contdepth"


def assemble(page: Page, folder: Path, commit: str | None = None) -> Page:
    """Make ``folder`` a root in which ``page`` can run, and return the page there.

    Library and page are those of ``commit`` (default: today's), everything else is today's: the ledgers, the
    parameters and this package itself. Raises :class:`CompanionError` where this clone does not have the commit.
    """
    ignore = shutil.ignore_patterns("__pycache__", "_build")
    shutil.copytree(page.root / "book", folder / "book", ignore=ignore)
    shutil.copytree(Path(companion.__file__).parent, folder / "lib" / "companion", ignore=ignore)
    if (toc := page.root / "_toc.yml").is_file():
        shutil.copy(toc, folder)
    if commit is None:
        shutil.copytree(page.root / LIBRARY, folder / LIBRARY, ignore=ignore)
    else:
        source = page.source.relative_to(page.root).as_posix()
        (folder / source).unlink()
        export(page.root, commit, [LIBRARY, source], folder)
    return find_page(folder, page.id)
