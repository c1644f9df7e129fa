"""Stored pieces computed again: equal to the bit here, within the spread of other seeds elsewhere."""

import json
import random

from toy_book import edit
from toy_pieces import pieces

from companion.cli import main
from companion.pieces.keys import key_of
from companion.pieces.plan import load_plan
from companion.pieces.receipts import find, receipt_path
from companion.pieces.running.devices import Worker
from companion.pieces.running.recompute import difference, numbers_of, siblings, verify_pieces


def changed(root, piece, **told):
    """Change entries of a stored receipt, those of its result where it has them, and return it."""
    path = receipt_path(root, piece, key_of(root, piece))
    data = json.loads(path.read_text())
    for name, value in told.items():
        (data if name in data else data["result"])[name] = value
    path.write_text(json.dumps(data))
    return find(root, piece)


def verify(root, number=8):
    """Compute pieces again on one worker; the choice does not matter where all are chosen."""
    return verify_pieces(root, number, worker=Worker(1), chooser=random.Random(0))


def test_pieces_computed_again_are_equal_but_for_times(done, capsys):
    before = {piece.id: find(done, piece) for piece in pieces(done, "losses")}
    assert verify(done) == 0
    assert "8 pieces of 8 computed again, 0 findings" in capsys.readouterr().out
    assert {piece.id: find(done, piece) for piece in pieces(done, "losses")} == before


def test_another_number_is_found(done, capsys):
    piece = pieces(done, "sums")[1]
    changed(done, piece, total=56)
    assert verify(done) == 1
    shown = capsys.readouterr().out
    assert "piece toy/sums[seed=1,steps=5]: expected the stored value 56 for total, found 55" in shown
    assert "8 pieces of 8 computed again, 1 finding" in shown


def test_the_command_takes_some_by_chance(done, capsys):
    assert main(["verify", "--root", str(done), "--pieces", "1", "toy/euler"]) == 0
    assert "1 piece of 8 computed again, 0 findings" in capsys.readouterr().out
    assert main(["verify", "--root", str(done), "--pieces", "1", "toy/heun"]) == 0
    assert "expected a stored piece that this machine can compute, found none" in capsys.readouterr().out


def test_on_another_machine_a_number_may_differ_as_other_seeds_do(done):
    group = next(group for group in load_plan(done, "toy") if group.name == "losses")
    piece = group.pieces[0]
    others = [find(done, one) for one in siblings(group, piece)]
    assert [one.arguments["seed"] for one in others] == [0, 1, 2]
    stored = find(done, piece)
    spread = 2 / 4 - 2 / 6
    elsewhere = {"kind": "cpu", "name": "another"}
    inside = changed(done, piece, device=elsewhere, loss=0.5 + 0.9 * spread)
    assert difference(stored, inside, others) is None
    outside = changed(done, piece, loss=0.5 + 1.1 * spread)
    assert difference(stored, outside, others).startswith(
        "expected at most 0.167 from the stored value 0.5 for loss"
    )
    near = changed(done, piece, loss=0.5 * (1 + 0.9e-3))
    assert difference(stored, near) is None
    far = changed(done, piece, loss=0.5 * (1 + 1.1e-3))
    assert "for loss, found" in difference(stored, far)
    odd = changed(done, piece, loss=0.5, curve=[1.0])
    assert difference(stored, odd).startswith(
        "expected the entries that are stored, found a difference in curve[1]"
    )


def test_what_a_result_holds_is_told_with_its_place():
    result = {"a": {"b": [1, [2.5]], "train_seconds": 3.0}, "time_all": 2, "seconds_each": 1, "name": "x"}
    assert list(numbers_of(result)) == [("a.b[0]", 1), ("a.b[1][0]", 2.5), ("name", "x")]


def test_a_piece_that_cannot_be_computed_again_is_a_finding(done, capsys):
    edit(done, "lib/contdepth/studies/toy/kept.py", "import os\n", "import os\nimport not_installed_here\n")
    schedule_ = [piece for piece in pieces(done, "sums") if find(done, piece)]
    assert schedule_ == pieces(done, "sums")  # an import alone is no other code
    assert verify(done) == 1
    assert "No module named 'not_installed_here'" in capsys.readouterr().out
