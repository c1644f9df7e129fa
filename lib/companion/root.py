"""Where things are: the repository's root and the paths of ledgers, pages, runs and records below it."""

from __future__ import annotations

import os
from pathlib import Path

from companion.errors import CompanionError

__all__ = [
    "CARRY",
    "PROFILES",
    "RELATED",
    "carry_path",
    "chapter_folder",
    "chapter_label",
    "checkpoints_path",
    "claims_path",
    "docname_of",
    "find_root",
    "is_root",
    "is_theme",
    "notebook_path",
    "page_name",
    "record_path",
    "register_path",
    "registry_path",
    "runs_path",
    "source_path",
]

PROFILES = ("smoke", "book", "paper")
"""The profiles, from the least to the most demanding."""
RELATED = "related"
"""The folder of ``book/`` that holds the themes: chapters about several related works."""
CARRY = ".carry.json"
"""How the name of a carry's sidecar ends, which stands beside a record."""


def find_root(start: Path | None = None) -> Path:
    """Return the repository's root: ``COMPANION_ROOT``, else the first folder upwards with ``book/`` and
    ``lib/``.

    The search begins at ``start`` (default: the current folder); from elsewhere, the checkout this package
    was imported from is taken. Raises :class:`CompanionError` where none of these is a root.
    """
    named = os.path.expanduser(os.environ.get("COMPANION_ROOT", ""))
    if named and start is None:
        if not is_root(Path(named)):
            raise CompanionError(f"COMPANION_ROOT: expected a folder with book/ and lib/, found {named}")
        return Path(named).resolve()
    try:
        here = Path(start or Path.cwd()).resolve()
    except FileNotFoundError:
        raise CompanionError("expected to be inside the repository, found a folder that was deleted") from None
    for folder in (here, *here.parents, *([] if start else [Path(__file__).resolve().parents[2]])):
        if is_root(folder):
            return folder
    raise CompanionError(
        f"expected to be inside the repository (a folder with book/ and lib/), found {here}; "
        "set COMPANION_ROOT to the checkout"
    )


def is_root(folder: Path) -> bool:
    """Tell whether ``folder`` looks like a checkout of this repository."""
    return (folder / "book").is_dir() and (folder / "lib").is_dir()


def is_theme(root: Path, chapter: str) -> bool:
    """Tell whether a chapter is a theme of related works: its folder lies in ``book/related/``."""
    return bool(chapter) and (root / "book" / RELATED / chapter).is_dir()


def chapter_folder(root: Path, chapter: str) -> Path:
    """Return the folder of a chapter: ``book/<chapter>``, of a theme ``book/related/<theme>``."""
    return root / "book" / RELATED / chapter if is_theme(root, chapter) else root / "book" / chapter


def chapter_label(root: Path, chapter: str) -> str:
    """Return the chapter's folder as messages name it, from the root."""
    return chapter_folder(root, chapter).relative_to(root).as_posix()


def docname_of(root: Path, page: str) -> str:
    """Return the document of a page: ``book/schemes/orders`` for ``schemes/orders``, ``book/related/depth/ode``
    for the page ``depth/ode`` of a theme.
    """
    chapter, _, name = page.partition("/")
    return f"{chapter_label(root, chapter)}/{name}" if name else f"book/{page}"


def page_name(docname: str) -> str:
    """Return the page of a document: ``schemes/orders`` for ``book/schemes/orders``."""
    return docname.removeprefix("book/").removeprefix(f"{RELATED}/")


def claims_path(root: Path, chapter: str) -> Path:
    """Return the chapter's ledger, ``book/<chapter>/claims.yml``."""
    return chapter_folder(root, chapter) / "claims.yml"


def runs_path(root: Path, chapter: str) -> Path:
    """Return the chapter's list of pages and parameters, ``book/<chapter>/runs.yml``."""
    return chapter_folder(root, chapter) / "runs.yml"


def source_path(root: Path, chapter: str, page: str) -> Path:
    """Return the page's text notebook, ``book/<chapter>/<page>.md``."""
    return chapter_folder(root, chapter) / f"{page}.md"


def notebook_path(results: Path, profile: str, chapter: str, page: str) -> Path:
    """Return the executed notebook below ``results`` (the folder, usually ``<root>/results``)."""
    return results / profile / chapter / f"{page}.ipynb"


def record_path(results: Path, profile: str, chapter: str, page: str) -> Path:
    """Return the record below ``results`` (the folder, usually ``<root>/results``)."""
    return results / profile / chapter / f"{page}.json"


def carry_path(results: Path, profile: str, chapter: str, page: str) -> Path:
    """Return the sidecar that carries the record of the same place below ``results``."""
    return results / profile / chapter / f"{page}{CARRY}"


def checkpoints_path(home: Path, profile: str, chapter: str, page: str, digest: str) -> Path:
    """Return the folder for checkpoints of one page, profile and fingerprint.

    ``home`` is the repository's root, or the folder of results where a run is stored elsewhere.
    """
    return home / ".companion" / "checkpoints" / profile / chapter / page / digest[:12]


def registry_path(root: Path) -> Path:
    """Return the registry of data sets."""
    return root / "lib" / "contdepth" / "data" / "registry.json"


def register_path(root: Path) -> Path:
    """Return the append-only register of what the ledgers say, ``book/register.tsv``."""
    return root / "book" / "register.tsv"
