"""Fresh, carried or stale: decided in one place, the same at the terminal, in the scorecard and in the audit."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from sphinx_toy import VARIATIONS, carry_run, edit, write_book, write_run

from companion.book.pages import find_page
from companion.cli import main
from companion.evidence.record import load_record
from companion.freshness.state import CLOCK, state_of
from companion.freshness.stored import stored_runs
from companion.report.scorecard import claim_rows
from companion.report.status import write_table
from companion.run.progress import Progress
from companion.run.runner import plan
from companion.run.variations import load_variations
from companion.sphinxext.store import Store
from companion.sphinxext.stored.audit import page_problems

GAP_BY_CLOCK = ("id: toy.gap\n", "id: toy.gap\n    clock: true\n")
CHANGED = "contdepth.toy:slope changed since the run"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A toy book whose library was edited after both runs, which were carried then."""
    root = write_book(tmp_path)
    library(root, "return 1.0", "return 0.5 + 0.5")
    for profile in ("smoke", "book"):
        carry_run(root, profile)
    return root


def library(root: Path, old: str, new: str) -> None:
    edit(root / "lib/contdepth/toy.py", old, new)


def state(root: Path, profile: str = "book"):
    return state_of(load_record(root, profile, "toy", "orders"), find_page(root, "toy/orders"))


def audited(root: Path) -> list[str]:
    store = Store(root)
    store.load()
    return [*store.problems, *page_problems(store, store.pages["toy/orders"])]


def said(root: Path, capsys: pytest.CaptureFixture, *command: str) -> tuple[int, list[str]]:
    code = main([*command, "--root", str(root)])
    return code, capsys.readouterr().out.splitlines()


def resumed(root: Path, profile: str) -> tuple[int, str]:
    """Return how many runs ``--resume`` would make, and what it says of those left out."""
    out = io.StringIO()
    jobs = plan([find_page(root, "toy/orders")], profile, resume=True, progress=Progress(out))
    return len(jobs), out.getvalue()


def test_a_run_is_fresh_then_stale_then_carried(tmp_path: Path) -> None:
    root = write_book(tmp_path)
    assert (state(root).word, state(root).reasons, state(root).sidecar) == ("fresh", [], None)
    library(root, "return 1.0", "return 0.5 + 0.5")
    assert (state(root).word, state(root).reasons) == ("stale", [CHANGED])
    assert [run.speaks for run in stored_runs(root, [find_page(root, "toy/orders")])] == [False, False]
    carry_run(root, "book")
    assert (state(root).word, state(root).reasons, state(root).sidecar.date[:10]) == ("carried", [], "2026-12-24")
    assert state(root, "smoke").word == "stale"
    assert [run.speaks for run in stored_runs(root, [find_page(root, "toy/orders")])] == [False, True]
    library(root, "return 0.5 + 0.5", "return 1.0")
    assert (state(root).word, state(root).sidecar) == ("fresh", None)  # the run's own code again


def edit_record(root: Path) -> None:
    path = root / "results/book/toy/orders.json"
    record = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**record, "duration_s": 1.0}), encoding="utf-8")


def edit_notebook(root: Path) -> None:
    edit(root / "results/book/toy/orders.ipynb", "NOTED-97", "NOTED-98")


LOST = {
    "another edit": (lambda root: library(root, "0.5 + 0.5", "0.25 + 0.75"), CHANGED),
    "another page": (
        lambda root: edit(root / "book/toy/orders.md", "print(slope(", "print(2 * slope("),
        "the page's code cells changed since the run",
    ),
    "another record": (edit_record, "orders.carry.json does not carry it to the present state"),
    "another notebook": (edit_notebook, "the stored notebook is not the one its record was written for"),
    "a torn sidecar": (
        lambda root: (root / "results/book/toy/orders.carry.json").write_text("{"),
        "orders.carry.json: expected the sidecar of a record",
    ),
    "a broken page": (
        lambda root: edit(root / "book/toy/orders.md", "print(slope(steps))", "print(slope(steps"),
        "its present state has an error",
    ),
}


@pytest.mark.parametrize("what", LOST)
def test_a_sidecar_that_does_not_apply_leaves_the_run_stale(book: Path, what: str, capsys) -> None:
    assert state(book).word == "carried"
    change, sentence = LOST[what]
    change(book)
    found = state(book)
    assert (found.word, found.sidecar) == ("stale", None)
    assert any(reason.startswith(sentence) for reason in found.reasons), found.reasons
    if what != "a broken page":
        code, lines = said(book, capsys, "stale", "--profile", "book")
        assert code == 1 and any(sentence in line for line in lines)
        assert len(lines) == len(set(lines)) and f"{len(lines) - 1} findings" in lines[-1]


def test_a_carried_run_speaks_for_its_page(book: Path, capsys) -> None:
    assert said(book, capsys, "stale") == (0, ["every stored run is fresh or carried"])
    assert audited(book) == []
    assert resumed(book, "book") == (0, "carried  toy/orders (book)\n")
    assert said(book, capsys, "scorecard")[1][-1] == "claims that rest on a carried run: 2"


def test_claims_by_a_clock_alone_turn_stale(book: Path, capsys) -> None:
    edit(book / "book/toy/claims.yml", *GAP_BY_CLOCK)
    euler, gap, imagenet = claim_rows(book)
    assert (euler.state, gap.state, imagenet.state) == ("carried", "stale", None)
    assert (gap.reasons, gap.verdict, euler.reasons) == ({"book": [CLOCK]}, "undecided", {"smoke": [], "book": []})
    assert said(book, capsys, "stale") == (
        1,
        [
            f"toy/orders (book): toy.gap: {CLOCK}",
            "1 findings: companion run --resume runs what is missing or stale",
        ],
    )
    assert audited(book) == [
        f"the record results/book/toy/orders.json is stale: toy.gap: {CLOCK}; "
        "run: make reproduce PROFILE=book CHAPTER=toy"
    ]
    assert resumed(book, "smoke") == (0, "carried  toy/orders (smoke)\n")  # toy.gap is not checked there
    assert resumed(book, "book") == (1, "")
    assert said(book, capsys, "scorecard")[1][-1] == (
        "claims that rest on a carried run: 1; on a stale run: 1 (companion stale says why)"
    )


def test_a_clock_does_not_matter_in_a_fresh_run(tmp_path: Path, capsys) -> None:
    root = write_book(tmp_path)
    edit(root / "book/toy/claims.yml", *GAP_BY_CLOCK)
    assert [row.state for row in claim_rows(root)] == ["fresh", "fresh", None]
    assert said(root, capsys, "stale") == (0, ["every stored run is fresh"]) and audited(root) == []
    assert "rest" not in said(root, capsys, "scorecard")[1][-1]


def test_status_shows_both_dates_and_commits(book: Path, capsys) -> None:
    from rich.console import Console

    edit(book / "book/toy/claims.yml", *GAP_BY_CLOCK)
    console = Console(file=io.StringIO(), width=200)
    write_table(claim_rows(book), console)
    lines = console.file.getvalue().splitlines()
    assert {line.split()[0]: line.split()[-1] for line in lines if line.startswith("toy.")} == {
        "toy.order.euler": "carried",
        "toy.gap": "stale",
        "toy.imagenet": "quoted",
    }
    carry = "run of 2026-11-21 at 012345678, carried on 2026-12-24 to fedcba987 with local changes"
    assert lines[-3:] == [
        f"carried  toy/orders (smoke): {carry}",
        f"carried  toy/orders (book): {carry}",
        f"stale  toy.gap (book): {CLOCK}",
    ]
    euler, gap, imagenet = json.loads("\n".join(said(book, capsys, "status", "--json")[1]))
    one = {
        "date": "2026-12-24T08:00:00+00:00",
        "from": "0123456789abcdef0123456789abcdef01234567",
        "to": "fedcba9876" * 4,
    }
    assert (euler["state"], euler["carried"]) == (
        {"smoke": "carried", "book": "carried"},
        {"smoke": one, "book": one},
    )
    assert euler["started"] == "2026-11-21T10:00:00+00:00" and euler["stale"] == {"smoke": [], "book": []}
    assert (gap["state"], gap["carried"], gap["stale"]) == ({"book": "stale"}, {}, {"book": [CLOCK]})
    assert (imagenet["state"], imagenet["carried"]) == ({}, {})


def test_a_variation_is_carried_unless_it_shows_a_clocks_claim(tmp_path: Path) -> None:
    root = write_book(tmp_path)
    (root / "book/variations.yml").write_text(VARIATIONS, encoding="utf-8")
    results, changed = root / "results/variations/finer", {"steps": [80, 160]}
    write_run(root, "book", overrides=changed, results=results)
    library(root, "return 1.0", "return 0.5 + 0.5")
    assert load_variations(root)["finer"].reasons() == [CHANGED]
    carry_run(root, "book", overrides=changed, results=results)
    variation = load_variations(root)["finer"]
    assert (variation.state().word, variation.reasons()) == ("carried", [])
    edit(root / "book/toy/claims.yml", *GAP_BY_CLOCK)
    assert load_variations(root)["finer"].reasons() == []
    edit(root / "book/variations.yml", "[toy.order.euler]", "[toy.order.euler, toy.gap]")
    assert load_variations(root)["finer"].reasons() == [f"toy.gap: {CLOCK}"]
