"""Carry: what an edit without effect leaves valid, and everything that must not be carried."""

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import toy_book
from once import made_once
from toy_book import edit

from companion.book.pages import find_page
from companion.cli import main
from companion.errors import RunError
from companion.evidence.record import load_record, load_records
from companion.freshness.bench import Side
from companion.freshness.carry import _unexecuted, carry
from companion.freshness.changes import Changes, Line
from companion.freshness.fingerprint import fingerprint
from companion.freshness.sidecar import applies, load_sidecar, read_sidecar
from companion.freshness.staleness import findings
from companion.freshness.stored import Stored
from companion.report.scorecard import claim_rows
from companion.run.variations import load_variations, results_of

HELPERS = '''"""Helpers."""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def twice(x):
    if x > 100:
        return 3 * x
    if x < 0:
        raise ValueError("x: expected a number >= 0")
    return 2 * x


def half(x):
    return x / 2


def halves(values):
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(half, values))
'''
CELL = """
```{code-cell} python
import time
from base64 import b64encode
from IPython.display import display
from companion import note
from contdepth.helpers import halves

print(halves([1.0, 3.0]))
note("time_s", time.perf_counter())
note("slope", slope(3))
display({"text/plain": "figure", "image/png": b64encode(str(slope(3)).encode()).decode()}, raw=True)
```
"""
VARIATIONS = """variations:
  - id: wider
    page: toy/euler
    profile: smoke
    parameters: {width: 0.75}
    watch: [toy.euler.order]
"""


def git(root: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A. Toy", "-c", "user.email=toy@example.org")
    command = ["git", "-C", str(root), *who, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def make_committed(root: Path) -> None:
    toy_book.build(root)
    (root / "lib/contdepth/helpers.py").write_text(HELPERS)
    with (root / "book/toy/heun.md").open("a") as page:
        page.write(CELL)
    (root / "book/variations.yml").write_text(VARIATIONS)
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "A toy")
    assert main(["run", "--root", str(root), "--profile", "smoke", "--jobs", "2"]) == 0
    assert main(["vary", "--root", str(root)]) == 0
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Its runs")
    assert main(["run", "--root", str(root), "toy/heun"]) == 0
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Another run")


@pytest.fixture(scope="session")
def committed(tmp_path_factory) -> Path:
    """A repository whose page heun was run at smoke from its first commit and at book from its second; not to be
    changed.
    """
    return made_once(tmp_path_factory, "committed", make_committed)


@pytest.fixture
def book(committed, tmp_path) -> Path:
    """A copy of the committed repository that a test may change."""
    return Path(shutil.copytree(committed, tmp_path / "repository"))


def library(root: Path, old: str, new: str) -> None:
    edit(root, "lib/contdepth/helpers.py", old, new)


def sidecars(root: Path) -> list[str]:
    return sorted(path.relative_to(root / "results").as_posix() for path in root.rglob("*.carry.json"))


def refused(root: Path, **options) -> str:
    """Return the one sentence with which a carry is refused, having written nothing."""
    report = carry(find_page(root, "toy/heun"), **options)
    assert not report.carried and sidecars(root) == []
    assert len(set(report.refused)) == len(report.refused)
    return "\n".join(report.refused)


def change_record(root: Path, profile: str, **values) -> None:
    path = root / f"results/{profile}/toy/heun.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}, indent=1, ensure_ascii=False) + "\n")


def test_an_equivalent_edit_is_carried_and_a_new_run_drops_the_sidecar(book, capsys):
    library(book, "return 2 * x", "return x + x")
    library(book, "return x / 2", "return 0.5 * x")  # runs in spawned workers only
    library(book, '"x: expected a number >= 0"', '"x: expected a number >= 0, found less"')  # can only raise
    page = find_page(book, "toy/heun")
    before = {path: path.read_bytes() for path in (book / "results").rglob("heun.*")}
    assert main(["carry", "--root", str(book), "toy/heun"]) == 0
    out = capsys.readouterr().out
    own, commit = (git(book, "rev-parse", f"HEAD~{back}").strip() for back in (1, 2))
    assert f"carried  toy/heun (book), run of {datetime.now(UTC).date()} at {own[:7]}: 1 checks" in out
    assert out.count("start  toy/heun (smoke)") == 2
    assert sidecars(book) == ["book/toy/heun.carry.json", "smoke/toy/heun.carry.json"]
    assert before == {path: path.read_bytes() for path in (book / "results").rglob("heun.*") if path in before}
    for record in (load_record(book, profile, "toy", "heun") for profile in ("smoke", "book")):
        sidecar, digest = load_sidecar(book / "results", record), fingerprint(page, record.profile)["digest"]
        assert applies(sidecar, record, digest) and sidecar.before["commit"] == commit
        assert sidecar.after["dirty"] and len(sidecar.exempt) == 2 and "raise ValueError" in sidecar.exempt[0]
        assert sidecar.symbols and sidecar.compared["figures"] >= 1 and sidecar.compared["notes"] == 2
        assert not applies(sidecar, record, "0" * 64)
        assert not applies(sidecar, replace(record, values={"slope": 4.0}), digest)
        assert not applies(sidecar, replace(record, fingerprint={**record.fingerprint, "digest": "0"}), digest)
    assert "found that every stored run is fresh" in carry(page).refused[0]  # carried already
    heun = claim_rows(book)[-1]
    assert (heun.claim.id, heun.state, heun.reasons) == ("toy.heun.order", "carried", {"smoke": [], "book": []})
    git(book, "commit", "-q", "-a", "-m", "An edit")
    assert main(["run", "--root", str(book), "toy/heun", "--profile", "smoke"]) == 0
    assert sidecars(book) == ["book/toy/heun.carry.json"]
    library(book, "return x + x", "return x - -x")
    assert not applies(sidecar, record, fingerprint(page, record.profile)["digest"])
    capsys.readouterr()
    assert main(["carry", "--root", str(book), "toy/heun"]) == 0  # each from its own code, never a carried state
    assert capsys.readouterr().out.count("start  toy/heun (smoke)") == 3
    records = [load_record(book, profile, "toy", "heun") for profile in ("smoke", "book")]
    origins = [load_sidecar(book / "results", record).before["commit"] for record in records]
    assert origins == [record.commit for record in records] == [git(book, "rev-parse", "HEAD").strip(), own]


def test_a_variation_is_carried_with_its_page(book):
    edit(book, "lib/contdepth/schemes/euler.py", "return 1.0", "return 0.5 + 0.5")
    report = carry(find_page(book, "toy/euler"))
    assert not report.refused and len(report.carried) == 2
    assert sidecars(book) == ["smoke/toy/euler.carry.json", "variations/wider/smoke/toy/euler.carry.json"]
    variation = load_variations(book)["wider"]
    sidecar = load_sidecar(results_of(variation), variation.record())
    now = fingerprint(variation.page, variation.profile, variation.parameters)
    assert applies(sidecar, variation.record(), now["digest"])


def test_another_value_is_refused_with_the_first_difference(book):
    library(book, "return 2 * x", "return 2.25 * x")
    said = refused(book)
    assert said.startswith("toy/heun: expected two runs equal to the bit, found a difference in code cell 3,")
    assert "its own code gives" in said and "2.25" in said
    assert "\n" not in said


def test_every_changed_line_that_is_not_executed_is_named(book, capsys):
    library(book, "return 3 * x", "return x + x + x")
    assert main(["carry", "--root", str(book), "toy/heun"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not carried: ")]
    assert len(lines) == 2 and sidecars(book) == []
    assert "its own code leaves out" in lines[0] and lines[0].endswith("contdepth/helpers.py:8: return 3 * x")
    assert "today's code leaves out" in lines[1] and lines[1].endswith("contdepth/helpers.py:8: return x + x + x")


def test_values_that_a_smoke_run_need_not_use_are_refused_before_anything_runs(book, monkeypatch, capsys):
    library(book, "return 2 * x", "return x + x")
    monkeypatch.setattr("companion.freshness.carry.changes", lambda *_: Changes(values=("1 is no longer there",)))
    assert refused(book) == "toy/heun: 1 is no longer there"
    monkeypatch.setattr("companion.freshness.carry.changes", lambda *_: Changes())
    assert "expected changed lines of the library, found none" in refused(book)
    assert "start" not in capsys.readouterr().out


def test_runs_that_cannot_be_carried(book):
    assert refused(book) == "toy/heun: expected a stale run to carry, found that every stored run is fresh"
    library(book, "return 2 * x", "return x + x")
    for profile in ("smoke", "book"):
        (book / f"results/{profile}/toy/heun.json").rename(book / f"{profile}.json")
    assert refused(book) == "toy/heun: expected a stored run to carry, found none"
    (book / "smoke.json").rename(book / "results/smoke/toy/heun.json")
    record = load_record(book, "smoke", "toy", "heun")
    started = datetime.fromisoformat(record.started)
    assert "run of the last 60 days" in refused(book, today=started + timedelta(days=61))
    change_record(book, "smoke", dirty=True)
    assert "found one with local changes that no commit is known to have" in refused(book)
    change_record(book, "smoke", dirty=False, commit="0" * 40)
    assert "expected commit 000000000000 in the history, found none" in refused(book)
    change_record(book, "smoke", commit=record.commit, fingerprint={**record.fingerprint, "digest": "0" * 64})
    assert "expected the fingerprint of its record from the code of" in refused(book)
    change_record(book, "smoke", fingerprint=dict(record.fingerprint))
    edit(book, "book/toy/heun.md", 'check("toy.heun.order", slope(3))', 'check("toy.heun.order", slope(4))')
    assert refused(book).endswith("expected only the library to have changed, found a change in code")
    with (book / "results/smoke/toy/heun.ipynb").open("a") as notebook:
        notebook.write("\n")
    assert refused(book).endswith("expected the notebook that its record was written for, found another")


def test_a_settled_run_has_the_commit_it_was_settled_with(committed):
    stored = load_record(committed, "smoke", "toy", "heun")
    for dirty, settled, commit in ((False, None, "a"), (True, None, ""), (True, {"commit": "b"}, "b")):
        record = replace(stored, dirty=dirty, commit="a", settled=settled)
        assert Stored(None, record, Path(), {}, "").commit == commit


def test_sidecars_are_checked_when_read_and_orphans_are_found(book, tmp_path):
    path = tmp_path / "a.carry.json"
    for text, words in (
        ("{", "expected the sidecar of a record"),
        ('{"schema": 2}', "schema 1, found 2"),
        ('{"schema": 1, "page": "a"}', "a difference in compared, date"),
    ):
        path.write_text(text)
        with pytest.raises(RunError, match=words):
            read_sidecar(path)
    (book / "results/smoke/toy/euler.json").unlink()
    (book / "results/smoke/toy/euler.carry.json").write_text("{}")
    (book / "results/smoke/toy/heun.carry.json").write_text("{}")
    said = [str(finding) for finding in findings(book, "toy", ("smoke",)) if "carry" in finding.reason]
    assert said == [
        "toy/euler (smoke): euler.carry.json is stored without its record",
        "toy/heun (smoke): heun.carry.json: expected a sidecar of schema 1, found None",
    ]
    assert [record.profile for record in load_records(book)] == ["book", "smoke"]


@pytest.mark.parametrize("ran, missing, exempt", [((), 0, 2), ((5,), 1, 0), ((6,), 1, 0), ((5, 6), 0, 0)])
def test_a_new_check_runs_whole_or_not_at_all(ran, missing, exempt):
    """One that was not called was reached through what can only raise; of one that was, every line counts."""
    kinds = ((4, "imports", "def few(x):"), (5, "check", "x = 1 * x"), (6, "check", "return x"))
    new = tuple(
        Line("contdepth.checks:few", "contdepth/checks.py", at, at, kind, text) for at, kind, text in kinds
    )
    both = Side(None, {}, {}), Side(None, {}, {"contdepth/checks.py": frozenset((4, *ran))})
    found = _unexecuted(Changes(new=new), both)
    assert tuple(map(len, found)) == (missing, exempt)
    assert missing + exempt + len(ran) == 2
