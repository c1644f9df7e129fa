"""CHANGELOG.md has what was released, `changes/` what was not, and towncrier can make one from the other."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from datetime import date

import yaml
from blocked import LIB, PROJECT, ROOT
from packaging.version import Version

RELEASES = re.findall(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_releases_are_listed_newest_first():
    versions = [Version(version) for version, _ in RELEASES]
    assert versions == sorted(set(versions), reverse=True) and versions
    assert all(date.fromisoformat(day) for _, day in RELEASES)


def test_the_citation_names_the_newest_release():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (str(cff["version"]), str(cff["date-released"])) == RELEASES[0]


def test_package_and_project_have_one_version_not_older_than_the_newest_release():
    tree = ast.parse((LIB / "contdepth/__init__.py").read_text(encoding="utf-8"))
    (version,) = [ast.literal_eval(n.value) for n in tree.body if ast.unparse(n).startswith("__version__ =")]
    assert version == PROJECT["version"]
    assert Version(version) >= Version(RELEASES[0][0])


def test_old_import_paths_go_with_a_version_still_to_come():
    from contdepth.moved import GOES_WITH

    assert Version(PROJECT["version"]) < Version(GOES_WITH)


def test_towncrier_puts_every_fragment_into_the_next_section():
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9", "--date", "2030-01-01"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "## 9.9 (2030-01-01)" in done.stdout
    for fragment in (ROOT / "changes").glob("*.md"):
        text = fragment.read_text(encoding="utf-8").strip()
        assert f"- {text}" in done.stdout.splitlines(), fragment.name
