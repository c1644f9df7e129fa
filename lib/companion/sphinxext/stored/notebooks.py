"""Executed notebooks that run elsewhere: ``notebooks/`` in the built book; the first cell installs this commit.

They are copies for readers, with the outputs of the stored runs and the verdicts on them; the evidence stays in
``results/``. Published as a branch of their own they open in Colab, which reads notebooks from repositories only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
from sphinx.application import Sphinx

from companion.book.pages import Page
from companion.machine import git_state
from companion.run.tidy import tidy
from companion.sphinxext.build import kept, repository, store_of
from companion.sphinxext.store import Store
from companion.sphinxext.stored.checks import drawn
from companion.sphinxext.stored.plain import Plain
from companion.sphinxext.stored.prime import code_cells, stored_outputs
from companion.text import write_text

__all__ = ["BRANCH", "colab", "binder", "commit_of", "portable", "setup"]

BRANCH = "notebooks"
"""The branch that holds the notebooks of the published book."""


def commit_of(app: Sphinx) -> str:
    """Return the commit that the book is built from; the branch's name where there is no git."""
    if "commit" not in kept(app):
        commit, _ = git_state(Path(app.srcdir))
        kept(app)["commit"] = repository(app)[1] if commit == "unknown" else commit
    return kept(app)["commit"]


def colab(app: Sphinx, page: str) -> str:
    """Return the address that opens the page's executed notebook in Colab."""
    name = repository(app)[0].removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{name}/blob/{BRANCH}/{page}.ipynb"


def binder(app: Sphinx, page: str) -> str:
    """Return the address that opens the page's executed notebook in a Binder of this commit."""
    name = repository(app)[0].removeprefix("https://github.com/")
    return f"https://mybinder.org/v2/gh/{name}/{commit_of(app)}?urlpath=lab/tree/results/book/{page}.ipynb"


def cell(kind: str, name: str, source: str) -> dict[str, Any]:
    """Return a cell of a notebook."""
    empty: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "id": name, "metadata": {}, "source": source.splitlines(keepends=True), **empty}


def portable(notebook: dict[str, Any], plain: Plain, url: str, commit: str) -> dict[str, Any]:
    """Return the notebook with plain Markdown, and two cells in front: where it is from, how to make it run."""
    folder, there = url.rpartition("/")[2], plain.address.rpartition("/")[0] + "/"
    start = cell(
        "markdown",
        "companion-start",
        (
            f"*The executed notebook of [this page]({plain.address}). Its outputs are those of the stored run. "
            "To run it yourself, run the next cell first, on Colab or any machine without a checkout: it fetches "
            "and installs the commit that this notebook belongs to, beside the libraries that the machine has, "
            "which takes a few minutes; with other versions of those, last digits may differ.*"
        ),
    )
    install = cell(
        "code",
        "companion-install",
        (
            'import pathlib\n\nif not pathlib.Path("book").is_dir():\n'
            f"    !git clone --quiet {url} {folder}\n"
            f"    %cd -q {folder}\n"
            f"!git checkout --quiet {commit}\n"
            '%pip install --quiet ".[run,peers,fast]"'
        ),
    )
    cells = []
    for one in notebook["cells"]:
        if one["cell_type"] == "markdown":
            text = plain.text("".join(one["source"]))
            one = {**one, "source": text.splitlines(keepends=True)}
        cells.append(
            {**one, "outputs": [drawn(output, plain.store, there) for output in one["outputs"]]}
            if one["cell_type"] == "code"
            else one
        )
    return {**notebook, "cells": [start, install, *cells]}


def executed(store: Store, page: Page) -> dict[str, Any]:
    """Return the page as it is now with the outputs of its stored ``book`` run, which may be of earlier words and
    import lines; where its code is another, the stored notebook.
    """
    path = store.notebook_path(page.id, "book")
    stored, notebook = json.loads(path.read_text("utf-8")), page.notebook()
    cells = code_cells(notebook)
    outputs = stored_outputs(cells, path, same_code=store.same_code(page.id, "book"))
    if outputs is None:
        return stored
    for number, (one, shown) in enumerate(zip(cells, outputs, strict=True), 1):
        one.outputs, one.execution_count = shown, number
    tidy(notebook, page.name, page.source.relative_to(page.root).as_posix(), "book")
    return {**json.loads(nbformat.writes(notebook)), "metadata": stored["metadata"]}


def write(app: Sphinx, failure: Exception | None) -> None:
    """Write the notebooks of all pages that have a stored run."""
    if failure is not None or app.builder.name != "html":
        return
    store, url = store_of(app), repository(app)[0]
    site = app.config.html_baseurl.rstrip("/") or url
    for page in store.pages:
        if store.notebook_path(page, "book").is_file():
            made = portable(executed(store, store.pages[page]), Plain(store, page, site), url, commit_of(app))
            target = Path(app.outdir, "notebooks", f"{page}.ipynb")
            target.parent.mkdir(parents=True, exist_ok=True)
            write_text(target, json.dumps(made, indent=1, ensure_ascii=False) + "\n")


def setup(app: Sphinx) -> None:
    """Write the notebooks when the book is built."""
    app.connect("build-finished", write)
