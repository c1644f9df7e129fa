"""Evidence: verdicts against the accepted ones, payloads against their numbers, records against pages."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from toy_book import edit

from companion.book.ledger import load_ledger
from companion.book.pages import find_page
from companion.cli import main
from companion.errors import RunError
from companion.evidence.record import load_record, load_records, sha256
from companion.evidence.soundness import differences, notebook_problems, problems
from companion.freshness.fingerprint import stale
from companion.report.scorecard import claim_rows

NOTEBOOK = "results/smoke/toy/euler.ipynb"
ACCEPTED = "reason: coarse steps, accepted: reproduced"
DIFFERS = "toy.euler.order (smoke): accepted undecided, found reproduced (value 1, support 1 ± 0.03)"


def told(root: Path) -> list[str]:
    return problems(root / NOTEBOOK, load_record(root, "smoke", "toy", "euler"), load_ledger(root, "toy"))


def rewrite(root: Path, change) -> None:
    """Change notebook and record alike, so that hash, record and outputs agree."""
    path = root / NOTEBOOK
    data = json.loads(path.read_text())
    outputs = [output for cell in data["cells"] for output in cell.get("outputs", ())]
    payloads = [output.get("metadata", {}).get("companion", {}) for output in outputs]
    items = [payload["check"] for payload in payloads if "check" in payload]
    record = json.loads(path.with_suffix(".json").read_text())
    for item in items:
        change(item)
        record["checks"][item["claim"]] = {k: v for k, v in item.items() if k not in ("claim", "profile")}
    path.write_text(json.dumps(data))
    path.with_suffix(".json").write_text(json.dumps({**record, "notebook_sha256": sha256(path)}))


def test_a_verdict_that_is_not_the_accepted_one_is_told_everywhere(ran, capsys):
    ledger, record = load_ledger(ran, "toy"), load_record(ran, "smoke", "toy", "euler")
    assert differences(ledger, record) == [] and told(ran) == []
    edit(ran, "book/toy/claims.yml", ACCEPTED, ACCEPTED.replace("reproduced", "undecided"))
    assert differences(load_ledger(ran, "toy"), record) == told(ran) == [DIFFERS]
    assert main(["status", "--root", str(ran)]) == 0
    assert f"differs  {DIFFERS}" in capsys.readouterr().out
    before = (ran / NOTEBOOK).with_suffix(".json").read_bytes()
    assert main(["run", "--root", str(ran), "toy/euler", "--profile", "smoke"]) == 0
    assert f"verdict differs: {DIFFERS}" in capsys.readouterr().out.splitlines()
    assert (ran / NOTEBOOK).with_suffix(".json").read_bytes() != before, "a difference must not stop storing"


def test_a_check_at_any_profile_needs_an_accepted_verdict(ran):
    planned = "paper: {equals: 1, tolerance: 0.1, reason: r, verdict: not attempted, cost: 3 h, why: no GPU}"
    edit(ran, "book/toy/claims.yml", "paper: {verdict: not attempted, cost: 3 h, why: no GPU}", planned)
    record = replace(load_record(ran, "smoke", "toy", "euler"), profile="paper")
    assert differences(load_ledger(ran, "toy"), record) == [
        "toy.euler.order (paper): expected an accepted verdict in the ledger, found none beside reproduced "
        "(value 1, support 1 ± 0.1)"
    ]
    edit(ran, "book/toy/claims.yml", "reason: r, verdict", "reason: r, accepted: reproduced, verdict")
    assert differences(load_ledger(ran, "toy"), record) == []


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("profile", "book", "expected a check at profile smoke, found one at 'book'"),
        ("seeds", [1, 2, 3], "seeds: expected 0, 1, 2: none is chosen, found [1, 2, 3]"),
        ("baseline", [1.0], "baseline: expected 3 numbers, one for each seed, found 1"),
    ],
)
def test_a_payload_must_be_such_that_it_can_be_judged(ran, key, value, sentence):
    rewrite(ran, lambda item: item.update({key: value} if item["claim"] == "toy.euler.loss" else {}))
    assert any(problem.startswith("claim toy.euler.loss") and sentence in problem for problem in told(ran))


SHAPES = [
    ({"verdict": "reproduced"}, "expected no keys but value, values, baseline, seeds, found verdict"),
    ({"values": [1.0]}, "expected either value or values, found both"),
    ({"value": None}, "expected a number for value, found None"),
    ({"value": True}, "expected a number for value, found True"),
    ({"seeds": []}, "expected a list of numbers for seeds, found []"),
    ({"baseline": [1, "2"]}, "expected a list of numbers for baseline, found [1, '2']"),
]


@pytest.mark.parametrize(("change", "sentence"), SHAPES)
def test_a_payload_of_another_shape_is_one_sentence_in_notebook_and_record(ran, change, sentence):
    path = (ran / NOTEBOOK).with_name("heun.ipynb")
    record, ledger = load_record(ran, "smoke", "toy", "heun"), load_ledger(ran, "toy")
    for name in (path, path.with_suffix(".json")):
        data = json.loads(name.read_text())
        item = (
            data["checks"]["toy.heun.order"]
            if "checks" in data
            else next(output["metadata"]["companion"]["check"] for output in data["cells"][-1]["outputs"])
        )
        item.update(change)
        name.write_text(json.dumps(data))
    with pytest.raises(RunError) as error:
        load_record(ran, "smoke", "toy", "heun")
    assert str(error.value) == f"heun.json: {sentence} in checks of toy.heun.order"
    assert f"claim toy.heun.order: {sentence} in its payload" in problems(path, record, ledger)


@pytest.mark.parametrize(
    ("settled", "sentence"),
    [
        ({"commit": "0123abc"}, "expected null, or commit and date, for settled, found {'commit': '0123abc'}"),
        ({"commit": "HEAD", "date": "2026-05-04"}, "expected a commit in hexadecimal for settled, found 'HEAD'"),
        ({"commit": "0123abc", "date": "May"}, "expected a date like 2026-05-04 for settled, found 'May'"),
        ({"commit": "0123abc", "date": "2026-05-04"}, None),
    ],
)
def test_a_record_says_in_which_commit_its_run_is_settled(ran, settled, sentence):
    path = (ran / NOTEBOOK).with_suffix(".json")
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "settled": settled}))
    if sentence is None:
        assert json.loads(load_record(ran, "smoke", "toy", "euler").json())["settled"] == settled
        return
    with pytest.raises(RunError) as error:
        load_record(ran, "smoke", "toy", "euler")
    assert str(error.value) == f"euler.json: {sentence}"


def test_a_record_may_leave_out_where_it_is_settled_and_a_sidecar_is_no_record(ran):
    path = (ran / NOTEBOOK).with_suffix(".json")
    data = json.loads(path.read_text())
    del data["settled"]
    path.write_text(json.dumps(data))
    assert main(["stale", "--root", str(ran), "--profile", "smoke"]) == 0
    path.with_name("euler.carry.json").write_text("{}")
    assert [(record.page, record.settled) for record in load_records(ran)] == [("euler", None), ("heun", None)]


REGION = "smoke: {equals: 1.0, tolerance: 0.03, reason: coarse steps, accepted: reproduced, scale: none}"


def test_an_edit_of_a_region_changes_what_judge_says_and_makes_nothing_stale(ran, capsys):
    assert main(["judge", "--root", str(ran)]) == 0
    assert capsys.readouterr().out == ("3 stored numbers of 2 runs judged; 0 verdicts are not the accepted ones\n")
    before = {path: path.read_bytes() for path in (ran / "results").rglob("*.*")}
    edit(ran, "book/toy/claims.yml", REGION, REGION.replace("equals: 1.0", "equals: 2.0"))
    assert main(["judge", "--root", str(ran), "--chapter", "toy"]) == 2
    assert "a region that the figure claimed, 1, lies in, found 2 ± 0.03" in capsys.readouterr().err
    edit(ran, "book/toy/claims.yml", "paper: {value: 1,", "paper: {value: 2,")
    edit(ran, "book/toy/claims.yml", "book: {equals: 1.0", "book: {equals: 2.0")
    assert main(["judge", "--root", str(ran), "--chapter", "toy"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "toy.euler.order (smoke): accepted reproduced, found not reproduced (value 1, support 2 ± 0.03)",
        "3 stored numbers of 2 runs judged; 1 verdict is not the accepted one",
    ]
    assert main(["stale", "--root", str(ran), "--profile", "smoke"]) == 0
    edit(
        ran,
        "book/toy/claims.yml",
        "tolerance: 0.03, reason: coarse steps, accepted: reproduced",
        "tolerance: 0.03, reason: coarse steps, accepted: not reproduced",
    )
    assert main(["judge", "--root", str(ran)]) == 0 and told(ran) == []
    assert {path: path.read_bytes() for path in (ran / "results").rglob("*.*")} == before


KIND = "claim toy.euler.order, values: expected a list of numbers, found 1.0"


def test_an_edit_of_a_kind_is_judged_or_named(ran, capsys):
    edit(ran, "book/toy/claims.yml", "kind: order\n    page: euler", "kind: bound\n    page: euler")
    assert main(["judge", "--root", str(ran)]) == 0
    edit(ran, "book/toy/claims.yml", "kind: bound\n    page: euler", "kind: training\n    page: euler")
    capsys.readouterr()
    assert main(["judge", "--root", str(ran)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"toy/euler (smoke): {KIND}",
        "2 stored numbers of 2 runs judged; 0 verdicts are not the accepted ones; 1 problem",
    ]
    assert told(ran) == [KIND]
    order = claim_rows(ran)[0]
    assert order.verdicts["smoke"] == "not run" and order.check is None and order.differences == [KIND]
    assert main(["status", "--root", str(ran)]) == main(["scorecard", "--root", str(ran)]) == 0
    assert f"differs  {KIND}" in capsys.readouterr().out
    edit(
        ran,
        "book/toy/claims.yml",
        "kind: training\n    page: euler\n    unit",
        "kind: bound\n    page: euler\n    unit",
    )
    edit(ran, "book/toy/claims.yml", "below: 0, refute: {above: 0.5}", "below: 0")
    sentence = (
        "claim toy.euler.loss, baseline: expected it only for a claim of kind training or proportion, found kind "
        "bound"
    )
    assert sentence in told(ran)


def test_judge_tells_of_a_record_that_cannot_be_read_and_of_a_claim_that_is_gone(ran, capsys):
    (ran / "results/smoke/toy/heun.json").write_text('{"schema": 1}')
    edit(ran, "book/toy/claims.yml", "id: toy.euler.order", "id: toy.euler.slope")
    assert main(["judge", "--root", str(ran)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "toy/euler (smoke): claim toy.euler.order: expected a claim of book/toy/claims.yml, found only numbers",
        "results/smoke/toy/heun.json: expected a record of schema 2, found 1",
        "1 stored number of 1 run judged; 0 verdicts are not the accepted ones; 2 problems",
    ]


def test_parameters_and_seeds_of_a_record_are_those_of_its_page(ran):
    page, record = find_page(ran, "toy/euler"), load_record(ran, "smoke", "toy", "euler")
    assert stale(record, page) == []
    other = replace(record, parameters={**record.parameters, "width": 3})
    assert stale(other, page) == ["its parameters are not the page's: width 3 -> 0.5"]
    ledger = load_ledger(ran, "toy")
    assert problems(ran / NOTEBOOK, replace(record, seeds=[0, 1]), ledger) == [
        "seeds: expected [0, 1, 2], as parameters and checks have them, found [0, 1] in the record"
    ]


def code(source: str, *outputs: dict) -> dict:
    cell = {"cell_type": "code", "source": source, "execution_count": 1, "metadata": {}}
    return {"cells": [{**cell, "outputs": list(outputs)}]}


def result(text: str) -> dict:
    return {"output_type": "execute_result", "data": {"text/plain": text}, "metadata": {}}


@pytest.mark.parametrize(
    ("source", "bad"),
    [
        ("ax.legend();", True),
        ("x\nax.legend() ;  # quiet", True),
        ("x = 1\n# a;", False),
        ("x = ';'", False),
        ("a = 1; b = 2", False),
        ("%time f();", False),
    ],
)
def test_a_semicolon_at_the_end_is_told(source, bad):
    found = notebook_problems(code(source, result("1")), "euler", "smoke")
    assert found == bad * [
        "code cell 1 ends in a semicolon, which nbval does not honour; "
        "end the cell with plt.show() or an assignment"
    ]


def test_a_memory_address_is_told():
    found = notebook_problems(code("ax.legend()", result("<Legend at 0x7f00aa11>")), "euler", "smoke")
    assert found == ["code cell 1 shows a memory address: <Legend at 0x7f00aa11>"]


def test_a_semicolon_is_told_before_the_run(toy, capsys):
    edit(toy, "book/toy/euler.md", 'print("width", width)', "losses.sort();")
    for command in (["check-ledger"], ["run", "toy/euler", "--profile", "smoke"]):
        assert main([command[0], "--root", str(toy), *command[1:]]) in (1, 2)
        error = capsys.readouterr().err
        assert "page toy/euler: code cell 3 ends in a semicolon" in error
    assert not (toy / "results").exists()
