"""Evidence: verdicts against the accepted ones, payloads against their numbers, records against pages."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from toy_book import edit

from companion.cli import main
from companion.evidence import differences, notebook_problems, problems
from companion.fingerprint import stale
from companion.ledger import load_ledger
from companion.pages import find_page
from companion.record import load_record, sha256

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
        ("interval", [-1.2, -0.9], "its numbers give interval [-1.176755"),
        ("value", -2.0, "its numbers give value -1.033333"),
        ("expected", "< 1", "its numbers give expected '< 0 (refuted if > 0.5)', found '< 1' stored"),
        ("profile", "book", "expected a check at profile smoke, found one at 'book'"),
        ("seeds", [1, 2, 3], "seeds: expected 0, 1, 2: none is chosen, found [1, 2, 3]"),
    ],
)
def test_the_whole_payload_is_judged_again(ran, key, value, sentence):
    rewrite(ran, lambda item: item.update({key: value} if item["claim"] == "toy.euler.loss" else {}))
    assert any(problem.startswith("claim toy.euler.loss") and sentence in problem for problem in told(ran))


def test_a_payload_without_its_keys_is_one_sentence(ran):
    rewrite(ran, lambda item: item.pop("expected"))
    assert "claim toy.euler.loss: expected the key expected in its payload, found none" in told(ran)


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
    [("ax.legend();", True), ("x\nax.legend() ;  # quiet", True), ("x = 1\n# a;", False), ("x = ';'", False),
     ("a = 1; b = 2", False), ("%time f();", False)],
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
