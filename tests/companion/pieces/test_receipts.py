"""Receipts: what is stored, what is refused, and which state a piece is in."""

import json
import math
import shutil
import threading

import pytest
from toy_book import edit
from toy_pieces import pieces, ran

from companion.errors import RunError
from companion.pieces.execute import DONE
from companion.pieces.keys import key_of
from companion.pieces.plan import load_plan
from companion.pieces.receipts import find, pieces_folder, problem, receipt_path, work_folder
from companion.pieces.state import count, state, states
from companion.pieces.storing import store

CODE = "lib/contdepth/studies/toy/pieces.py"


@pytest.fixture
def computed(root, tmp_path):
    """Return root, a piece and the folder in which its process left its receipt."""
    piece = pieces(root, "losses")[1]
    outcome = ran(root, piece, tmp_path / "out")
    assert outcome.word == DONE, outcome.error
    return root, piece, tmp_path / "out"


def test_a_receipt_says_what_was_computed_and_what_it_took(computed):
    root, piece, folder = computed
    assert find(root, piece) is None and state(root, piece) == "missing"
    receipt = store(root, piece, folder)
    assert receipt == find(root, piece) and state(root, piece) == "done"
    assert receipt.id == "toy/losses[seed=0,arm=worse]"
    assert receipt.function == "contdepth.studies.toy.pieces:arm"
    assert receipt.arguments == {"steps": 4, "seed": 0, "arm": "worse"}
    assert receipt.result["curve"] == [3.0, 2.0, 1 + 2 / 3, 1.5]
    assert receipt.result["device"] == "cpu" and receipt.device["kind"] == "cpu"
    assert receipt.machine.startswith("cpu, 1 thread") and "python" in receipt.versions
    assert receipt.tries == 1 and 0 < receipt.seconds < 60 and receipt.peak_mib > 5
    assert receipt.weights is None and receipt.weights_file is None and receipt.peak_device_mib is None
    path = receipt_path(root, piece, receipt.key)
    assert path.relative_to(root).as_posix() == f"results/pieces/toy/losses/{receipt.key[:16]}.json"
    assert not folder.exists() and not work_folder(root, receipt.key).exists()


def test_numbers_that_are_not_finite_stay_numbers(root, tmp_path):
    edit(root, "book/toy/pieces.yml", "pieces:arm\n    arguments: {steps: 4}", "pieces:shape")
    edit(root, "book/toy/pieces.yml", "seed: [0, 1, 2], arm: [better, worse]", "what: [plain]")
    edit(root, "book/toy/pieces.yml", "    arms: arm\n", "")
    piece = pieces(root, "losses")[0]
    assert ran(root, piece, tmp_path / "out").word == DONE
    result = store(root, piece, tmp_path / "out").result
    assert result["low"] == -math.inf and math.isnan(result["none"])
    assert result["rows"] == [[0.0, 1.0], [2.0, 3.0]] and result["n"] == 3
    text = receipt_path(root, piece, key_of(root, piece)).read_text()
    assert '"low": "-inf"' in text and "Infinity" not in text and "NaN" not in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.update(schema=2), "expected a receipt of schema 1, found 2"),
        (lambda data: data.pop("tries"), "expected exactly the keys of a receipt, found a difference in tries"),
        (lambda data: data.update(seconds="long"), "expected a number for seconds, found 'long'"),
        (lambda data: data["arguments"].update(seed=1), "expected the key of its own function, code and"),
        (lambda data: data.update(key="0" * 64), "expected the key of its own function, code and arguments"),
        (lambda data: data["data"].update(n=math.inf), "expected the key of its own function, code and arguments"),
        (lambda data: data.update(id="toy/losses[seed=0,arm=better]"), "expected its own receipt, found that of"),
    ],
)
def test_a_damaged_receipt_is_not_stored(computed, change, said):
    root, piece, folder = computed
    path = folder / "receipt.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(RunError, match=said):
        store(root, piece, folder)
    assert not list(pieces_folder(root).rglob("*.json"))


def test_a_receipt_that_is_cut_off_is_damaged(computed):
    root, piece, folder = computed
    path = receipt_path(root, piece, store(root, piece, folder).key)
    path.write_bytes(path.read_bytes()[:-40])
    assert find(root, piece) is None and state(root, piece) == "damaged"
    assert "expected a receipt, found this" in problem(root, piece)
    path.unlink()
    assert problem(root, piece) is None and state(root, piece) == "missing"


def test_what_was_computed_with_other_code_is_not_stored(computed):
    root, piece, folder = computed
    edit(root, CODE, "twice(1.0)", "twice(2.0)")
    with pytest.raises(RunError, match="expected the key .*, found .*; nothing is stored"):
        store(root, piece, folder)
    assert folder.is_dir() and not pieces_folder(root).exists()


def test_a_receipt_of_an_earlier_key_is_stale(computed):
    root, piece, folder = computed
    store(root, piece, folder)
    edit(root, CODE, "twice(1.0)", "twice(2.0)")
    every = pieces(root, "losses")
    found = states(root, every)
    assert found[piece.id] == "stale" and sorted(set(found.values())) == ["missing", "stale"]


def test_pieces_are_counted_with_what_they_need(computed):
    root, piece, folder = computed
    store(root, piece, folder)
    groups = {group.name: group for group in load_plan(root, "toy")}
    losses = count(root, [groups["losses"]])
    assert (losses.done, losses.needed) == (1, 6) and losses.minutes == pytest.approx({"cpu": 0.5})
    both = count(root, [groups["means"], groups["big"]])
    assert (both.done, both.needed) == (0, 5) and both.minutes == pytest.approx({"cpu": 0.4, "cuda": 3})


def test_of_two_that_store_the_same_piece_one_stays_whole(computed, tmp_path):
    root, piece, folder = computed
    folders = [shutil.copytree(folder, tmp_path / f"copy-{number}") for number in range(8)]
    for number, copy in enumerate(folders):
        data = json.loads((copy / "receipt.json").read_text())
        (copy / "receipt.json").write_text(json.dumps({**data, "started": f"2026-01-01T00:00:0{number}+00:00"}))
    found = []
    threads = [threading.Thread(target=lambda one=one: found.append(store(root, piece, one))) for one in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len({receipt.started for receipt in found}) == 1
    stored = receipt_path(root, piece, found[0].key)
    assert [path.name for path in stored.parent.iterdir()] == [stored.name]
