"""nbval on a stored run is green, and red where it must be; what nbval cannot see, our own check sees."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from companion.evidence import problems
from companion.ledger import load_ledger
from companion.record import load_record

SANITIZE = Path(__file__).parents[1] / "nbval.cfg"


def nbval(root: Path, notebook: Path, *options: str, mode: str = "--nbval") -> subprocess.CompletedProcess:
    """Run nbval (strictly, unless ``mode`` says otherwise) on one notebook, with the library of ``root``."""
    environment = {**os.environ, "PYTHONPATH": str(root / "lib"), "PYTHONDONTWRITEBYTECODE": "1",
                   "COMPANION_RUN": "1"}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            mode,
            "--nbval-sanitize-with",
            str(SANITIZE),
            "--nbval-current-env",
            "--runxfail",
            "--nbval-cell-timeout=60",
            "-p",
            "no:cacheprovider",
            "-q",
            "--rootdir",
            str(root),
            *options,
            str(notebook),
        ],
        capture_output=True,
        text=True,
        env=environment,
        cwd=root,
    )


@pytest.fixture
def notebook(ran: Path) -> Path:
    return ran / "results" / "smoke" / "toy" / "euler.ipynb"


def test_a_stored_run_is_green(ran, notebook):
    done = nbval(ran, notebook)
    assert done.returncode == 0 and "4 passed" in done.stdout, done.stdout


def test_nbval_runs_pages_as_the_runner_does():
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    assert makefile.count("--nbval-sanitize-with") == makefile.count("COMPANION_RUN=1 $(STEP)") == 2


def test_an_edited_line_is_red(ran, notebook):
    notebook.write_text(notebook.read_text().replace("loss: measured (smoke)", "loss: undecided (smoke)"))
    done = nbval(ran, notebook)
    assert done.returncode == 1 and "1 failed, 3 passed" in done.stdout, done.stdout


def test_an_edited_line_is_red_where_only_checks_are_compared(ran, notebook):
    """``make nbval-book`` is lax: the runner's tag makes it compare the cells that hold a check, and no others."""
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    assert "--nbval-lax --nbval-sanitize-with tests/nbval.cfg --nbval-current-env" in makefile
    tags = {cell["id"]: cell["metadata"].get("tags") for cell in json.loads(notebook.read_text())["cells"]}
    assert [id for id, found in tags.items() if "nbval-check-output" in (found or ())] == ["euler-02", "euler-04"]
    notebook.write_text(notebook.read_text().replace("order: measured (smoke)", "order: undecided (smoke)"))
    done = nbval(ran, notebook, mode="--nbval-lax")
    assert done.returncode == 1 and "1 failed, 3 passed" in done.stdout, done.stdout


def test_stripped_outputs_pass_nbval_but_not_our_check(ran, notebook):
    data = json.loads(notebook.read_text())
    for cell in data["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    notebook.write_text(json.dumps(data))
    assert nbval(ran, notebook).returncode == 0, (
        "nbval has learnt to see unrun notebooks: simplify evidence.py"
    )
    found = problems(notebook, load_record(ran, "smoke", "toy", "euler"), load_ledger(ran, "toy"))
    assert "code cell 1 has not been executed" in found and "no code cell has an output" in found
    assert "claim toy.euler.order is expected at smoke but not checked" in found


def test_a_kernel_that_dies_is_red(ran, notebook):
    data = json.loads(notebook.read_text())
    data["cells"][-1]["source"] = "import os; os.kill(os.getpid(), 9)"
    notebook.write_text(json.dumps(data))
    done = nbval(ran, notebook, "--nbval-cell-timeout=5")
    assert done.returncode == 1 and "1 failed, 3 passed" in done.stdout, done.stdout


def test_every_sanitising_pair_is_read():
    """nbval drops a pair silently where the replacement is empty; ours all have one, and all compile."""
    from nbval.plugin import get_sanitize_patterns

    text = SANITIZE.read_text(encoding="utf-8")
    pairs = get_sanitize_patterns(text)
    assert len(pairs) == text.count("regex:") == text.count("replace:") == 3


RESULTS = sorted((Path(__file__).parents[2] / "results").glob("*/*/*.ipynb"))


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: "/".join(path.parts[-3:]))
def test_every_stored_run_of_this_book_is_evidence(path):
    root, (profile, chapter) = path.parents[3], path.parts[-3:-1]
    record = load_record(root, profile, chapter, path.stem)
    assert record is not None, "expected a record beside the notebook, found nothing"
    assert problems(path, record, load_ledger(root, chapter)) == []
