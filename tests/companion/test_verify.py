"""Verification: every difference between a fresh run, the accepted verdict and the stored run is told."""

import json
from dataclasses import replace

import pytest
from toy_book import edit

from companion.cli import main
from companion.evidence import problems
from companion.ledger import load_ledger
from companion.record import Record, load_record, sha256
from companion.verify import compare


def record_with(record: Record, **checks) -> Record:
    return replace(record, checks={**record.checks, **checks})


def test_green_then_red_in_every_way(ran, capsys):
    assert main(["verify", "--root", str(ran), "--jobs", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == (
        "verified 3 claims on 2 pages and the outputs of 7 cells: every verdict is as accepted and as stored, "
        "every output as stored"
    )
    edit(ran, "lib/contdepth/schemes/euler.py", "1.0", "1.2")
    edit(
        ran,
        "book/toy/claims.yml",
        "{above: 1.5, reason: room, accepted: reproduced}",
        "{above: 1.5, reason: room, accepted: not reproduced}",
    )
    before = {p: p.read_bytes() for p in (ran / "results").rglob("*.*")}
    assert main(["verify", "--root", str(ran), "--jobs", "2"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(("start", "done"))]
    assert lines == [
        "toy.euler.order (smoke): accepted reproduced, found not reproduced (value 1.2, support 1 ± 0.03)",
        "toy.euler.order (smoke): stored reproduced (value 1), found not reproduced (value "
        "1.2, support 1 ± 0.03)",
        "toy.heun.order (smoke): accepted not reproduced, found reproduced (value 2, support > 1.5)",
        "verified 3 claims on 2 pages and the outputs of 7 cells: 3 differences",
    ]
    assert {p: p.read_bytes() for p in (ran / "results").rglob("*.*")} == before


def test_failing_page_and_missing_run(ran, capsys):
    (ran / "results/smoke/toy/heun.json").unlink()
    edit(ran, "book/toy/euler.md", 'print("width", width)', "1 / 0")
    assert main(["verify", "--root", str(ran), "--jobs", "2"]) == 1
    out = capsys.readouterr().out
    assert "page toy/euler, code cell 4 of 4 failed" in out and "ZeroDivisionError" in out
    assert "toy/heun (smoke): expected a stored run, found none" in out
    assert out.splitlines()[-1] == "verified 3 claims on 2 pages and the outputs of 3 cells: 2 differences"


def test_compare_tells_missing_and_unexpected_checks(executed):
    ledger, fresh = load_ledger(executed, "toy"), load_record(executed, "smoke", "toy", "euler")
    assert compare(ledger, "euler", "smoke", fresh, fresh) == []
    checks = dict(fresh.checks)
    extra = record_with(fresh, **{"toy.heun.order": checks["toy.euler.order"]})
    assert compare(ledger, "euler", "smoke", extra, None) == [
        "toy.heun.order (smoke): expected an entry in the ledger for the check on page euler, found none"
    ]
    extra.checks.pop("toy.euler.loss")
    assert compare(ledger, "euler", "smoke", extra, None)[0] == (
        "toy.euler.loss (smoke): expected a check on page euler, found none"
    )
    straddling = {"values": [-0.2, -0.1, 0.0], "seeds": [0, 1, 2]}
    assert compare(ledger, "euler", "smoke", record_with(fresh, **{"toy.euler.loss": straddling}), None) == [
        "toy.euler.loss (smoke): accepted reproduced, found undecided (value -0.1, interval [-0.348414, "
        "0.148414], support < 0 (refuted if > 0.5))"
    ]
    single = record_with(fresh, **{"toy.euler.loss": {"value": 1.0}})
    assert compare(ledger, "euler", "smoke", single, None) == [
        "claim toy.euler.loss, values: expected a list of numbers, found 1.0"
    ]


def test_a_planned_region_is_judged_once_a_run_exists_but_not_required(ran):
    edit(
        ran,
        "book/toy/claims.yml",
        "smoke: {equals: 1.0, tolerance: 0.03, reason: coarse steps, accepted: reproduced}",
        "smoke: {equals: 1, tolerance: 0.03, reason: r, accepted: reproduced, verdict: not attempted, "
        "why: w, cost: 1 h}",
    )
    ledger, fresh = load_ledger(ran, "toy"), load_record(ran, "smoke", "toy", "euler")
    assert compare(ledger, "euler", "smoke", fresh, fresh) == []
    fresh.checks.pop("toy.euler.order")
    assert compare(ledger, "euler", "smoke", fresh, fresh) == []


def tamper(root, old: str, new: str, *, resign: bool) -> list[str]:
    """Edit the stored notebook (and, with ``resign``, its record's hash) and return what "
    "evidence says of it."""
    path = root / "results/smoke/toy/euler.ipynb"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    record = path.with_suffix(".json")
    if resign:
        data = json.loads(record.read_text())
        record.write_text(json.dumps({**data, "notebook_sha256": sha256(path)}))
    return problems(path, load_record(root, "smoke", "toy", "euler"), load_ledger(root, "toy"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("width 0.5", "width 0.6", []),
        (
            'order: measured (smoke)"',
            'order: reproduced (smoke)"',
            [
                "claim toy.euler.order: expected the line "
                "'toy.euler.order: measured (smoke)', found 'toy.euler.order: reproduced (smoke)'"
            ],
        ),
        (
            '"data": {\n      "text/plain": [\n       "toy.euler.order',
            '"data": {\n      "text/html": "<p>✓</p>",\n      "text/plain": [\n       "toy.euler.order',
            ["claim toy.euler.order: expected its line as text only, found text/html too"],
        ),
        (
            '"value": 1.0\n',
            '"value": 1.1\n',
            ["checks: the record and the notebook differ in toy.euler.order"],
        ),
        ('"value": 8', '"value": 9', ["values: the record and the notebook differ in finest"]),
        ('"execution_count": 3', '"execution_count": null', ["code cell 3 has not been executed"]),
        ('"name": "stdout"', '"name": "stderr"', ["code cell 4 wrote to stderr: ['width 0.5']"]),
    ],
)
def test_tampering_is_told(ran, old, new, told):
    assert tamper(ran, old, new, resign=True) == told


def test_the_hash_covers_the_rest(ran):
    assert tamper(ran, "width 0.5", "width 0.6", resign=False) == [
        "the notebook's bytes are not those its record was written for"
    ]


def test_a_stored_number_that_was_edited_is_found_by_verify(ran, capsys):
    """Notebook, record and hash all say 1.4; the run does not."""
    path = ran / "results/smoke/toy/heun.ipynb"
    for name in (path, path.with_suffix(".json")):
        assert '"value": 2.0\n' in name.read_text()
        name.write_text(name.read_text().replace('"value": 2.0\n', '"value": 1.4\n'))
    data = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**data, "notebook_sha256": sha256(path)}))
    assert main(["verify", "--root", str(ran), "toy/heun"]) == 1
    out = capsys.readouterr().out
    assert "toy.heun.order (smoke): stored not reproduced (value 1.4), found reproduced (value 2" in out


def test_nothing_to_verify_is_a_finding(toy, capsys):
    edit(toy, "book/toy/runs.yml", "      smoke: {}\n", "")
    edit(toy, "book/toy/runs.yml", "      smoke: {parameters: {steps: [4, 8]}, timeout: 60}\n", "")
    ledger = toy / "book/toy/claims.yml"
    ledger.write_text("\n".join(s for s in ledger.read_text().splitlines() if not s.startswith("      smoke:")))
    assert main(["verify", "--root", str(toy)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "expected a page with a run at smoke, found none"


def test_no_claim_to_verify_is_a_finding(ran, capsys):
    ledger = ran / "book/toy/claims.yml"
    ledger.write_text("\n".join(s for s in ledger.read_text().splitlines() if not s.startswith("      smoke:")))
    edit(ran, "book/toy/heun.md", 'check("toy.heun.order", slope(3))', "print(slope(3))")
    edit(ran, "book/toy/runs.yml", "      smoke: {parameters: {steps: [4, 8]}, timeout: 60}\n", "")
    assert main(["verify", "--root", str(ran)]) == 1
    assert "expected a claim to be checked at smoke, found none" in capsys.readouterr().out


def test_notes_of_deterministic_pages_are_compared(executed):
    ledger, fresh = load_ledger(executed, "toy"), load_record(executed, "smoke", "toy", "heun")
    with_notes = [replace(fresh, values=values) for values in ({"a": 100.0, "b": 1.0}, {"a": 100.9, "c": 0.0})]
    assert compare(ledger, "heun", "smoke", *with_notes) == [
        "note b (heun, smoke): expected it in the stored run too, found it only in the fresh one",
        "note c (heun, smoke): expected it in the fresh run too, found it only in the stored one",
    ]
    with_notes = [replace(fresh, values={"a": value}) for value in (100.0, 102.0)]
    assert compare(ledger, "heun", "smoke", *with_notes) == ["note a (heun, smoke): stored 102, found 100"]
    trained = load_record(executed, "smoke", "toy", "euler")
    assert compare(ledger, "euler", "smoke", replace(trained, values={"finest": 9}), trained) == []


def test_a_clock_may_say_something_else_but_must_be_there(executed):
    ledger, fresh = load_ledger(executed, "toy"), load_record(executed, "smoke", "toy", "heun")
    sides = [replace(fresh, values=values) for values in ({"time_a": 1.0, "time_b": 1.0}, {"time_a": 9.0})]
    assert compare(ledger, "heun", "smoke", *sides) == [
        "note time_b (heun, smoke): expected it in the stored run too, found it only in the fresh one"
    ]
