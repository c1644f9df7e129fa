"""Cells that ask for pieces beside the stored runs of other profiles: no outputs, and nothing to be compared."""

import nbformat
import pytest
from toy_pieces import CELL, PAGE

from companion.book.pages import find_page
from companion.cli import main
from companion.evidence.record import load_record
from companion.freshness.staleness import findings
from companion.rerun.cells import pair_cells
from companion.sphinxext.stored.prime import code_cells, drifted_cell, stored_outputs


@pytest.fixture
def ran(root):
    """Return the repository with its page run at smoke before the page asked for pieces, and asking now."""
    page = root / PAGE
    text = page.read_text()
    page.write_text(text.replace(CELL, ""))
    assert main(["run", "--root", str(root), "toy/euler", "--profile", "smoke"]) == 0
    page.write_text(text.replace("Prose.\n", f"{CELL}\nProse.\n").removesuffix(CELL))
    return root


def test_a_new_cell_that_asks_for_pieces_leaves_a_stored_run_as_it_was(ran):
    assert [one for one in findings(ran, profiles=("smoke",)) if one.page == "toy/euler"] == []
    page, record = find_page(ran, "toy/euler"), load_record(ran, "smoke", "toy", "euler")
    path = ran / "results/smoke/toy/euler.ipynb"
    notebook = nbformat.read(path, as_version=4)
    pairs, unlike = pair_cells(page, record, notebook)
    assert unlike is None and len(pairs) == 5
    assert [pair.outputs for pair in pairs] == [
        cell.outputs for cell in notebook.cells if cell.cell_type == "code"
    ]

    cells = code_cells(page.notebook())
    assert len(cells) == 5 and cells[3].source.startswith("if profile")
    for same_code in (False, True):
        outputs = stored_outputs(cells, path, same_code=same_code)
        assert outputs[3] == [] and len(outputs) == 5
        assert [len(shown) for shown in outputs] == [0, 0, 2, 0, 2]
    cells[4].source += "\nother = 1"
    assert stored_outputs(cells, path) is None and drifted_cell(cells, path) == "code cell 4 differs"


def test_a_page_runs_at_the_other_profiles_without_the_cell(ran):
    assert main(["run", "--root", str(ran), "toy/euler", "--profile", "smoke"]) == 0
    notebook = nbformat.read(ran / "results/smoke/toy/euler.ipynb", as_version=4)
    assert not any("run.ready" in cell.source for cell in notebook.cells)
    assert list(load_record(ran, "smoke", "toy", "euler").checks) == ["toy.euler.order", "toy.euler.loss"]
