"""One piece in a process of its own: what it may return, how it is stopped, and how it goes on."""

import json
import os
import subprocess
import sys
import time

import pytest
from toy_book import edit
from toy_pieces import lengthen, pieces, ran

from companion.errors import RunError
from companion.pieces.execute import DONE, FAILED, STOPPED_WORD, job_of, run_one
from companion.pieces.keys import key_of
from companion.pieces.receipts import work_folder
from companion.pieces.storing import store

PLAN = "book/toy/pieces.yml"
CODE = "lib/contdepth/studies/toy/pieces.py"


def shaped(root, what):
    """Return a piece whose function returns what ``what`` says."""
    edit(root, PLAN, "pieces:arm\n    arguments: {steps: 4}", "pieces:shape")
    edit(root, PLAN, "seed: [0, 1, 2], arm: [better, worse]", f"what: [{what}]")
    edit(root, PLAN, "    arms: arm\n", "")
    return pieces(root, "losses")[0]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("raises", "ValueError: no such shape"),
        ("object", "result.inside.deep: expected plain numbers, texts, lists or dicts, found object"),
        ("large", "expected a result of at most 200000 bytes, found 300011; keep less"),
        ("text", "result.name: expected another text or a number, found 'nan'"),
        ("list", "expected a dict as its result, found list"),
    ],
)
def test_a_piece_that_fails_or_returns_no_plain_result_says_why(root, tmp_path, what, said):
    outcome = ran(root, shaped(root, what), tmp_path / "out")
    assert outcome.word == FAILED
    assert f"piece toy/losses[what={what}]: expected a receipt, found that its process" in outcome.error
    assert said in outcome.error and not (tmp_path / "out/receipt.json").exists()


def begun(folder, steps):
    """Return a function that says stop once ``steps`` steps have been kept below ``folder``."""
    path = folder / "checkpoint" / "state.json"
    return lambda: path.is_file() and json.loads(path.read_text())[0] >= steps


def test_a_piece_stopped_twice_goes_on_to_the_same_result(root, tmp_path):
    piece = lengthen(root, 60)[1]
    work = work_folder(root, key_of(root, piece))
    done = []
    for steps in (5, 20):
        outcome = run_one(job_of(root, piece, tmp_path / "out"), stop=begun(work, steps))
        assert outcome.word == STOPPED_WORD and outcome.error == ""
        done.append(json.loads((work / "checkpoint/state.json").read_text())[0])
    assert 5 <= done[0] < 60 and done[0] < done[1] < 60
    assert ran(root, piece, tmp_path / "out").word == DONE
    receipt = store(root, piece, tmp_path / "out")
    assert receipt.result == {"total": sum((1 + step) ** 2 for step in range(60))}
    assert receipt.tries == 3 and receipt.seconds > 60 * 0.02
    assert not work.exists()


def test_a_piece_ends_at_its_time(root, tmp_path):
    piece = lengthen(root, 3000)[1]
    outcome = ran(root, piece, tmp_path / "out", seconds=1.0)  # of sixty
    assert outcome.word == STOPPED_WORD
    assert json.loads((work_folder(root, key_of(root, piece)) / "tries.json").read_text())["tries"] == 1


def test_a_piece_that_does_not_heed_is_ended_by_force(root, tmp_path, monkeypatch):
    from companion.pieces import execute

    monkeypatch.setattr(execute, "GRACE_S", 0.5)
    piece = lengthen(root, 3000)[1]
    deaf = "\n    import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    edit(root, CODE, "    done, total = load(checkpoint)\n", f"    done, total = load(checkpoint){deaf}")
    work = work_folder(root, key_of(root, piece))
    outcome = run_one(job_of(root, piece, tmp_path / "out"), stop=begun(work, 3))
    assert outcome.word == STOPPED_WORD
    assert json.loads((work / "tries.json").read_text())["seconds"] == 0  # a try that was killed is not timed


def test_a_piece_killed_from_outside_failed_and_goes_on(root, tmp_path):
    lengthen(root, 60)
    told = "        time.sleep(0.02)\n        (checkpoint / 'pid').write_text(str(__import__('os').getpid()))\n"
    edit(root, CODE, "        time.sleep(0.02)\n", told)
    piece = pieces(root, "sums")[1]
    work = work_folder(root, key_of(root, piece))
    enough = begun(work, 5)

    def kill():
        if enough():
            os.kill(int((work / "checkpoint/pid").read_text()), 9)

    outcome = run_one(job_of(root, piece, tmp_path / "out"), watch=kill)
    assert outcome.word == FAILED and "its process was killed by signal 9" in outcome.error
    assert ran(root, piece, tmp_path / "out").word == DONE
    assert store(root, piece, tmp_path / "out").result == {"total": sum((1 + step) ** 2 for step in range(60))}


def test_an_exception_here_ends_the_process(root, tmp_path):
    piece = lengthen(root, 3000)[1]
    work = work_folder(root, key_of(root, piece))
    enough = begun(work, 3)

    def interrupt():
        if enough():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_one(job_of(root, piece, tmp_path / "out"), watch=interrupt)
    done = (work / "checkpoint/state.json").read_text()
    time.sleep(0.2)
    assert (work / "checkpoint/state.json").read_text() == done


def test_a_piece_goes_on_only_with_the_pytorch_it_was_begun_with(root, tmp_path):
    piece = lengthen(root, 60)[1]
    work = work_folder(root, key_of(root, piece))
    run_one(job_of(root, piece, tmp_path / "out"), stop=begun(work, 3))
    told = json.loads((work / "tries.json").read_text())
    (work / "tries.json").write_text(json.dumps({**told, "torch": "0.1"}))
    outcome = ran(root, piece, tmp_path / "out")
    assert outcome.word == FAILED and "expected to go on with torch 0.1 on cpu, as it was begun" in outcome.error


def test_a_piece_is_given_what_it_needs(root, tmp_path):
    first, mean = pieces(root, "sums")[1], pieces(root, "means")[1]
    with pytest.raises(RunError, match=r"expected toy/sums\[seed=1,steps=5\] to be done before it"):
        job_of(root, mean, tmp_path / "out")
    assert ran(root, first, tmp_path / "out").word == DONE
    needed = store(root, first, tmp_path / "out")
    assert ran(root, mean, tmp_path / "out").word == DONE
    receipt = store(root, mean, tmp_path / "out")
    assert receipt.result == {"mean": needed.result["total"]} and receipt.needs == {"total": needed.key}


def test_the_process_needs_nothing_of_the_notebook_stack():
    hidden = ("yaml", "nbformat", "papermill", "jupytext", "rich", "psutil", "jsonschema", "safetensors")
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({hidden!r}))\n"
        "import companion.pieces.one, companion.pieces.receipts, companion.pieces.tries, companion.pieces.plain\n"
        "import companion.pieces.execute, companion.pieces.weights, companion.machine, companion.pieces.storing\n"
        "assert not {'torch', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_weights_travel_from_piece_to_piece(root, tmp_path):
    torch_functions = '''

def trained(*, seed: int) -> dict:
    """Return weights."""
    import torch

    return {"size": 2, "weights": {"w": torch.full((2,), seed + 0.5), "a": torch.tensor(seed)}}


def audited(*, seed: int, given: dict) -> dict:
    """Return the sum of the weights."""
    unit = given["unit"]
    return {"sum": float(unit["weights"]["w"].sum()) + int(unit["weights"]["a"]), "size": unit["result"]["size"]}
'''
    with (root / CODE).open("a") as file:
        file.write(torch_functions)
    with (root / PLAN).open("a") as file:
        for name, more in (("trained", ""), ("audited", "    needs: {unit: trained}\n")):
            file.write(
                f"  - name: {name}\n    page: euler\n    function: contdepth.studies.toy.pieces:{name}\n"
                f"    grid: {{seed: [3]}}\n    device: cpu\n    minutes: 1\n{more}"
            )
    first, second = pieces(root, "trained")[0], pieces(root, "audited")[0]
    assert ran(root, first, tmp_path / "out").word == DONE
    receipt = store(root, first, tmp_path / "out")
    assert receipt.weights["tensors"] == {"a": {"shape": [], "dtype": "I64"}, "w": {"shape": [2], "dtype": "F32"}}
    assert receipt.weights_file.name == f"{receipt.key[:16]}.safetensors"
    assert ran(root, second, tmp_path / "out").word == DONE
    assert store(root, second, tmp_path / "out").result == {"sum": 10.0, "size": 2}
    receipt.weights_file.write_bytes(receipt.weights_file.read_bytes()[:-1] + b"\1")
    from companion.pieces.state import state

    assert state(root, first) == "damaged"
    with pytest.raises(RunError, match="to be done before it"):
        job_of(root, second, tmp_path / "out")
