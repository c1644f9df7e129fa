"""A page at paper that is assembled from pieces: which cells run, what its record says, when it is stale."""

import json
import shutil

import pytest
from toy_book import edit
from toy_pieces import PAGE, break_first, pieces

from companion.book.pages import find_page, load_pages
from companion.book.piece_cells import asked_groups, executed_cells, is_piece_cell
from companion.cli import main
from companion.evidence.record import load_record
from companion.freshness.fingerprint import against, fingerprint
from companion.freshness.settle import _Past
from companion.freshness.staleness import findings
from companion.freshness.stored import stored_runs
from companion.pieces.keys import key_of
from companion.pieces.receipts import receipt_path
from companion.report.scorecard import claim_rows

CODE = "lib/contdepth/studies/toy/pieces.py"
ASKS = 'if profile == "paper" and run.ready("losses"):\n    check("a", run.pieces("losses"))'


def run(root, *arguments):
    """Run the page at paper."""
    return main(["run", "--root", str(root), "toy/euler", "--profile", "paper", "--jobs", "2", *arguments])


@pytest.mark.parametrize(
    ("source", "groups"),
    [
        (ASKS, ("losses",)),
        (ASKS.replace('"losses"', '"a", "b"', 1), ("a", "b")),
        (f"# why\n{ASKS}", ("losses",)),
        (f"{ASKS}\nelse:\n    pass", ()),
        (f"{ASKS}\nx = 1", ()),
        (ASKS.replace('"paper"', '"book"'), ()),
        (ASKS.replace("and", "or"), ()),
        (ASKS.replace('"losses"', "name", 1), ()),
        (ASKS.replace('ready("losses")', "ready()", 1), ()),
        ("if run.ready(", ()),
    ],
)
def test_a_cell_that_asks_for_pieces_has_one_form(source, groups):
    assert is_piece_cell(source) == bool(groups) and asked_groups([source, "x = 1"]) == groups


def test_what_a_profile_executes():
    sources = ['profile = "book"', 'run = begin("a/b", profile=profile)', "long = compute()", ASKS, "note(long)"]
    assert executed_cells(sources, "smoke") == executed_cells(sources, "book") == [True, True, True, False, True]
    assert executed_cells(sources, "paper") == [True, True, False, True, False]
    assert executed_cells(sources[:3], "paper") == [True] * 3


def test_a_cell_that_asks_for_pieces_is_free_for_the_other_profiles(root):
    """Its coming, its change and what it reaches leave their runs fresh."""
    page = find_page(root, "toy/euler")
    before = {profile: fingerprint(page, profile)["digest"] for profile in ("smoke", "book", "paper")}
    edit(
        root,
        PAGE,
        "    arms = run.pieces",
        "    from contdepth.helpers import twice\n    assert twice(1)\n    arms = run.pieces",
    )
    after = {profile: fingerprint(find_page(root, "toy/euler"), profile)["digest"] for profile in before}
    assert [after[profile] == before[profile] for profile in before] == [True, True, False]
    text = (root / PAGE).read_text()
    (root / PAGE).write_text(text[: text.index("\n```{code-cell} python\nif profile")])
    gone = {profile: fingerprint(find_page(root, "toy/euler"), profile)["digest"] for profile in before}
    assert [gone[profile] == before[profile] for profile in before] == [True, True, False]


def test_a_page_without_a_complete_group_is_left_out(root, capsys):
    assert run(root, "--only", "sums") == 0
    assert main(["run", "--root", str(root), "--profile", "paper"]) == 0
    shown = capsys.readouterr().out
    assert "skip   toy/euler (paper)  no group of its pieces is complete" in shown
    assert not (root / "results/paper").exists()


def test_a_page_is_assembled_and_its_record_speaks_for_what_it_checked(root, capsys, tmp_path):
    edit(root, "book/toy/pieces.yml", "device: cuda", "device: cpu")
    edit(root, "book/toy/pieces.yml", "minutes: 3", "minutes: 0.1")
    assert run(root) == 0, capsys.readouterr().err
    shown = capsys.readouterr().out
    assert "pieces 9 pieces to compute, 1 min of one core" in shown and "pieces 9 done" in shown
    record = load_record(root, "paper", "toy", "euler")
    assert list(record.checks) == ["toy.euler.gap"] and record.values == {"assembled": 6}
    assert record.device.startswith("cpu") and record.seeds == [0, 1, 2]
    used = record.fingerprint["parts"]["pieces"]
    assert list(used) == ["losses"]
    assert used["losses"] == {piece.id: key_of(root, piece) for piece in pieces(root, "losses")}
    cells = json.loads((root / "results/paper/toy/euler.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) == 4 and not any("width" in source for source in code[2:])

    rows = {row.claim.id: row.verdicts.get("paper") for row in claim_rows(root)}
    assert rows["toy.euler.gap"] == "reproduced" and rows["toy.euler.order"] == "not attempted"
    assert findings(root, profiles=("paper",)) == []
    page = find_page(root, "toy/euler")
    assert against(record, page)[0] == []

    past = _Past(root, tmp_path)
    shutil.copytree(root / "book", tmp_path / "then/book")  # of an earlier commit there are no receipts
    shutil.copytree(root / "lib", tmp_path / "then/lib")
    (item,) = [one for one in stored_runs(root, load_pages(root)) if one.record.profile == "paper"]
    assert past.digest("then", item) == record.fingerprint["digest"]

    assert main(["run", "--root", str(root), "--profile", "paper", "--resume"]) == 0
    assert "fresh  toy/euler (paper)" in capsys.readouterr().out
    piece = pieces(root, "losses")[0]
    receipt_path(root, piece, key_of(root, piece)).unlink()
    assert against(record, page)[0] == []  # the record stays evidence; the page can no longer be assembled
    edit(root, CODE, "twice(1.0)", "twice(1.5)")
    reasons = against(record, find_page(root, "toy/euler"))[0]
    assert reasons == ["pieces losses: 6 of 6 changed since the run"]
    assert "toy/euler (paper): pieces losses: 6 of 6 changed since the run" in map(str, findings(root))


def test_a_failing_piece_fails_the_command_and_other_groups_are_assembled(root, capsys):
    break_first(root)
    assert run(root) == 1
    captured = capsys.readouterr()
    assert "pieces 7 done, 1 failed, 1 left" in captured.out
    assert "left   toy/big[seed=0,arm=better]: expected a GPU, found none" in captured.out
    assert "AssertionError" in captured.err
    assert list(load_record(root, "paper", "toy", "euler").checks) == ["toy.euler.gap"]


def test_a_run_from_pieces_is_shown_as_one_and_never_carried(done):
    from datetime import UTC, datetime

    from companion.freshness.stored import obstacle, stored_runs
    from companion.sphinxext.stored.provenance import from_pieces

    assert run(done, "--minutes", "0.01") == 0
    record = load_record(done, "paper", "toy", "euler")
    assert from_pieces(record) == ", from 6 pieces"
    edit(done, CODE, "twice(1.0)", "twice(1.5)")
    (stored,) = stored_runs(done, [find_page(done, "toy/euler")])
    assert obstacle(stored, datetime.now(UTC)) == (
        "toy/euler (paper): expected a run of the cells of smoke, found one from pieces; run the page again"
    )
