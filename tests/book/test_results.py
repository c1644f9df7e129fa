"""The committed evidence: every page has fresh runs, every run is evidence, every verdict is the accepted one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from companion.book.ledger import load_ledger, load_ledgers
from companion.book.pages import Page, load_pages
from companion.book.toc import listed
from companion.errors import CompanionError
from companion.evidence import soundness
from companion.evidence.record import load_records
from companion.evidence.rejudging import judged
from companion.freshness.history import is_shallow
from companion.freshness.settle import unfounded, unsettled
from companion.freshness.sidecar import read_sidecar
from companion.freshness.staleness import findings
from companion.freshness.state import CARRIED, FRESH
from companion.report.scorecard import records_of
from companion.root import CARRY, docname_of
from companion.run.variations import Variation, load_variations, results_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = load_pages(ROOT)
NOTEBOOKS = sorted((ROOT / "results").rglob("*.ipynb"))
RERUN = "make reproduce PROFILE={} CHAPTER={}"


def test_the_book_has_executable_pages() -> None:
    assert PAGES, "expected pages in book/*/runs.yml, found none: every other test here would be empty"


@pytest.mark.parametrize("profile", ["smoke", "book"])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.id)
def test_every_page_has_a_fresh_or_carried_run(page: Page, profile: str) -> None:
    setting = page.settings.get(profile)
    assert setting is not None, f"runs.yml gives {page.id} no profile {profile}"
    stored = records_of(page)
    assert profile in stored, f"no run of {page.id} at {profile} is stored: {RERUN.format(profile, page.chapter)}"
    word = stored[profile][1].word
    assert word in (FRESH, CARRIED), f"{page.id} at {profile} is stale: {RERUN.format(profile, page.chapter)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.id)
def test_every_stored_run_is_evidence(page: Page) -> None:
    ledger = load_ledger(ROOT, page.chapter)
    for profile, (record, _) in records_of(page).items():
        notebook = ROOT / "results" / profile / page.chapter / f"{page.name}.ipynb"
        assert soundness.problems(notebook, record, ledger) == [], f"{page.id} at {profile}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.id)
def test_every_verdict_is_the_accepted_one(page: Page) -> None:
    ledger, records = load_ledger(ROOT, page.chapter), records_of(page)
    for claim in (claim for claim in ledger.claims if claim.page == page.name):
        for profile in ("smoke", "book"):
            if not claim.checked_at(profile):
                continue
            assert profile in records, f"{claim.id} is to be checked at {profile}, and no run is stored"
            check = judged(ledger, records[profile][0]).get(claim.id)
            assert check is not None, f"{claim.id} is to be checked at {profile}, and the run does not check it"
            accepted = claim.expect[profile].accepted
            assert check.verdict == accepted, (
                f"{claim.id} at {profile}: {check.verdict}, but the ledger accepts {accepted}"
            )


def outputs_of(path: Path) -> list[dict[str, Any]]:
    """Return all outputs of a stored notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [output for cell in cells for output in cell.get("outputs", ())]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.relative_to(ROOT / "results").as_posix())
def test_stored_notebooks_carry_no_verdict_and_smoke_runs_no_picture(path: Path) -> None:
    outputs = outputs_of(path)
    for output in outputs:
        check = output.get("metadata", {}).get("companion", {}).get("check")
        if check is not None:
            assert set(check) <= {"claim", "profile", "value", "values", "baseline", "seeds"}
            assert output["data"] == {"text/plain": [f"{check['claim']}: measured ({check['profile']})"]}
    assert "companion-verdict" not in json.dumps(outputs)
    if path.relative_to(ROOT / "results").parts[0] == "smoke":
        kinds = {kind for output in outputs for kind in output.get("data", ())}
        assert not [kind for kind in kinds if kind.startswith("image/")]


@pytest.mark.parametrize(("profile", "most"), [("smoke", 60), ("book", 900)])
def test_every_stored_run_keeps_its_profiles_promise(profile: str, most: float) -> None:
    """book/verdicts.md: at most 60 s a page at smoke, a quarter of an hour at book."""
    runs = {record.page_id: record.duration_s for record in load_records(ROOT) if record.profile == profile}
    slow = {page: seconds for page, seconds in runs.items() if seconds > most}
    assert runs and slow == {}


LOCAL = re.compile(
    r"(?<![\w.:/])/(?:home|root|Users|opt|mnt|data|tmp|work|workspaces)/\w|file://|\b[A-Z]:\\\\[A-Za-z]"
)


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("/home/ann/x", True),
        ("at /Users/ann", True),
        ("file:///x", True),
        ('"/tmp/a"', True),
        (r'"C:\\Users"', True),
        ("https://example.org/data/x", False),
        ("book/data/x", False),
        (r"\\alpha C:\\n", True),
        ("a\\nfrom", False),
    ],
)
def test_local_paths_are_recognised(text: str, local: bool) -> None:
    assert bool(LOCAL.search(text)) == local


def test_stored_runs_hold_no_local_path() -> None:
    """Notebooks are JSON, where a backslash stands twice; images are left out, since base64 holds anything."""
    found = []
    for path in sorted(path for path in (ROOT / "results").rglob("*.*") if path.suffix in (".json", ".ipynb")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if '"image/' not in line and (match := LOCAL.search(line)):
                found.append(f"{path.relative_to(ROOT)}: {line[max(0, match.start() - 20) :][:80]}")
    assert found == []


@pytest.mark.parametrize("variation", load_variations(ROOT).values(), ids=lambda variation: variation.id)
def test_every_variation_has_a_fresh_run_and_a_place_in_the_book(variation: Variation) -> None:
    assert variation.reasons() == [], f"run: .venv/bin/companion vary {variation.id}"
    record, page = variation.record(), variation.page
    notebook = results_of(variation) / variation.profile / page.chapter / f"{page.name}.ipynb"
    assert soundness.flaws(notebook, record, load_ledger(ROOT, page.chapter), coverage=False) == []
    assert f"```{{variation}} {variation.id}\n" in (ROOT / "book/change_one_thing.md").read_text(encoding="utf-8")


def test_no_stored_run_is_nobodys() -> None:
    """Stale runs of the paper profile count too: a page may not show them without saying so."""
    assert [str(finding) for finding in findings(ROOT)] == []


def test_every_stored_run_is_of_a_commit() -> None:
    """A run made with local changes cannot be checked out until a commit is found that holds its code."""
    unknown = [item.path.relative_to(ROOT).as_posix() for item in unsettled(ROOT)]
    assert unknown == [], "commit the code that ran, then: .venv/bin/companion settle"


def test_every_carry_is_to_a_commit() -> None:
    dirty = [path.name for path in (ROOT / "results").rglob(f"*{CARRY}") if read_sidecar(path).after["dirty"]]
    assert not dirty, f"expected carries of committed code, found local changes in {dirty}; commit and carry again"


def test_every_stored_runs_code_can_be_checked_out() -> None:
    """The commit that a record names has the fingerprint that the record says its run had."""
    try:
        shallow = is_shallow(ROOT)
    except CompanionError as error:
        pytest.skip(f"no history: {error}")
    if shallow:
        pytest.skip("no history: a shallow clone")
    assert [path.relative_to(ROOT).as_posix() for path in unfounded(ROOT)] == []


def test_every_page_of_the_run_plans_is_in_the_table_of_contents() -> None:
    names = {page.name for page in listed(ROOT)}
    assert [page.id for page in PAGES if docname_of(ROOT, page.id) not in names] == []


def test_every_ledger_and_every_record_can_be_read() -> None:
    assert load_ledgers(ROOT)
    empty = [record.page_id for record in load_records(ROOT) if not (record.checks or record.values)]
    assert empty == [], "a run that finds nothing is no evidence"
