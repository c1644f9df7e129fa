"""Which commit a run names: this repository's own, or ``unknown``; never somebody else's."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import toy_book

from companion.cli import main
from companion.machine import git_state

UNKNOWN = ("unknown", True)


def git(folder: Path, *arguments: str) -> str:
    """Run git in ``folder``, whatever the environment of the test says."""
    names = {f"GIT_{who}_{what}": "x@y.z" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = {**own, **names, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", "-C", folder, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def committed(folder: Path) -> str:
    """Make ``folder`` a repository with one commit of all that is in it, and return the commit."""
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "All")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Somebody else's repository."""
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "file").write_text("theirs\n")
    committed(folder)
    return folder


def test_an_archive_inside_another_repository_is_of_no_commit(other, tmp_path, capsys):
    root = toy_book.build(other / "archive")
    assert git_state(root) == UNKNOWN
    git(other, "add", ".")
    git(other, "commit", "--quiet", "--message", "Archive")
    assert git_state(root) == UNKNOWN
    assert main(["export", "--root", str(root), "--out", str(tmp_path / "open")]) == 0
    assert json.loads((tmp_path / "open/claims.json").read_text())["generated"]["commit"] is None
    assert main(["check-ledger", "--root", str(root)]) == 0
    assert capsys.readouterr().out.count("the history of the register was not checked: git rev-parse: ") == 1
    own = committed(root)
    assert git_state(root) == (own, False)


@pytest.mark.parametrize(
    "variables",
    [
        {"GIT_DIR": ".git"},
        {"GIT_DIR": ".git", "GIT_WORK_TREE": "."},
        {"GIT_DIR": ".git", "GIT_INDEX_FILE": ".git/index"},
        {"GIT_COMMON_DIR": ".git"},
        {"GIT_OBJECT_DIRECTORY": ".git/objects"},
    ],
    ids="+".join,
)
def test_an_inherited_repository_is_not_asked(toy, other, monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, str(other / value))
    assert git_state(toy) == UNKNOWN
    own = committed(toy)
    assert git_state(toy) == (own, False)
    toy_book.edit(toy, "lib/contdepth/helpers.py", "2 * x", "3 * x")
    assert git_state(toy) == (own, True)


def test_a_working_tree_beside_names_its_own_commit(toy, tmp_path):
    own = committed(toy)
    git(toy, "worktree", "add", "--quiet", str(tmp_path / "beside"))
    assert git_state(tmp_path / "beside") == (own, False)
    (tmp_path / "link").symlink_to(toy)
    assert git_state(tmp_path / "link") == (own, False)


def test_settings_of_the_user_hide_no_local_change(toy, tmp_path, monkeypatch):
    own = committed(toy)
    settings = tmp_path / "gitconfig"
    settings.write_text("[status]\n\tshowUntrackedFiles = no\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    assert git_state(toy) == (own, False)
    (toy / "lib/contdepth/new.py").write_text("x = 1\n")
    assert git_state(toy) == (own, True)
