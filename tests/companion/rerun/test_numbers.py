"""Numbers of a fresh run against accepted verdicts and stored numbers: every difference is told, by one rule."""

import json
from dataclasses import replace

import pytest
from toy_book import edit

from companion.book.ledger import load_ledger
from companion.cli import main
from companion.errors import DocumentError
from companion.evidence.judging import assess
from companion.evidence.machines import Allowance, Allowances, load_allowances, same_machine
from companion.evidence.record import Record, load_record, sha256
from companion.evidence.soundness import problems
from companion.rerun.numbers import number_findings, turned, verdict_findings


def record_with(record: Record, **checks) -> Record:
    return replace(record, checks={**record.checks, **checks})


def test_missing_unexpected_and_other_verdicts_are_told(executed):
    ledger, fresh = load_ledger(executed, "toy"), load_record(executed, "smoke", "toy", "euler")
    assert verdict_findings(ledger, "euler", fresh) == []
    checks = dict(fresh.checks)
    extra = record_with(fresh, **{"toy.heun.order": checks["toy.euler.order"]})
    assert verdict_findings(ledger, "euler", extra) == [
        "toy.heun.order (smoke): expected an entry in the ledger for the check on page euler, found none"
    ]
    extra.checks.pop("toy.euler.loss")
    assert verdict_findings(ledger, "euler", extra)[0] == (
        "toy.euler.loss (smoke): expected a check on page euler, found none"
    )
    straddling = {"values": [-0.2, -0.1, 0.0], "seeds": [0, 1, 2]}
    assert verdict_findings(ledger, "euler", record_with(fresh, **{"toy.euler.loss": straddling})) == [
        "toy.euler.loss (smoke): accepted reproduced, found undecided (value -0.1, interval [-0.348414, "
        "0.148414], support < 0 (refuted if > 0.5))"
    ]
    single = record_with(fresh, **{"toy.euler.loss": {"value": 1.0}})
    assert verdict_findings(ledger, "euler", single) == [
        "claim toy.euler.loss, values: expected a list of numbers, found 1.0"
    ]


def test_a_planned_region_is_judged_once_a_run_exists_but_not_required(ran):
    edit(
        ran,
        "book/toy/claims.yml",
        "smoke: {equals: 1.0, tolerance: 0.03, reason: coarse steps, accepted: reproduced, scale: none}",
        "smoke: {equals: 1, tolerance: 0.03, reason: r, accepted: reproduced, scale: none, "
        "verdict: not attempted, why: w, cost: 1 h}",
    )
    ledger, fresh = load_ledger(ran, "toy"), load_record(ran, "smoke", "toy", "euler")
    assert verdict_findings(ledger, "euler", fresh) == []
    fresh.checks.pop("toy.euler.order")
    assert verdict_findings(ledger, "euler", fresh) == []


LOSS = {"values": [1.0, 1.1, 1.2], "baseline": [2.0, 2.1, 2.3], "seeds": [0, 1, 2]}
NEAR, FAR = 1.0 + 1e-12, 1.0 + 1e-7


def told(root, page: str, allowances: Allowances | None, **checks) -> list[str]:
    """Return what is told of a fresh run whose stored one has other numbers."""
    ledger, stored = load_ledger(root, "toy"), load_record(root, "smoke", "toy", page)
    return number_findings(ledger, page, record_with(stored, **checks), stored, allowances)


def test_on_one_machine_the_last_bit_counts(executed):
    assert told(executed, "euler", None) == []
    assert told(executed, "euler", None, **{"toy.euler.order": {"value": NEAR}}) == [
        "toy.euler.order (smoke): stored reproduced (value 1), found reproduced (value 1); the numbers of one "
        "machine are equal to the bit"
    ]
    moved = {**LOSS, "values": [1.1, 1.0, 1.2]}  # two seeds change places: much the same interval
    assert len(told(executed, "euler", None, **{"toy.euler.loss": moved})) == 1


def test_on_another_machine_the_stated_tolerance_counts(executed):
    allowances = load_allowances(executed, "toy")
    assert told(executed, "euler", allowances) == []
    assert told(executed, "euler", allowances, **{"toy.euler.order": {"value": NEAR}}) == []
    assert told(executed, "euler", allowances, **{"toy.euler.order": {"value": FAR}}) == [
        "toy.euler.order (smoke): stored reproduced (value 1), found reproduced (value 1); on another machine it "
        "may differ by 1e-09 relatively"
    ]
    for shift, near in ((0.05, True), (0.2, False)):  # the stored half-width is 0.14
        moved = {**LOSS, "values": [value + shift for value in LOSS["values"]]}
        assert (told(executed, "euler", allowances, **{"toy.euler.loss": moved}) == []) == near
    wide = {**LOSS, "values": [0.8, 1.1, 1.4]}
    (found,) = told(executed, "euler", allowances, **{"toy.euler.loss": wide})
    assert "it may differ by 1 of the interval's half-width" in found
    (found,) = told(executed, "euler", Allowances("machines.yml", {}), **{"toy.euler.loss": LOSS})[:1]
    assert found.startswith("machines.yml: expected what toy.euler.loss (smoke) may differ by")


def test_a_verdict_that_another_machine_turns_is_told_however_near(executed):
    ledger, stored = load_ledger(executed, "toy"), load_record(executed, "smoke", "toy", "heun")
    sides = [record_with(stored, **{"toy.heun.order": {"value": value}}) for value in (1.5, 1.5 + 1e-12)]
    (found,) = number_findings(ledger, "heun", sides[0], sides[1], load_allowances(executed, "toy"))
    assert found.startswith("toy.heun.order (smoke): stored holds (value 1.5), found fails")


def test_what_rounding_turns_at_the_border_is_told_and_no_error_on_another_machine(executed):
    ledger, record = load_ledger(executed, "toy"), load_record(executed, "smoke", "toy", "euler")
    allowances = load_allowances(executed, "toy")
    stored, fresh, far = (
        record_with(record, **{"toy.euler.loss": {**LOSS, "values": [value + shift for value in LOSS["values"]]}})
        for shift in (0.87, 0.95, 1.8)
    )
    verdicts = [
        assess(ledger.claim("toy.euler.loss"), "smoke", **one.checks["toy.euler.loss"]).verdict
        for one in (stored, fresh, far)
    ]
    assert verdicts == ["reproduced", "undecided", "not reproduced"]
    found = turned(ledger, fresh, stored, allowances)
    assert list(found) == ["toy.euler.loss"] and "stored reproduced" in found["toy.euler.loss"]
    own = replace(ledger.claim("toy.euler.loss"), origin="ours")
    holds = replace(own.expect["smoke"], accepted="holds")
    ours = replace(ledger, claims=(replace(own, expect={"smoke": holds}),))
    assert "stored holds" in turned(ours, fresh, stored, allowances)["toy.euler.loss"]
    assert verdict_findings(ledger, "euler", fresh, found) == []
    assert number_findings(ledger, "euler", fresh, stored, allowances, leave=found) == []
    assert len(verdict_findings(ledger, "euler", fresh)) == 1
    assert turned(ledger, fresh, stored, None) == {}  # one machine
    assert turned(ledger, far, stored, allowances) == {}  # turned round, not undecided
    assert turned(ledger, stored, fresh, allowances) == {}  # the stored verdict is not the accepted one
    tight = Allowances("machines.yml", {("smoke", "toy.euler.loss"): Allowance(absolute=1e-3)})
    assert turned(ledger, fresh, stored, tight) == {}  # further than is stated
    clocked = replace(ledger, claims=(replace(ledger.claim("toy.euler.loss"), clock=True),))
    assert list(turned(clocked, fresh, stored, tight)) == ["toy.euler.loss"]  # what a clock measured has no bounds
    assert turned(clocked, far, stored, tight) == turned(clocked, fresh, stored, None) == {}


def test_notes_are_compared_like_claims_and_clocks_only_counted(executed):
    ledger, fresh = load_ledger(executed, "toy"), load_record(executed, "smoke", "toy", "heun")
    allowances = Allowances("machines.yml", {("smoke", "heun#a"): Allowance(relative=1e-2)})

    def notes(now, before, allowed=None, clocked=()):
        sides = [replace(fresh, values=values) for values in (now, before)]
        return number_findings(ledger, "heun", *sides, allowed, clocked)

    assert notes({"a": 100.0, "b": 1.0}, {"a": 100.0, "c": 0.0}) == [
        "note b (heun, smoke): expected it in the stored run too, found it only in the fresh one",
        "note c (heun, smoke): expected it in the fresh run too, found it only in the stored one",
    ]
    assert notes({"a": 100.0}, {"a": 100.5}) == [
        "note a (heun, smoke): stored 100.5, found 100.0; the numbers of one machine are equal to the bit"
    ]
    with_checks = replace(allowances, entries={**allowances.entries, ("smoke", "toy.heun.order"): Allowance()})
    assert notes({"a": 100.0}, {"a": 100.5}, with_checks) == []
    assert notes({"a": 100.0}, {"a": 102.0}, with_checks) == [
        "note a (heun, smoke): stored 102.0, found 100.0; on another machine it may differ by 0.01 relatively"
    ]
    assert notes({"time_a": 1.0, "x": 1.0}, {"time_a": 9.0, "x": 2.0}, clocked=["x"]) == []
    assert len(notes({"time_a": 1.0}, {})) == 1


@pytest.mark.parametrize(
    ("device", "version", "same"),
    [(None, None, True), ("cpu, 1 thread, Another Processor, AVX2", None, False), (None, "0.1", False)],
)
def test_a_machine_is_the_same_where_processor_and_versions_are(executed, device, version, same):
    record = load_record(executed, "smoke", "toy", "euler")
    versions = {**record.versions, **({"numpy": version} if version else {})}
    assert same_machine(replace(record, device=device or record.device, versions=versions)) == same


def test_a_tolerance_is_stated_once_and_with_a_reason(toy):
    edit(toy, "book/toy/machines.yml", "book: [toy.euler.order,", "book: [toy.euler.order, toy.euler.order,")
    with pytest.raises(DocumentError, match=r"expected each number once, found toy.euler.order \(book\) twice"):
        load_allowances(toy, "toy")
    edit(toy, "book/toy/machines.yml", "    reason: one operation in double precision\n", "")
    with pytest.raises(DocumentError, match=r"reason: expected text that is not empty"):
        load_allowances(toy, "toy")


def test_every_number_of_a_stored_run_has_its_tolerance_and_no_other(ran, capsys):
    assert main(["check-ledger", "--root", str(ran)]) == 0, capsys.readouterr().err
    edit(
        ran,
        "book/toy/machines.yml",
        'smoke: [toy.euler.order, toy.heun.order, "euler#finest"]',
        'smoke: [toy.euler.order, toy.heun.order, "euler#coarsest", toy.gone]',
    )
    assert main(["check-ledger", "--root", str(ran)]) == 2
    assert capsys.readouterr().err.splitlines()[-3:] == [
        "book/toy/machines.yml: expected what euler#finest (smoke) may differ by on another machine, found "
        "nothing",
        "book/toy/machines.yml: expected numbers of stored runs, found euler#coarsest (smoke), which none has",
        "book/toy/machines.yml: expected numbers of stored runs, found toy.gone (smoke), which none has",
    ]


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
