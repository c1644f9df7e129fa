"""Runs with local changes, settled at the first commit that holds the code they ran; the history searched."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import toy_book

from companion.book.pages import find_page
from companion.cli import main
from companion.errors import CompanionError
from companion.evidence.record import Record, read_record
from companion.freshness import history
from companion.freshness.fingerprint import fingerprint
from companion.freshness.settle import unfounded, unsettled

RECORD = "results/smoke/toy/euler.json"
EULER = "lib/contdepth/schemes/euler.py"
CHANGED = ("return 1.0  # exactly", "return 1.001")


def git(root: Path, *arguments: str) -> str:
    """Run git in ``root`` as nobody in particular, with no settings but the repository's own."""
    names = {f"GIT_{who}_{what}": "x@y.z" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, **names, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", "-C", root, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(root: Path, message: str) -> str:
    """Commit all but the stored runs and return the commit."""
    git(root, "add", "--", ".", ":!results")
    git(root, "commit", "--quiet", "--message", message)
    return git(root, "rev-parse", "HEAD")


def store(root: Path) -> Record:
    """Store a record of the page as it now stands, and its notebook."""
    path = root / RECORD
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".ipynb").write_text("{}\n", encoding="utf-8")
    page = find_page(root, "toy/euler")
    dirty = bool(git(root, "status", "--porcelain", "--", "lib", "book"))
    record = Record(
        "toy", "euler", "smoke", page.parameters("smoke"), [], "2026-01-02T03:04:05+00:00", 1.0, 1.0, "cpu", {},
        git(root, "rev-parse", "HEAD"), dirty, "0" * 64, fingerprint(page, "smoke"), {}, {"finest": 8},
    )  # fmt: skip
    path.write_text(record.json(), encoding="utf-8", newline="\n")
    return record


@pytest.fixture
def past(toy: Path) -> Path:
    """A throw-away repository with one commit."""
    git(toy, "init", "--quiet", "--initial-branch=main")
    commit(toy, "first")
    return toy


def settle(root: Path) -> int:
    return main(["settle", "--root", str(root)])


def test_a_run_whose_code_is_committed_later_settles_at_that_commit(past: Path, capsys) -> None:
    toy_book.edit(past, EULER, *CHANGED)
    before = store(past)
    assert before.dirty and before.code_at == (before.commit, True)
    toy_book.edit(past, "lib/contdepth/helpers.py", "2 * x", "x + x")  # another page's
    commit(past, "not yet")  # holds both changes: the first with the code that ran
    code = git(past, "rev-parse", "HEAD")
    toy_book.edit(past, "lib/contdepth/helpers.py", "x + x", "x * 2")
    commit(past, "the same for this page")
    toy_book.edit(past, EULER, "1.001", "1.002")
    commit(past, "later")

    assert settle(past) == 0
    assert f"{RECORD}: settled at {code[:12]}" in capsys.readouterr().out
    after = read_record(past / RECORD)
    assert after.settled == {"commit": code, "date": git(past, "show", "-s", "--format=%cI", code)}
    assert after.code_at == (code, False)
    written, stored = json.loads(after.json()), json.loads(before.json())
    assert {**written, "settled": None} == stored, "nothing else may change"
    assert sorted(path.name for path in (past / RECORD).parent.iterdir()) == ["euler.ipynb", "euler.json"]


def test_a_run_whose_changes_were_none_to_the_page_settles_at_its_own_commit(past: Path) -> None:
    toy_book.edit(past, "lib/contdepth/helpers.py", "2 * x", "x + x")
    record = store(past)
    assert record.dirty and settle(past) == 0
    assert read_record(past / RECORD).settled["commit"] == record.commit


def test_a_run_whose_code_was_never_committed_does_not_settle(past: Path, capsys) -> None:
    toy_book.edit(past, EULER, *CHANGED)
    store(past)
    stored = (past / RECORD).read_bytes()
    toy_book.edit(past, EULER, "1.001", "1.002")
    commit(past, "other code")
    assert settle(past) == 1
    out = capsys.readouterr().out
    assert f"{RECORD}: no commit holds the code it ran" in out and "0 of 1 records settled" in out
    assert (past / RECORD).read_bytes() == stored
    assert [item.path for item in unsettled(past)] == [past / RECORD]


def test_a_commit_before_the_runs_own_does_not_count(past: Path) -> None:
    toy_book.edit(past, EULER, *CHANGED)
    commit(past, "tried")
    toy_book.edit(past, EULER, "1.001", "1.002")
    commit(past, "and taken back")
    toy_book.edit(past, EULER, "1.002", "1.001")
    store(past)
    assert settle(past) == 1


def test_a_commit_at_which_the_page_cannot_be_read_is_passed_over(past: Path) -> None:
    toy_book.edit(past, EULER, *CHANGED)
    store(past)
    toy_book.edit(past, "book/toy/runs.yml", "chapter: toy", "chapter: [toy")
    commit(past, "broken")
    toy_book.edit(past, "book/toy/runs.yml", "chapter: [toy", "chapter: toy")
    mended = commit(past, "mended")
    assert settle(past) == 0 and read_record(past / RECORD).settled["commit"] == mended


def test_a_run_of_a_commit_that_is_gone_is_sought_in_all_of_history(past: Path) -> None:
    first = git(past, "rev-parse", "HEAD")
    record = store(past)
    path = past / RECORD
    path.write_text(record.json().replace(first, "unknown").replace('"dirty": false', '"dirty": true'))
    assert settle(past) == 0 and read_record(path).settled["commit"] == first


def test_what_is_committed_or_settled_is_left_alone(past: Path, capsys) -> None:
    store(past)
    stored = (past / RECORD).read_bytes()
    assert settle(past) == 0
    assert capsys.readouterr().out == "every stored record is of a commit or settled\n"
    assert (past / RECORD).read_bytes() == stored


def test_a_record_whose_commit_lacks_its_code_is_found(past: Path) -> None:
    first = git(past, "rev-parse", "HEAD")
    record = store(past)
    assert unfounded(past) == []
    toy_book.edit(past, EULER, *CHANGED)
    second = commit(past, "other code")
    path = past / RECORD
    for other in (second, "c0ffee" + first[6:]):
        path.write_text(record.json().replace(first, other), encoding="utf-8")
        assert unfounded(past) == [path]


def test_a_shallow_clone_says_so(past: Path, tmp_path: Path, capsys) -> None:
    toy_book.edit(past, EULER, *CHANGED)
    store(past)
    commit(past, "the code")
    git(past, "add", "results")
    git(past, "commit", "--quiet", "--message", "the run")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", past.as_uri(), str(clone))
    assert settle(clone) == 2
    error = capsys.readouterr().err
    assert "found a shallow clone" in error and "git fetch --unshallow" in error
    git(clone, "fetch", "--quiet", "--unshallow")
    assert settle(clone) == 0


def test_without_git_there_is_one_sentence(past: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    toy_book.edit(past, EULER, *CHANGED)
    store(past)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert settle(past) == 2
    assert capsys.readouterr().err == "companion: git: expected the command git, found none; install it\n"


def test_an_exported_commit_holds_the_very_bytes_that_were_committed(past: Path, tmp_path: Path) -> None:
    content = bytes(range(256)) + b"\r\n\n"
    (past / "book" / "odd name ü.bin").write_bytes(content)
    (past / "book" / "tool").write_text("#!/bin/sh\n")
    (past / "book" / "tool").chmod(0o755)
    code = commit(past, "binary")
    (past / "book" / "odd name ü.bin").write_bytes(b"later")
    git(past, "config", "core.autocrlf", "true")
    target = tmp_path / "tree"
    history.export(past, code, ["book", EULER, "absent/file"], target)
    assert (target / "book" / "odd name ü.bin").read_bytes() == content
    assert os.access(target / "book" / "tool", os.X_OK)
    assert (target / EULER).read_text() == toy_book.EULER and not (target / "lib/contdepth/helpers.py").exists()
    with pytest.raises(CompanionError, match="expected commit 0123456789ab in the history, found none"):
        history.export(past, "0123456789ab" + "0" * 28, ["book"], target)


def test_commits_are_those_that_touch_the_library_or_the_book(past: Path) -> None:
    first = git(past, "rev-parse", "HEAD")
    (past / "README.md").write_text("read me")
    commit(past, "prose")
    git(past, "switch", "--quiet", "--create", "side")
    toy_book.edit(past, EULER, *CHANGED)
    commit(past, "on the side")
    git(past, "switch", "--quiet", "main")
    git(past, "merge", "--quiet", "--no-ff", "--message", "merge", "side")
    merge = git(past, "rev-parse", "HEAD")
    assert history.commits(past) == [first, merge]
    assert history.commits(past, first) == [merge]
    assert history.is_ancestor(past, first) and not history.is_ancestor(past, "unknown")
