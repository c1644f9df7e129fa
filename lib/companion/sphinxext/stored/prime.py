"""Stored runs instead of execution: pages get the outputs of ``results/book``, and no build ever starts a kernel.

A stored check becomes the line that says its verdict.

The book is built with execution switched off. On top of that :func:`setup` replaces the one call by which MyST-NB
would reach for a kernel, so that no setting can bring execution back.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import myst_nb.sphinx_
import nbformat
from myst_nb.core.execute import NotebookClientBase
from nbformat import NotebookNode
from sphinx.application import Sphinx

from companion.book.piece_cells import executed_cells
from companion.freshness.code.page_symbols import speaks
from companion.root import page_name
from companion.sphinxext.build import depends_on_ledger, depends_on_records, store_of
from companion.sphinxext.store import Store
from companion.sphinxext.stored.checks import drawn

__all__ = ["code_cells", "setup", "stored_outputs"]


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the code cells of a notebook, less the one that injected parameters."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", [])
    ]


def is_note(output: NotebookNode) -> bool:
    """Tell whether an output only carries a number noted for prose."""
    return "note" in output.get("metadata", {}).get("companion", {})


def stored_outputs(
    cells: Sequence[NotebookNode], path: Path, *, same_code: bool = False
) -> list[list[NotebookNode]] | None:
    """Return the outputs stored at ``path`` for each of ``cells``.

    Args:
        cells: the page's code cells.
        path: the executed notebook.
        same_code: the stored run's cells are known to say the same, import lines and formatting aside; then those
            that say something are paired in order.

    Returns:
        One list of outputs per cell, an empty one for a cell that asks for pieces, since no run but that at paper
        executes it; ``None`` where there is no run or its code differs.
    """
    kept = executed_cells([cell.source for cell in cells], "book")
    if not all(kept):
        shown = [cell for cell, one in zip(cells, kept, strict=True) if one]
        outputs = stored_outputs(shown, path, same_code=same_code)
        rest = iter(outputs or [])
        return None if outputs is None else [next(rest) if one else [] for one in kept]
    try:
        stored = code_cells(nbformat.read(path, as_version=4))
    except (OSError, ValueError, nbformat.reader.NotJSONError):
        return None
    if [cell.source.strip() for cell in stored] == [cell.source.strip() for cell in cells]:
        return [cell.outputs for cell in stored]
    if same_code:
        speaking = iter([cell.outputs for cell in stored if speaks(cell.source)])
        return [next(speaking, []) if speaks(cell.source) else [] for cell in cells]
    return None


def drifted_cell(cells: Sequence[NotebookNode], path: Path) -> str:
    """Return which cell makes the stored run unusable, in words."""
    stored = code_cells(nbformat.read(path, as_version=4))
    kept = executed_cells([cell.source for cell in cells], "book")
    cells = [cell for cell, one in zip(cells, kept, strict=True) if one]
    for position, (ours, theirs) in enumerate(zip(cells, stored, strict=False), start=1):
        if ours.source.strip() != theirs.source.strip():
            return f"code cell {position} differs"
    return f"{len(cells)} code cells, {len(stored)} in the stored run"


class StoredRun(NotebookClientBase):
    """A client that fills in stored outputs and cannot execute anything."""

    def __init__(
        self,
        notebook: NotebookNode,
        path: Path | None,
        *args: Any,
        stored: Path,
        store: Store,
        same_code: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(notebook, path, *args, **kwargs)
        self._stored, self._store, self._same_code = stored, store, same_code

    def start_client(self) -> None:
        """Put the stored outputs into the notebook, or leave it without outputs."""
        cells = code_cells(self.notebook)
        stored = stored_outputs(cells, self._stored, same_code=self._same_code)
        named: set[str] = set()
        for number, (cell, outputs) in enumerate(zip(cells, stored or [], strict=False), start=1):
            cell.outputs = [drawn(output, self._store, named=named) for output in outputs if not is_note(output)]
            cell.execution_count = number


def setup(app: Sphinx) -> None:
    """Let MyST-NB take outputs from the stored runs of ``app``'s book."""

    def create_client(
        notebook: NotebookNode, source: str, nb_config: Any, logger: Any, read_fmt: dict[str, Any] | None = None
    ) -> StoredRun:
        store, page = store_of(app), page_name(app.env.docname)
        depends_on_records(app.env, page)
        if page in store.pages:
            depends_on_ledger(app.env, store.pages[page].chapter)
        stored = store.notebook_path(page, "book")
        app.env.note_dependency(str(stored))
        return StoredRun(
            notebook,
            Path(source),
            nb_config,
            logger,
            stored=stored,
            store=store,
            same_code=store.same_code(page, "book"),
        )

    myst_nb.sphinx_.create_client = create_client
