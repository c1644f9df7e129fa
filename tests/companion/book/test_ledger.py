"""Ledgers and ``runs.yml``: what they hold, and one exact sentence for each breach."""

import pytest
import toy_book
from toy_book import edit

from companion.book.ledger import load_ledger
from companion.book.pages import load_runs
from companion.cli import main
from companion.errors import DocumentError

LEDGER = "book/toy/claims.yml"
RUNS = "book/toy/runs.yml"
FIRST = "book/toy/claims.yml:{}, claim toy.euler.order, key {}"
SMOKE = "smoke: {equals: 1.0, tolerance: 0.03, reason: coarse steps, accepted: reproduced, scale: none}"
LOSS = "smoke: {below: 0, refute: {above: 0.5}, reason: half the gain, accepted: reproduced, scale: few}"
NONE = "verdict: not attempted, cost: 3 h, why: no GPU"


def test_model(toy):
    ledger = load_ledger(toy, "toy")
    first, loss, _ = ledger.claims
    assert first.anchor == "claim-toy-euler-order"
    assert first.expect["book"].text == "1 ± 0.01" and first.expect["book"].accepted == "reproduced"
    assert (first.expect["paper"].verdict, first.expect["paper"].why) == ("not attempted", "no GPU")
    assert not first.expect["paper"].checkable and first.expect["smoke"].checkable
    assert loss.expect["smoke"].text == "< 0 (refuted if > 0.5)" and loss.paper.value == -1.0
    row = ledger.tables[0].rows[1]
    assert (row[0].value, row[0].verified, row[0].source) == (32, False, ("L",))
    assert (row[1].value, row[1].verified) == (None, True)
    assert [claim.id for claim in ledger.expected("euler", "smoke")] == ["toy.euler.order", "toy.euler.loss"]
    assert ledger.departures[0].who == "ours"
    with pytest.raises(KeyError, match="did you mean 'toy.euler.order'"):
        ledger.claim("toy.euler.ordr")


def test_yaml_1_2_scalars(toy):
    """``1e-2`` is a number (PyYAML reads text), ``no`` is text (PyYAML reads false)."""
    edit(toy, LEDGER, "why: no GPU", "why: no")
    expect = load_ledger(toy, "toy").claims[0].expect
    assert expect["paper"].why == "no" and expect["book"].support.high == 1.01


def test_a_planned_region_stands_beside_a_verdict(toy):
    edit(
        toy,
        LEDGER,
        "{verdict: not attempted,",
        "{equals: 1, tolerance: 0.1, reason: seeds, verdict: not attempted,",
    )
    paper = load_ledger(toy, "toy").claims[0].expect["paper"]
    assert paper.support.high == 1.1 and not paper.checkable


def test_a_claim_measured_by_a_clock_says_so(toy):
    edit(toy, LEDGER, "kind: order\n    page: euler", "kind: measure\n    clock: true\n    page: euler")
    assert [claim.clock for claim in load_ledger(toy, "toy").claims] == [True, False, False]
    edit(toy, LEDGER, "clock: true", "clock: wall")
    with pytest.raises(DocumentError) as error:
        load_ledger(toy, "toy")
    label = FIRST.format(20, "clock")
    assert error.value.problems == (f"{label}: expected true or false, found 'wall'",)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "tolerance: 0.03",
            "tolerance: wide",
            FIRST.format(22, "expect.smoke.tolerance") + ": expected a number >= 0, found 'wide'",
        ),
        (
            "tolerance: 0.03",
            "tolerance: -1",
            FIRST.format(22, "expect.smoke.tolerance") + ": expected a number >= 0, found -1",
        ),
        (
            "equals: 1.0, tolerance: 0.03",
            "equals: .nan, tolerance: 0.03",
            FIRST.format(22, "expect.smoke.equals") + ": expected a finite number, found nan",
        ),
        (
            "tolerance: 0.03",
            "toleranc: 0.03",
            FIRST.format(22, "expect.smoke.toleranc")
            + ": expected one of the keys above, accepted, below, between, "
            "cost, equals, reason, refute, scale, tolerance, trainings, trials, verdict, why, "
            "found an unknown key; did you mean 'tolerance'?",
        ),
        (
            "reason: coarse steps,",
            "reason: coarse, not fine,",
            FIRST.format(22, "expect.smoke.not fine")
            + ": expected one of the keys above, accepted, below, between, "
            "cost, equals, reason, refute, scale, tolerance, trainings, trials, verdict, why, "
            "found an unknown key; put text that holds a comma "
            "in quotes",
        ),
        (
            "kind: order\n    page: euler",
            "kind: orders\n    page: euler",
            FIRST.format(19, "kind")
            + ": expected one of order, identity, bound, count, measure, training, proportion, "
            "found 'orders'",
        ),
        (
            "id: toy.euler.order",
            "id: Euler",
            "book/toy/claims.yml:15, claim Euler, key id: expected text like schemes.order.heun, found 'Euler'",
        ),
        (
            "id: toy.euler.order",
            "id: toys.order",
            "book/toy/claims.yml:15, claim toys.order, key id: expected an id that begins with "
            "toy., found 'toys.order'",
        ),
        (
            "id: toy.euler.loss",
            "id: toy.euler.order",
            "book/toy/claims.yml:26, claim toy.euler.order, key id: expected an id that no other "
            "of the claims has, "
            "found 'toy.euler.order' again",
        ),
        (
            "chapter: toy",
            "chapter: toys",
            "book/toy/claims.yml:1, key chapter: expected the folder's name 'toy', found 'toys'",
        ),
        (
            "year: 2020",
            "year: MMXX",
            "book/toy/claims.yml:2, key paper.year: expected a whole number >= 1900, found 'MMXX'",
        ),
        (
            "title: Errors",
            "titel: Errors",
            "book/toy/claims.yml:4, table A-1, key title: expected text that is not empty, found nothing",
        ),
        (
            "[20, 8.75]",
            "[20, 8.75, 3]",
            "book/toy/claims.yml:9, table A-1, key rows[0]: expected 2 cells, one a column, found 3",
        ),
        (
            "value: null, source: [L]",
            "value: null, source: [L, Q]",
            "book/toy/claims.yml:10, table A-1, key rows[1][1].source: expected a key of sources "
            "(L, W), found 'Q'",
        ),
        (
            "{value: -1.0, source: L}",
            "{value: -1.0, source: M}",
            "book/toy/claims.yml:33, claim toy.euler.loss, key paper.source: expected a key of "
            "sources (L, W), found 'M'",
        ),
        (
            "{value: -1.0, source: L}",
            "{source: L}",
            "book/toy/claims.yml:33, claim toy.euler.loss, key paper: expected exactly one of "
            "value, range and figure: none, found none of them",
        ),
        (
            "kind: order\n    page: euler",
            "kind: order\n    page: eulr",
            FIRST.format(20, "page") + ": expected a page of book/toy/runs.yml (euler, heun), found 'eulr'; "
            "did you mean 'euler'?",
        ),
        (
            "kind: order\n    page: euler",
            "kind: order\n    page: null",
            FIRST.format(20, "page") + ": expected a page, since smoke and book must be checked, found null",
        ),
        (
            SMOKE,
            SMOKE.replace("equals: 1.0", "equals: 1.0, below: 3"),
            FIRST.format(22, "expect.smoke")
            + ": expected exactly one of equals, below, above, between (or verdict), "
            "found equals and below",
        ),
        (
            SMOKE,
            "smoke: {reason: x, accepted: reproduced, scale: none}",
            FIRST.format(22, "expect.smoke")
            + ": expected exactly one of equals, below, above, between (or verdict), "
            "found none",
        ),
        (
            SMOKE,
            SMOKE.replace(", accepted: reproduced", ""),
            FIRST.format(22, "expect.smoke.accepted") + ": expected one of reproduced, not reproduced, undecided "
            "(or holds, fails, open), found nothing",
        ),
        (
            SMOKE,
            SMOKE.replace("reason: coarse steps, ", ""),
            FIRST.format(22, "expect.smoke.reason") + ": expected text that gives the reason for the tolerance, "
            "found nothing",
        ),
        (
            f"paper: {{{NONE}}}",
            "paper: {above: 1}",
            FIRST.format(24, "expect.paper")
            + ": expected a profile at which page euler is run, found paper, that "
            "runs.yml does not attempt",
        ),
        (
            ", why: no GPU",
            "",
            FIRST.format(24, "expect.paper.why") + ": expected text that says why there is no run, found nothing",
        ),
        (
            ", cost: 3 h",
            "",
            FIRST.format(24, "expect.paper.cost") + ": expected text that says what a run would "
            "cost, found nothing",
        ),
        (
            LOSS,
            "smoke: {below: 0, accepted: reproduced, scale: few}",
            "book/toy/claims.yml:35, claim toy.euler.loss, key expect.smoke.reason: expected "
            "text, since training "
            "claims need a reason for their region, found nothing",
        ),
        (
            LOSS,
            LOSS.replace("below: 0", "equals: 0"),
            "book/toy/claims.yml:35, claim toy.euler.loss, key expect.smoke.tolerance: expected a "
            "number > 0, since an "
            "interval is judged, found nothing",
        ),
        (
            LOSS,
            LOSS.replace("above: 0.5", "below: -0.5"),
            "book/toy/claims.yml:35, claim toy.euler.loss, key expect.smoke.refute: expected a "
            "region that reaches "
            "outside the support region, found one inside it",
        ),
        (
            "{above: 1.5,",
            "{above: 1.5, refute: {below: 0},",
            "book/toy/claims.yml:44, claim toy.heun.order, key expect.smoke.refute: expected it "
            "only for claims judged on an interval, found kind order",
        ),
        (
            "between: [1.9, 2.1]",
            "between: [2.1, 1.9]",
            "book/toy/claims.yml:45, claim toy.heun.order, key expect.book.between: expected a "
            "lower end below the "
            "upper end, found [2.1, 1.9]",
        ),
        (
            "between: [1.9, 2.1]",
            "between: [1.9]",
            "book/toy/claims.yml:45, claim toy.heun.order, key expect.book.between: expected a "
            "list of 2 items, each a "
            "number, found 1 items",
        ),
        (
            "    origin: ours",
            "    origin: ours\n    origin: paper",
            "book/toy/claims.yml:41: expected every key once, found 'origin' twice",
        ),
        (
            "origin: ours",
            "origin: [ours",
            "book/toy/claims.yml:41: expected YAML, found this: expected ',' or ']', but got ':'",
        ),
        ("departures:\n", "departures:\n  1: x\n", None),
    ],
)
def test_breaches_are_one_sentence(toy, old, new, sentence):
    edit(toy, LEDGER, old, new)
    with pytest.raises(DocumentError) as error:
        load_ledger(toy, "toy")
    assert len(error.value.problems[0].splitlines()) == 1
    if sentence is not None:
        assert error.value.problems[0] == sentence


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "chapter: toy",
            "chapter: toys",
            "book/toy/runs.yml:1, key chapter: expected the folder's name 'toy', found 'toys'",
        ),
        (
            "book: {timeout: 60}",
            "book: {timeout: 0}",
            "book/toy/runs.yml:7, page euler, key profiles.book.timeout: expected a number > 0, found 0",
        ),
        (
            "book: {timeout: 60}",
            "book: {parameters: {steps: [1]}}",
            "book/toy/runs.yml:7, page euler, key "
            "profiles.book.parameters: expected none, since book runs the page's own defaults, found steps",
        ),
        (
            "steps: [4, 8]",
            "profile: x",
            "book/toy/runs.yml:6, page euler, key profiles.smoke.parameters.profile: "
            "expected no such key, since the runner sets it, found it",
        ),
        (
            "cost: 3 h, ",
            "",
            "book/toy/runs.yml:8, page euler, key profiles.paper.cost: expected text, since the run "
            "is not attempted, found nothing",
        ),
        (
            "smoke: {}",
            "smoke: {not_attempted: too long, cost: 1 h}",
            "book/toy/runs.yml:11, page heun, key profiles.smoke.not_attempted: expected it only at profile "
            "paper, found it at smoke",
        ),
        (
            "  heun:",
            "  hoin:",
            "book/toy/runs.yml:9, page hoin: expected the file book/toy/hoin.md, found nothing",
        ),
        (
            "smoke: {}",
            "smok: {}",
            "book/toy/runs.yml:11, page heun, key profiles.smok: expected one of the keys book, "
            "paper, smoke, found an unknown key; did you mean 'smoke'?",
        ),
    ],
)
def test_breaches_of_runs(toy, old, new, sentence):
    edit(toy, RUNS, old, new)
    with pytest.raises(DocumentError) as error:
        load_runs(toy, "toy")
    assert error.value.problems[0] == sentence


def test_check_ledger_command_lists_every_breach(toy, capsys):
    assert main(["check-ledger", "--root", str(toy)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "1 ledger, 3 claims, 2 pages, 0 given numbers in prose: no problems"
    )
    edit(toy, LEDGER, "tolerance: 0.03", "tolerance: wide")
    edit(toy, LEDGER, "year: 2020", "year: MMXX")
    assert main(["check-ledger", "--root", str(toy)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_schemas_are_valid_and_documented():
    import json
    from pathlib import Path

    from jsonschema import Draft202012Validator

    import companion

    for path in (Path(companion.__file__).parent / "schema").glob("*.json"):
        schema = json.loads(path.read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(schema)
        pending = [schema]
        while pending:
            node = pending.pop()
            for key, child in node.get("properties", {}).items() if isinstance(node, dict) else ():
                known = "$ref" in child or "description" in child
                assert known, f"{path.name}: {key} has no description"
            pending += [
                v for v in (node.values() if isinstance(node, dict) else node) if isinstance(v, (dict, list))
            ]
    assert toy_book.CLAIMS
