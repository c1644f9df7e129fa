"""The open data: it fits its schema, says what ledgers and records say, and is the same each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from open_data import faults, table
from sphinx_toy import edit, write_book

from companion import documents, text
from companion.book.ledger import GROUPS, RELATED_WORKS, load_ledgers
from companion.cli import main
from companion.report import export
from companion.report.scorecard import counts

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy book with stored runs at smoke and book; not to be changed."""
    return write_book(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def exported(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the toy book's data, written by the command."""
    folder = tmp_path_factory.mktemp("data") / "new"
    assert main(["export", "--root", str(root), "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def claims(exported: Path) -> dict[str, dict[str, Any]]:
    """The toy book's claims by id."""
    data = json.loads((exported / "claims.json").read_text("utf-8"))
    return {claim["id"]: claim for chapter in data["chapters"] for claim in chapter["claims"]}


def test_three_whole_files_that_fit_the_schema(exported: Path) -> None:
    assert sorted(path.name for path in exported.iterdir()) == sorted(export.FILES)
    assert faults(exported) == []


def test_a_claim_says_what_ledger_and_record_say(claims: dict[str, dict[str, Any]]) -> None:
    euler, gap, imagenet = (claims[f"toy.{name}"] for name in ("order.euler", "gap", "imagenet"))
    assert (euler["verdict"], euler["profile"]) == ("reproduced", "book")
    assert list(euler["profiles"]) == ["smoke", "book"]
    assert euler["address"] == "book/toy/claims.html#claim-toy-order-euler"
    assert euler["figures"]["code"] is None and euler["group"] == "paper" and not euler["trained"]
    assert euler["figures"]["paper"] == {
        "value": 1,
        "low": None,
        "high": None,
        "text": None,
        "why": None,
        "verified": False,
        "sources": [{"key": "P", "text": "Abstract of the paper", "url": None}],
    }
    book = euler["profiles"]["book"]
    assert book["support"] == {"low": 0.97, "high": 1.03, "low_open": False, "high_open": False}
    assert (book["value"], book["expected"], book["reason"]) == (
        1.0123456,
        "1 ± 0.03",
        "The next term of the error",
    )
    assert (book["record"], book["notebook"]) == ("results/book/toy/orders.json", "results/book/toy/orders.ipynb")
    assert (book["cell"], euler["profiles"]["smoke"]["cell"]) == (
        "book/toy/orders.html#check-toy-order-euler",
        None,
    )
    assert book["command"] == "make reproduce PROFILE=book CHAPTER=toy PAGE=orders"
    assert (book["dirty"], book["duration_s"], book["stale"]) == (False, 187.2, [])
    found = gap["profiles"]["book"]
    assert (found["accepted"], found["seeds"], found["values"]) == ("undecided", [0, 1, 2], [-0.5, -0.3, 0.1])
    assert found["refute"] == {"low": 0.1, "high": None, "low_open": True, "high_open": False}
    assert found["scale"] == {
        "share": 0.05,
        "smallest": "grids",
        "parts": {"grids": [2, 40], "seeds": [3, 5]},
        "note": "The learning rate of the paper is not known",
    }
    assert book["scale"] is None
    missing = gap["profiles"]["paper"]
    assert (missing["verdict"], missing["why"], missing["cost"], missing["value"], missing["record"]) == (
        "not attempted",
        "no GPU was available",
        "12.5 h on one RTX 2070 Super",
        None,
        None,
    )
    assert missing["command"].endswith("PROFILE=paper CHAPTER=toy PAGE=orders")
    assert (imagenet["profile"], imagenet["profiles"]["book"]["command"]) == (None, None)


def test_the_table_says_the_same(exported: Path, claims: dict[str, dict[str, Any]]) -> None:
    rows = table(exported)
    assert [(row["id"], row["profile"]) for row in rows] == [
        (id, profile) for id, claim in claims.items() for profile in claim["profiles"]
    ]
    for row in rows:
        outcome = claims[row["id"]]["profiles"][row["profile"]]
        assert row["verdict"] == outcome["verdict"] and row["headline_verdict"] == claims[row["id"]]["verdict"]
        assert float(row["value"] or "nan") == pytest.approx(
            float("nan") if outcome["value"] is None else outcome["value"], nan_ok=True
        )
        ends = [str(end) for end in outcome["interval"] or ("", "")]
        assert [row["interval_low"], row["interval_high"]] == ends
        assert row["seeds"].split() == [str(seed) for seed in outcome["seeds"] or ()]
    gap = next(row for row in rows if row["id"] == "toy.gap" and row["profile"] == "book")
    assert (gap["support_low"], gap["support_high"], gap["support_high_open"]) == ("", "0.0", "true")
    assert (gap["independent_value"], gap["independent_sources"]) == (
        "-0.25",
        "A report, one seed; Abstract of the paper",
    )
    assert (gap["paper_verified"], gap["independent_verified"], gap["code_value"]) == ("false", "false", "")
    assert (gap["scale_share"], gap["scale_parts"]) == ("0.05", "grids 2 of 40; seeds 3 of 5")


def test_everything_that_a_ledger_can_say_is_in_the_data(tmp_path: Path) -> None:
    export.export(write_book(tmp_path / "book", everything=True), tmp_path)
    assert faults(tmp_path) == []
    data = json.loads((tmp_path / "claims.json").read_text("utf-8"))
    claims = {claim["id"].partition(".")[2]: claim for claim in data["chapters"][0]["claims"]}
    assert data["schema"] == 2
    assert data["scorecard"] == {
        "paper": {"reproduced": 2, "not reproduced": 1, "undecided": 1, "not attempted": 0, "quoted": 1},
        "independent": {"reproduced": 1, "not reproduced": 0, "undecided": 0, "not attempted": 0, "quoted": 0},
        "ours": {"holds": 2, "fails": 1, "open": 3, "not attempted": 0},
        "construction": {"holds": 1, "fails": 0, "open": 0, "not attempted": 0},
    }
    assert [(h["verdict"], h["share"], h["at_paper_scale"]) for h in data["headlines"]] == [
        ("reproduced", None, False),
        ("not reproduced", 0.05, False),
        ("quoted", None, False),
    ]
    assert (claims["unit"]["group"], claims["unit"]["construction"]) == ("construction", "It is the same product")
    assert [claims["gain"]["figures"]["paper"][key] for key in ("value", "low", "high")] == [None, 4, 5]
    assert claims["imagenet"]["figures"]["paper"]["why"] == "The abstract gives words alone"
    single, equal = (claims[f"own.{name}"]["profiles"]["book"] for name in ("single", "equal"))
    assert (single["trainings"], single["verdict"], equal["interval"]) == (1, "open", None)
    assert (
        single["open_because"].startswith("1 training ") and equal["open_because"] == "all 3 seeds gave the same"
    )
    assert claims["own.collapse"]["profiles"]["book"]["trials"] == 3
    row = next(row for row in table(tmp_path) if row["id"] == "toy.gain")
    assert (row["group"], row["paper_low"], row["paper_high"], row["survives"]) == ("paper", "4", "5", "true")


def test_the_same_checkout_gives_the_same_bytes(root: Path, exported: Path, tmp_path: Path) -> None:
    export.export(root, tmp_path)
    assert [(tmp_path / name).read_bytes() for name in export.FILES] == [
        (exported / name).read_bytes() for name in export.FILES
    ]
    generated = json.loads((exported / "claims.json").read_text("utf-8"))["generated"]
    assert generated["newest_run"] == "2026-11-21T10:00:00+00:00"


def test_stale_runs_are_named(tmp_path: Path) -> None:
    book = write_book(tmp_path / "book")
    edit(book / "lib/contdepth/toy.py", "1.0", "2.0")
    export.export(book, tmp_path)
    rows = [row for row in table(tmp_path) if row["record"]]
    assert rows and all("contdepth.toy:slope changed since the run" in row["stale"] for row in rows)


def test_a_folder_that_cannot_be_written_is_one_sentence(root: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("no folder")
    assert main(["export", "--root", str(root), "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith("companion: expected a folder to write into, found ")


def test_a_failed_write_leaves_what_was_there(root: Path, exported: Path, tmp_path: Path, monkeypatch) -> None:
    export.export(root, tmp_path)
    before = (tmp_path / "claims.csv").read_bytes()
    monkeypatch.setattr(text.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(export.CompanionError, match="full"):
        export.export(root, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(export.FILES)
    assert (tmp_path / "claims.csv").read_bytes() == before


def test_every_field_is_described() -> None:
    def bare(item: Any, where: str) -> list[str]:
        found = []
        for key, value in item.get("properties", {}).items():
            inner = [] if "description" in value or set(value) == {"$ref"} else [f"{where}.{key}"]
            found += inner + bare(value, f"{where}.{key}") + bare(value.get("items", {}), f"{where}.{key}[]")
        return found

    schema = documents.schema("export")
    assert bare(schema, "") == []
    assert [name for key, item in schema["$defs"].items() for name in bare(item, key)] == []


def test_the_real_book_fits_the_schema(tmp_path: Path) -> None:
    export.export(REPOSITORY, tmp_path)
    assert faults(tmp_path) == []
    data = json.loads((tmp_path / "claims.json").read_text("utf-8"))
    found = [claim["id"] for chapter in data["chapters"] for claim in chapter["claims"]]
    assert found == [claim.id for ledger in load_ledgers(REPOSITORY) for claim in ledger.claims]
    from companion.report.scorecard import claim_rows

    rows, themes = claim_rows(REPOSITORY), any(ledger.is_theme for ledger in load_ledgers(REPOSITORY))
    groups = [group for group in GROUPS if themes or group != RELATED_WORKS]
    assert data["scorecard"] == {group: counts(rows, group) for group in groups}
