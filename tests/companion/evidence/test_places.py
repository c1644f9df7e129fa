"""Records and notebooks in their place: runs that change places are noticed, however much of them is restamped."""

import json
from dataclasses import asdict
from pathlib import Path

import nbformat
import pytest
from sphinx_toy import check
from toy_book import edit, register

from companion.book.ledger import load_ledger
from companion.book.pages import find_page
from companion.cli import main
from companion.errors import RunError
from companion.evidence.record import Record, extract, load_record, seeds_of, sha256
from companion.evidence.soundness import flaws
from companion.freshness.fingerprint import fingerprint
from companion.freshness.staleness import findings

PLACE = "results/smoke/toy/{}.{}"
PAIRED = {"values": [1.0, 1.1, 1.2], "baseline": [2.0, 2.1, 2.3], "seeds": [0, 1, 2]}
LEDGER = "book/toy/claims.yml"


def store(root: Path, name: str) -> None:
    """Store a run of a page at smoke, made by hand."""
    page, ledger = find_page(root, f"toy/{name}"), load_ledger(root, "toy")
    notebook = page.notebook()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        cell.execution_count = number
    for claim in ledger.expected(name, "smoke"):
        numbers = {"value": None, **PAIRED} if claim.kind == "training" else {"value": 1.0 + (name == "heun")}
        code[-1].outputs.append(check(claim, "smoke", numbers.pop("value"), **numbers))
    notebook.metadata["companion"] = {"source": f"book/toy/{name}.md", "profile": "smoke"}
    path = root / PLACE.format(name, "ipynb")
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    checks, values = extract(notebook)
    parameters = page.parameters("smoke")
    record = Record(
        "toy",
        name,
        "smoke",
        parameters,
        seeds_of(parameters, checks),
        "2026-11-21T10:00:00+00:00",
        1.0,
        1.0,
        "cpu",
        {},
        "0" * 40,
        False,
        sha256(path),
        fingerprint(page, "smoke"),
        checks,
        values,
    )
    path.with_suffix(".json").write_text(record.json(), encoding="utf-8")


@pytest.fixture
def book(toy):
    """The toy book with a stored run of both pages at smoke, and nowhere else."""
    for name in ("euler", "heun"):
        store(toy, name)
    machines = toy / "book/toy/machines.yml"
    machines.write_text(machines.read_text().replace(', "euler#finest"', ""))  # these runs have no notes
    register(toy, "made by hand")
    return toy


def swap(root: Path, *, names: bool = False, rest: bool = False) -> None:
    """Let the stored runs change places, with the names in the records and with what else tells them apart."""
    kept = {
        name: [(root / PLACE.format(name, kind)).read_text() for kind in ("ipynb", "json")]
        for name in ("euler", "heun")
    }
    for name, other in (("euler", "heun"), ("heun", "euler")):
        notebook, record = kept[other]
        if rest:
            notebook = notebook.replace(f"book/toy/{other}.md", f"book/toy/{name}.md")
        (root / PLACE.format(name, "ipynb")).write_text(notebook)
        data = json.loads(record)
        if names:
            data["page"] = name
        if rest:
            own = json.loads(kept[name][1])
            data |= {key: own[key] for key in ("fingerprint", "parameters")}
            data["notebook_sha256"] = sha256(root / PLACE.format(name, "ipynb"))
        (root / PLACE.format(name, "json")).write_text(json.dumps(data))


def reasons(root: Path, page: str) -> list[str]:
    return [finding.reason for finding in findings(root, profiles=("smoke",)) if finding.page == page]


def found(root: Path, name: str) -> list[str]:
    path = root / PLACE.format(name, "ipynb")
    return flaws(path, load_record(root, "smoke", "toy", name), load_ledger(root, "toy"))


def test_runs_in_their_places_are_evidence(book, capsys):
    assert found(book, "euler") == found(book, "heun") == [] == reasons(book, "toy/euler")
    assert main(["judge", "--root", str(book)]) == 0


def test_runs_that_change_places_are_told_by_every_command(book, capsys):
    swap(book)
    said = (
        "euler.json: expected the record of toy/euler at smoke, where it is stored, found that of toy/heun at "
        "smoke"
    )
    with pytest.raises(RunError, match=said):
        load_record(book, "smoke", "toy", "euler")
    assert main(["judge", "--root", str(book)]) == 1
    assert f"smoke/toy/{said}" in capsys.readouterr().out
    for command in ("stale", "status"):
        assert main([command, "--root", str(book)]) == 2
        assert said in capsys.readouterr().err


def test_a_record_at_another_profile_is_told(book):
    target = book / "results/book/toy/euler.json"
    target.parent.mkdir(parents=True)
    (book / PLACE.format("euler", "json")).rename(target)
    with pytest.raises(RunError, match="toy/euler at book, where it is stored, found that of toy/euler at smoke"):
        load_record(book, "book", "toy", "euler")


def test_with_their_names_restamped_they_are_stale_and_claims_are_out_of_place(book, capsys):
    swap(book, names=True)
    assert "the page's code cells changed since the run" in reasons(book, "toy/euler")
    assert "expected a notebook of book/toy/euler.md at smoke, found one of book/toy/heun.md at smoke" in found(
        book, "euler"
    )
    assert main(["judge", "--root", str(book)]) == 1
    assert (
        "toy/euler (smoke): claim toy.heun.order: expected a claim of page euler, found one of page heun"
        in capsys.readouterr().out
    )


def test_with_everything_restamped_the_claims_are_out_of_place(book, capsys):
    swap(book, names=True, rest=True)
    assert reasons(book, "toy/euler") == []  # the stamps are unsigned
    assert "claim toy.heun.order is checked but not expected of page euler at smoke" in found(book, "euler")
    assert "claim toy.euler.order is expected at smoke but not checked" in found(book, "euler")
    assert main(["judge", "--root", str(book)]) == 1
    assert "expected a claim of page heun, found one of page euler" in capsys.readouterr().out


def test_a_notebook_that_does_not_say_whose_it_is_is_no_evidence(book):
    path = book / PLACE.format("heun", "ipynb")
    notebook = json.loads(path.read_text())
    del notebook["metadata"]["companion"]
    path.write_text(json.dumps(notebook))
    assert "expected a notebook of book/toy/heun.md at smoke, found one that names neither" in found(book, "heun")


def test_a_verdict_flipped_in_notebook_record_and_ledger_together_is_told(book, capsys):
    path, record = book / PLACE.format("heun", "ipynb"), load_record(book, "smoke", "toy", "heun")
    path.write_text(path.read_text().replace('"value": 2.0', '"value": 1.25'))
    data = {
        "schema": 2,
        **asdict(record),
        "notebook_sha256": sha256(path),
        "checks": {"toy.heun.order": {"value": 1.25}},
    }
    path.with_suffix(".json").write_text(json.dumps(data))
    edit(
        book,
        LEDGER,
        "smoke: {above: 1.5, reason: room, accepted: holds}",
        "smoke: {above: 1.5, reason: room, accepted: fails}",
    )
    assert found(book, "heun") == [] and main(["judge", "--root", str(book)]) == 0
    assert main(["check-ledger", "--root", str(book)]) == 2
    assert "claim toy.heun.order: expected what book/register.tsv has of" in capsys.readouterr().err
    register(book, "found so")  # and then it is a line that everybody reads
    assert main(["check-ledger", "--root", str(book)]) == 0
    assert (book / "book/register.tsv").read_text().splitlines()[-1].endswith("\tfound so")
