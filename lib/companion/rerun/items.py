"""What pytest runs of a stored run: nbval's cells, holding the page's present code, and one item for the page."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel
from nbval.plugin import IPyNbCell, IPyNbFile

from companion.book.ledger import load_ledger
from companion.book.pages import find_page
from companion.errors import CompanionError
from companion.evidence.machines import same_machine
from companion.evidence.notebook_text import PATTERNS, PICTURE, text_of
from companion.evidence.record import read_record
from companion.machine import THREADS, threads_of
from companion.rerun.cells import Pair, Stored, pair_cells
from companion.rerun.page_item import PageItem
from companion.rerun.printed import apart, skeleton, without_pictures, without_terms
from companion.rerun.warm.pool import warm_kernel
from companion.root import runs_path
from companion.run.kernel_environment import kernel_environment, prepared

__all__ = ["PageFile", "RunCell", "place_of"]

OUTPUT_S = 60
"""How long nbval waits for a cell's outputs once it has ended: a busy machine sends figures late."""


def place_of(path: Path) -> tuple[Path, str, str, str] | None:
    """Return root, profile, chapter and page of a stored run's notebook; None where ``path`` is none."""
    if len(path.parts) < 5 or path.parents[2].name != "results":
        return None
    root = path.parents[3]
    known = runs_path(root, path.parts[-2]).is_file()
    return (root, path.parts[-3], path.parts[-2], path.stem) if known else None


class PageFile(IPyNbFile):
    """A stored notebook: its cells are those of the page as it is now, in the kernel that the runner starts."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield an item for each code cell, then the page's."""
        place = place_of(self.path)
        assert place is not None  # the plugin takes no other file
        root, profile, chapter, name = place
        self.trouble: list[str] = []
        self.stored: Stored | None = None
        self.cells: list[RunCell] = []
        self.label = f"{chapter}/{name} ({profile})"
        more = (f"{PICTURE}{kind}" for kind in ("svg+xml", "gif", "webp"))
        self.skip_compare = (*self.skip_compare, *more)  # type: ignore[has-type]
        pairs: list[Pair] = []
        try:
            page = find_page(root, f"{chapter}/{name}")
            page.setting(profile)
            record = read_record(self.path.with_suffix(".json"))
            notebook = nbformat.read(self.path, as_version=4)
            self.stored = Stored(page, load_ledger(root, chapter), record, notebook, same_machine(record))
            pairs, unlike = pair_cells(page, record, notebook)
            self.trouble += [unlike] if unlike else []
        except CompanionError as error:
            self.trouble += [str(error)]
        except (nbformat.ValidationError, nbformat.reader.NotJSONError) as error:
            self.trouble += [f"expected a notebook, found this: {str(error).partition(chr(10))[0]:.200}"]
        for number, pair in enumerate(pairs, 1):
            self.cells.append(RunCell.make(self, number, pair))
        yield from self.cells
        yield PageItem.from_parent(self, name="page")

    def setup(self) -> None:
        """Start the kernel: the threads of the record, the folder and environment of a run."""
        if self.stored is None or not self.cells:
            return
        self.scratch = tempfile.TemporaryDirectory(prefix="companion-")
        folder = Path(self.scratch.name)
        page, threads = self.stored.page, threads_of(self.stored.record.device)
        counts = dict.fromkeys(THREADS, str(threads)) if threads else {}
        self.before = prepared({**kernel_environment(page.root, folder, folder / "checkpoints"), **counts})
        warm = warm_kernel(self.config)
        self.started = time.monotonic()
        limit = page.setting(self.stored.record.profile).timeout
        self.deadline = self.started + limit if limit else None
        self.kernel = RunningKernel(
            self.config.option.nbval_kernel_name or warm or CURRENT_ENV_KERNEL_NAME,
            cwd=str(page.source.parent),
            startup_timeout=self.config.option.nbval_kernel_startup_timeout,
        )
        self.setup_sanitize_files()

    def get_sanitize_files(self) -> list[str]:
        """Return the file named on the command line, else the repository's own."""
        own = self.stored.page.root / PATTERNS if self.stored is not None else None
        return super().get_sanitize_files() or ([str(own)] if own is not None and own.is_file() else [])

    def teardown(self) -> None:
        """Stop the kernel and put the environment back."""
        super().teardown()
        if hasattr(self, "before"):
            prepared(self.before)
            self.scratch.cleanup()


class RunCell(IPyNbCell):
    """One of nbval's cells. Tags and comments that switch its comparison off have no effect here."""

    @classmethod
    def make(cls, parent: PageFile, number: int, pair: Pair) -> RunCell:
        """Return the item of the page's code cell ``number``."""
        cell = nbformat.v4.new_code_cell(pair.source, outputs=list(pair.outputs), execution_count=number)
        check = not parent.config.getoption("verdicts_only")
        made = cls.from_parent(
            parent, name=f"Cell {number}", cell_num=number, cell=cell, options=defaultdict(bool, check=check)
        )
        made.pair, made.output_timeout = pair, OUTPUT_S
        return made

    def runtest(self) -> None:
        """Run and compare the cell, within what is left of the page's time."""
        if not self.pair.executed:
            self.raise_cell_error("Stored cell has no execution count: it was not run, or its count was removed")
        left = self.parent.deadline - time.monotonic() if self.parent.deadline else 1e6
        self.config.option.nbval_cell_timeout = max(1.0, left)
        super().runtest()

    @property
    def _loose(self) -> bool:
        """Whether printed numbers may differ: times, or another machine."""
        return self.pair.clock or not self.parent.stored.exact

    def sanitize(self, s: Any) -> Any:
        """Return the text as it is compared."""
        clean = self._cleaned(s)
        return skeleton(clean) if self._loose and isinstance(clean, str) else clean

    def _cleaned(self, s: Any) -> Any:
        """Return the text as nbval cleans it, on another machine without what only its own machine repeats."""
        clean = super().sanitize(s)
        if self.parent.stored.exact or not isinstance(clean, str):
            return clean
        return without_pictures(without_terms(clean) if self.parent.stored.trains else clean)

    def compare_outputs(self, test: Any, ref: Any, skip_compare: Any = None) -> bool:
        """Compare as nbval does; where printed numbers may differ, text without them, then, on pages without
        training, the numbers by :mod:`companion.rerun.printed`.
        """
        same = super().compare_outputs(test, ref, skip_compare)
        if not same or not self._loose or self.pair.clock or self.parent.stored.trains:
            return same
        far = apart(*([self._cleaned(text) for text in _texts(outputs)] for outputs in (ref, test)))
        if far:
            self.comparison_traceback = [f"printed numbers: {far}"]
        return far is None


def _texts(outputs: Any) -> list[str]:
    """Return all text of outputs, by kind."""
    found = [(output["name"], text_of(output["text"])) for output in outputs if output["output_type"] == "stream"]
    for output in outputs:
        found += [
            (kind, text_of(value)) for kind, value in output.get("data", {}).items() if kind.startswith("text/")
        ]
    return [text for _, text in sorted(found, key=lambda pair: pair[0])]
