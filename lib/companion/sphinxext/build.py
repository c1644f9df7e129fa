"""What one build shares: its store, and the files that a page depends on."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from companion.sphinxext.store import PROFILES, Store, page_of

__all__ = ["depends_on_all", "depends_on_ledger", "depends_on_records", "kept", "repository", "setup", "store_of"]


def kept(app: Sphinx) -> dict[str, Any]:
    """Return what the parts of this extension keep from one event of a build to another, by their own names."""
    return vars(app).setdefault("companion", {})


def load(app: Sphinx) -> None:
    """Start the build with a fresh store: the book's root is the source folder."""
    kept(app)["store"] = Store(Path(app.srcdir))
    gc.disable()  # a build keeps most of what it makes: looking for rubbish is a seventh of its time


def store_of(app: Sphinx) -> Store:
    """Return the store of the build."""
    return kept(app)["store"]


def depends_on_ledger(env: BuildEnvironment, chapter: str) -> None:
    """Read the present page again when the chapter's ledger or run plan changes."""
    for path in store_of(env.app).sources(chapter):
        env.note_dependency(str(path))


def depends_on_records(env: BuildEnvironment, page: str | None) -> None:
    """Read the present page again when a record of ``page`` (``schemes/orders``) or its sidecar changes, at
    whatever profile.
    """
    if page:
        for profile in PROFILES:
            for path in (store_of(env.app).record_path, store_of(env.app).carry_path):
                env.note_dependency(str(path(page, profile)))


def depends_on_all(env: BuildEnvironment) -> None:
    """Read the present page again when any ledger, or any record behind a claim, changes."""
    store = store_of(env.app)
    for chapter in store.ledgers:
        depends_on_ledger(env, chapter)
    for page in {page_of(row.claim) for row in store.rows.values()}:
        depends_on_records(env, page)


def repository(app: Sphinx) -> tuple[str, str]:
    """Return the repository's address without a trailing slash, and its branch."""
    options = app.config.html_theme_options
    return options.get("repository_url", "").rstrip("/"), options.get("repository_branch", "") or "main"


def setup(app: Sphinx) -> None:
    """Load the store before anything reads it."""
    app.connect("builder-inited", load, priority=100)
    app.connect("build-finished", lambda *_: gc.enable())
