"""Processes in which packages that an installation would not bring cannot be imported."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LIB = ROOT / "lib"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

BLOCKER = """
import os, sys, traceback
from importlib.abc import MetaPathFinder

BLOCKED = set()

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

def job(code, hidden):
    BLOCKED.update(hidden)
    there = sorted({name.partition(".")[0] for name in sys.modules} & set(hidden))
    assert there == [], f"imported before they could be hidden: {there}"
    exec(code, {})

sys.meta_path.insert(0, Blocker())
"""
"""Hides modules from a process; ``job`` runs code where more of them are hidden."""

FORKS = """
for code, hidden in JOBS:
    sys.stdout.flush()
    if child := os.fork():
        os.waitpid(child, 0)
        continue
    try:
        job(code, hidden)
        print("works", flush=True)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}".replace(chr(10), " "), flush=True)
    os._exit(0)
"""


def brings(extras: set[str]) -> set[str]:
    """Return the distributions that ``contdepth[extras]`` names, canonical names, without what those need."""
    texts, found, done = list(PROJECT["dependencies"]), set(), set()
    texts += [text for extra in extras for text in PROJECT["optional-dependencies"][extra]]
    while texts:
        requirement = Requirement(texts.pop())
        name = canonicalize_name(requirement.name)
        if name != PROJECT["name"]:
            found.add(name)
            continue
        for extra in requirement.extras - done:
            done.add(extra)
            texts += PROJECT["optional-dependencies"][extra]
    return found


def installs(extras: set[str]) -> set[str]:
    """Return every distribution that ``pip install contdepth[extras]`` would bring, and what those need."""
    open_, found = brings(extras), set()
    while open_:
        name = open_.pop()
        found.add(name)
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # one for another platform
            continue
        for requirement in map(Requirement, needed):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                open_ |= {canonicalize_name(requirement.name)} - found
    return found


def top_levels() -> dict[str, set[str]]:
    """Return the installed top-level modules, each with the distributions that it belongs to."""
    return {
        module: {canonicalize_name(name) for name in names}
        for module, names in metadata.packages_distributions().items()
    }


def blocked(extras: set[str]) -> set[str]:
    """Return the installed modules that ``pip install contdepth[extras]`` would not bring."""
    allowed = installs(extras) | {"contdepth", "pip"}
    outside = {module for module, names in top_levels().items() if not names & allowed}
    return {module for module in outside if re.fullmatch(r"\w+", module)} - set(sys.stdlib_module_names)


def run(
    code: str, hidden: set[str], *, path: Path = LIB, python: str = sys.executable
) -> subprocess.CompletedProcess:
    """Run ``code`` in a process of its own, in which the modules ``hidden`` cannot be imported."""
    text = f"{BLOCKER}\nBLOCKED |= set({sorted(hidden)!r})\nsys.path.insert(0, {str(path)!r})\n{code}"
    return subprocess.run(
        [python, "-I", "-c", text],
        cwd=path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )


def run_forked(first: str, hidden: set[str], jobs: list[tuple[str, set[str]]]) -> list[str]:
    """Run each job in a fork of one process that has run ``first``; return "works" or the error of each.

    A job is code and the modules that it cannot import, beside those ``hidden`` from the start.
    """
    listed = [(code, sorted(more)) for code, more in jobs]
    done = run(f"{first}\nJOBS = {listed!r}\n{FORKS}", hidden)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
