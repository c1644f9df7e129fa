"""The scorecard, the status table, the list of stale runs, and the table in the README."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from toy_book import edit

from companion.cli import main
from companion.errors import CompanionError
from companion.evidence.record import load_record
from companion.report.scorecard import MARKS, claim_rows, counts, markdown, write_markdown
from companion.report.status import age, write_table

REPOSITORY = Path(__file__).parents[3]


def test_rows_before_any_run(toy):
    rows = claim_rows(toy)
    assert [row.claim.id for row in rows] == ["toy.euler.order", "toy.euler.loss", "toy.heun.order"]
    assert rows[0].verdicts == {"smoke": "not run", "book": "not run", "paper": "not attempted"}
    assert (rows[0].verdict, rows[1].verdict, rows[0].record, rows[0].check, rows[0].stale) == (
        "not attempted",
        "not run",
        None,
        None,
        False,
    )
    assert counts(rows, "paper") == {
        "reproduced": 0,
        "not reproduced": 0,
        "undecided": 0,
        "not attempted": 1,
        "quoted": 0,
        "not run": 1,
    }
    assert counts(rows, "ours") == {"holds": 0, "fails": 0, "open": 0, "not attempted": 0, "not run": 1}


def test_headline_is_the_most_demanding_stored_check(ran):
    book = ran / "results/book/toy"
    book.mkdir(parents=True)
    text = (ran / "results/smoke/toy/heun.json").read_text()
    data = json.loads(text)
    data["checks"]["toy.heun.order"]["value"] = 1.5
    (book / "heun.json").write_text(json.dumps({**data, "profile": "book"}))
    order, loss, heun = claim_rows(ran)
    assert (order.verdict, order.profile, order.verdicts["paper"]) == ("reproduced", "smoke", "not attempted")
    assert order.check.value == 1.0 and not order.stale and loss.record.page_id == "toy/euler"
    assert (heun.verdict, heun.profile, heun.stale) == ("fails", "book", True)
    assert counts([order, loss, heun], "paper") == {
        "reproduced": 2,
        "not reproduced": 0,
        "undecided": 0,
        "not attempted": 0,
        "quoted": 0,
    }
    assert counts([order, loss, heun], "ours") == {"holds": 0, "fails": 1, "open": 0, "not attempted": 0}


def test_status_table_names_reasons(ran):
    from rich.console import Console

    edit(ran, "lib/contdepth/schemes/euler.py", "1.0", "1.01")
    console = Console(file=io.StringIO(), width=150)
    write_table(claim_rows(ran), console)
    lines = console.file.getvalue().splitlines()
    assert (lines[1].strip(), lines[4].strip()) == ("The papers’ claims", "The book’s own checks")
    assert lines[2].split() == [
        "toy.euler.order",
        "reproduced",
        "not",
        "run",
        "not",
        "attempted",
        "1",
        *lines[2].split()[7:9],
        "stale",
    ]
    assert "-1.033 [-1.177, -0.8899] nats" in lines[3] and lines[5].endswith("fresh")
    assert lines[6:] == ["stale  toy/euler (smoke): contdepth.schemes.euler:slope changed since the run"]


def test_status_as_json(ran, capsys):
    assert main(["status", "--root", str(ran), "--json", "--chapter", "toy"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert (
        rows[1]["headline"] == "reproduced" and rows[1]["stale"] == {"smoke": []} and rows[1]["profile"] == "smoke"
    )
    assert main(["status", "--root", str(ran), "--chapter", "toyy"]) == 2
    assert (
        capsys.readouterr().err == "companion: chapter: expected one of toy, found 'toyy'; did you mean 'toy'?\n"
    )


def test_stale_lists_missing_changed_and_orphaned_runs(ran, capsys):
    assert main(["stale", "--root", str(ran), "--profile", "smoke"]) == 0
    assert capsys.readouterr().out == "every stored run is fresh\n"
    edit(ran, "lib/contdepth/helpers.py", "2 * x", "x * 2")
    (ran / "results/smoke/toy/old.json").write_text("{}")
    (ran / "results/smoke/toy/euler.json").unlink()
    assert main(["stale", "--root", str(ran)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "toy/euler (smoke): no run is stored",
        "toy/euler (book): no run is stored",
        "toy/heun (smoke): contdepth.helpers:twice changed since the run",
        "toy/heun (book): no run is stored",
        "toy/euler (smoke): euler.ipynb is stored without its record",
        "toy/old (smoke): old.json is stored, but runs.yml has no such page and profile",
        "6 findings: companion run --resume runs what is missing or stale",
    ]


def test_scorecard_as_text(ran, capsys):
    assert main(["scorecard", "--root", str(ran)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        "The papers’ claims".split(),
        "chapter reproduced not reproduced undecided not attempted quoted".split(),
        ["toy", "2", "0", "0", "0", "0"],
        ["all", "2", "0", "0", "0", "0"],
        "The book’s own checks".split(),
        "chapter holds fails open not attempted".split(),
        ["toy", "1", "0", "0", "0"],
        ["all", "1", "0", "0", "0"],
    ]
    edit(ran, "lib/contdepth/schemes/euler.py", "1.0", "1.01")
    main(["scorecard", "--root", str(ran)])
    assert (
        capsys.readouterr().out.splitlines()[-1] == "claims that rest on a stale run: 2 (companion stale says why)"
    )


def test_scorecard_in_markdown(ran, tmp_path, capsys):
    readme = tmp_path / "README.md"
    readme.write_text(f"# Toy\n\n{MARKS[0]}\nold\n{MARKS[1]}\n\nend\n")
    assert write_markdown(ran, readme) and not write_markdown(ran, readme)
    lines = readme.read_text().splitlines()
    assert lines[2:15] == [
        MARKS[0],
        "**The papers’ claims**",
        "",
        "| chapter | reproduced | not reproduced | undecided | not attempted | quoted |",
        "|---|---:|---:|---:|---:|---:|",
        "| toy | 2 | 0 | 0 | 0 | 0 |",
        "| all | 2 | 0 | 0 | 0 | 0 |",
        "",
        "**The book’s own checks**",
        "",
        "| chapter | holds | fails | open | not attempted |",
        "|---|---:|---:|---:|---:|",
        "| toy | 1 | 0 | 0 | 0 |",
    ]
    assert lines[-1] == "end"
    readme.write_text("nothing")
    with pytest.raises(CompanionError, match="README.md: expected the marks"):
        write_markdown(ran, readme)
    assert main(["scorecard", "--root", str(ran), "--write", str(readme)]) == 2


def test_readme_carries_the_present_scorecard():
    """``companion scorecard --write README.md`` makes this green."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert text.partition(MARKS[0])[2].partition(MARKS[1])[0].strip() == markdown(REPOSITORY)


@pytest.mark.parametrize(("ago", "text"), [(5, "5 s"), (90, "1 min"), (7300, "2 h"), (200000, "2 d")])
def test_age(ago, text):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert age((now - timedelta(seconds=ago)).isoformat(), now) == text


def test_runs_made_with_other_versions_than_are_pinned_are_counted_and_come_first(ran, capsys):
    from companion.evidence.pins import pinned
    from companion.rerun.verify import priority

    record = load_record(ran, "smoke", "toy", "euler")
    numpy = record.versions["numpy"]
    pins = f"# pins\nnumpy=={numpy}\nSciPy==0.1\ntorch==2.0 ; python_version > '3'\n"
    (ran / "constraints.txt").write_text(pins)
    assert main(["status", "--root", str(ran)]) == 0
    found = capsys.readouterr().out.splitlines()[-1]
    assert found.startswith("versions  2 of 2 stored runs were made with other versions than constraints.txt pins")
    assert found.endswith("pinned 2.0: 2); companion verify --profile book runs them first")
    assert main(["status", "--root", str(ran), "--json"]) == 0
    first = json.loads(capsys.readouterr().out)[0]["other_versions"]["smoke"]
    assert first == {"scipy": [record.versions["scipy"], "0.1"], "torch": [record.versions["torch"], "2.0"]}
    old, new = (replace(record, profile="book", started=started) for started in ("2020-01-01", "2026-01-01"))
    changed = replace(new, versions={**new.versions, "numpy": "0.1"})
    plain = {"numpy": numpy}
    assert sorted([new, old, changed], key=lambda one: priority(one, plain)) == [changed, old, new]
    (ran / "constraints.txt").write_text(f"numpy=={numpy}\ntorch=={record.versions['torch'].partition('+')[0]}\n")
    assert pinned(ran)["numpy"] == numpy
    assert main(["status", "--root", str(ran)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "versions  all 2 stored runs were made with the versions that constraints.txt pins"
    )
