"""The data of the reading path, ``book/reading.yml``: read, checked against their schema and against the book."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from companion.documents import Document, read_document, schema_problems
from companion.errors import DocumentError, nearest
from companion.root import page_name
from companion.sphinxext.build import kept
from companion.sphinxext.reading.uses import places

__all__ = ["check", "entries", "load", "path_of"]

FILE = "book/reading.yml"
logger = logging.getLogger(__name__)


def load(app: Sphinx) -> None:
    """Read the data once, at the start of a build: what is edited meanwhile waits for the next one."""
    document: Document | None = None
    problems: tuple[str, ...] = ()
    if path_of(app).is_file():
        try:
            document = read_document(path_of(app), FILE)
            problems = schema_problems(document, "reading")
        except DocumentError as error:
            problems = error.problems
    kept(app)["reading"] = (None if problems else document, problems)


def path_of(app: Sphinx) -> Path:
    """Return where the data lie."""
    return Path(app.srcdir, FILE)


def entries(app: Sphinx) -> dict[str, dict[str, Any]]:
    """Return the entries by page (``schemes/orders``); empty where there is no valid file."""
    document: Document | None = kept(app)["reading"][0]
    return {name: entry or {} for name, entry in document.data["pages"].items()} if document else {}


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of everything in the data that does not fit the book, and of pages without an entry."""
    document, problems = kept(app)["reading"]
    if document is not None:
        problems = tuple(path_problems(document, [page_name(docname) for docname in places(env)]))
    for problem in problems:
        logger.warning("%s", problem, type="companion", location=None)


def path_problems(document: Document, pages: list[str]) -> Iterable[str]:
    """Yield a sentence for each page that is unknown, missing or without a reason to go on or back, in order."""
    found = document.data["pages"]
    for name, entry in found.items():
        if name not in pages:
            yield document.problem(
                ("pages", name), "a page of the table of contents", f"{name!r}{nearest(name, pages)}"
            )
        for place, need in enumerate((entry or {}).get("needs", ())):
            if isinstance(need, dict) and need["page"] not in pages:
                yield document.problem(
                    ("pages", name, "needs", place),
                    "a page of the book",
                    f"{need['page']!r}{nearest(need['page'], pages)}",
                )
            elif isinstance(need, dict) and need["page"] == name:
                yield document.problem(("pages", name, "needs", place), "another page", "the page itself")
    for name in pages:
        if name not in found:
            yield f"{FILE}: expected an entry for the page {name!r}, found none; add it below pages"
            continue
        for key, where, end in (("next_why", "on", pages[-1]), ("prev_why", "back", pages[0])):
            if name != end and not (found[name] or {}).get(key):
                yield document.problem(("pages", name), f"{key}, one sentence on why to go {where}", "none")
