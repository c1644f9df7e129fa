"""The present cells of a page, each with the stored cell whose outputs it has to give again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from companion.book.ledger import Ledger
from companion.book.pages import Page
from companion.clocks import CLOCK_TAG
from companion.evidence.notebook_text import Notebook, code_cells, text_of
from companion.evidence.record import Record
from companion.freshness.code.page_symbols import speaks
from companion.freshness.fingerprint import same_code

__all__ = ["Pair", "Stored", "pair_cells", "present_cells"]

Cell = Mapping[str, Any]


@dataclass(frozen=True)
class Stored:
    """A stored run and the page as it is now; ``exact``: the machine is the record's."""

    page: Page
    ledger: Ledger
    record: Record
    notebook: Notebook
    exact: bool

    @property
    def trains(self) -> bool:
        """Whether the page has claims about training: its printed digits depend on the machine."""
        return any(claim.kind == "training" for claim in self.ledger.judged(self.page.name, self.record.profile))


@dataclass(frozen=True)
class Pair:
    """A present cell's code, and the outputs that are expected of it.

    ``stored`` is None for a cell that only imports and has no stored counterpart: nothing may come of it.
    ``clock``: its figures, notes and printed numbers are times.
    """

    source: str
    stored: Cell | None
    clock: bool

    @property
    def outputs(self) -> Sequence[Any]:
        """The outputs that are expected."""
        return self.stored["outputs"] if self.stored else []

    @property
    def executed(self) -> bool:
        """Whether the stored cell says that it was run; without that nbval would compare nothing."""
        return self.stored is None or self.stored.get("execution_count") is not None


def present_cells(page: Page, profile: str) -> list[Cell]:
    """Return the code cells of a page as it is now, with the one that papermill injects for ``profile``."""
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    notebook, injected = load_notebook_node(page.notebook(profile)), page.injected(profile)
    if injected:
        notebook = parameterize_notebook(notebook, injected, kernel_name="python3", language="python")
    return filled(notebook)


def filled(notebook: Notebook) -> list[Cell]:
    """Return the code cells that hold more than white space."""
    return [cell for cell in code_cells(notebook) if text_of(cell["source"]).strip()]


def pair_cells(page: Page, record: Record, notebook: Notebook) -> tuple[list[Pair], str | None]:
    """Return the present cells with their stored ones, and what keeps them from being paired, or None.

    Where both say the same, import lines, comments and formatting aside, the cells that speak are paired in order;
    else a sentence names the first that differs, and the cells from there on have nothing to be compared with.
    """
    now = present_cells(page, record.profile)
    before = filled(notebook)
    sources = [[text_of(cell["source"]) for cell in cells] for cells in (before, now)]
    if sources[0] == sources[1]:
        return [_pair(cell, stored) for cell, stored in zip(now, before, strict=True)], None
    if same_code(record, page):
        speaking = [cell for cell in before if speaks(text_of(cell["source"]))]
        if len(speaking) == sum(map(speaks, sources[1])):
            rest = iter(speaking)
            return [_pair(cell, next(rest) if speaks(text_of(cell["source"])) else None) for cell in now], None
    same = next(
        (k for k, two in enumerate(zip(*sources, strict=False)) if two[0] != two[1]), min(map(len, sources))
    )
    pairs = [_pair(cell, stored) for cell, stored in zip(now[:same], before, strict=False)]
    first = [repr(side[same].strip().partition("\n")[0]) if same < len(side) else "none" for side in sources]
    unlike = "code cell {}: the stored run has {}, the page now {}; run the page again"
    return pairs, unlike.format(same + 1, *first)


def _pair(cell: Cell, stored: Cell | None) -> Pair:
    return Pair(text_of(cell["source"]), stored, CLOCK_TAG in cell["metadata"].get("tags", ()))
