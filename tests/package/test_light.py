"""A light install: what an extra brings is enough for its room, and a missing package is told in a sentence."""

from __future__ import annotations

import ast
import os
import re
import sys
from pathlib import Path

import pytest
from blocked import LIB, PROJECT, ROOT, blocked, brings, run, run_forked, top_levels
from packaging.utils import canonicalize_name

ROOMS = sorted(
    ".".join(file.parent.relative_to(LIB).parts)
    for file in (LIB / "contdepth").rglob("__init__.pyi")
    if file.parent.name != "contdepth"
)
EXTRAS = PROJECT["optional-dependencies"]
OWN_SENTENCE = {"pysindy": "peers", "bm3d": "peers", "h5py": "peers", "numba": "fast"}
"""Imported inside functions that say themselves which extra is missing, and work or stop without it."""


def extra_of(room: str) -> set[str]:
    """Return the extra that a room, or a folder in it, needs: one of its name, or none."""
    return {room.split(".")[1]} & set(EXTRAS)


def imported(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"contdepth"}


def test_every_import_of_the_library_is_declared_for_its_room():
    """Direct imports only, at any depth of the code: what torch happens to bring is not relied on."""
    owners = top_levels()
    undeclared = set()
    for file in (LIB / "contdepth").rglob("*.py"):
        module = ".".join(file.relative_to(LIB).with_suffix("").parts)
        declared = brings(extra_of(module))
        for name in imported(file):
            sentence = {OWN_SENTENCE[name]} if name in OWN_SENTENCE else set()
            if not owners.get(name, {canonicalize_name(name)}) & (declared | brings(sentence)):
                undeclared.add((module, name))
    assert undeclared == set()


def test_all_brings_every_package_of_the_library():
    library = {"data", "meanfield", "robust", "restoration", "pde", "fast", "peers", "studies"}
    assert brings({"all"}) == brings(library)
    book = {"run", "book", "cluster", "test", "all"}
    assert set(EXTRAS) == library | book


def test_make_and_conda_install_every_extra():
    for file in ("Makefile", "environment.yml", ".github/workflows/weekly.yml"):
        assert ".[all,run,book,test]" in (ROOT / file).read_text(encoding="utf-8"), file


def test_the_readme_lists_every_extra_of_the_library():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", text[text.index("| extra |") :], re.MULTILINE)
    assert listed and set(listed) == set(EXTRAS) - {"run", "book", "test"}


needs_fork = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="rooms are tried in forks of one process that has imported torch"
)

IMPORT_ALL = """
import importlib
for room in {rooms!r}:
    face = importlib.import_module(room)
    assert len(face.__all__) > 1, room
    for name in face.__all__:
        getattr(face, name)
"""
"""Code that asks the faces of rooms for each of their public names."""


@needs_fork
def test_each_room_works_with_only_what_its_extra_brings():
    groups: dict[tuple[str, ...], list[str]] = {}
    for room in ["contdepth.problems", *ROOMS]:
        groups.setdefault(tuple(extra_of(room)), []).append(room)
    assert len(groups) == 6
    jobs = [(IMPORT_ALL.format(rooms=rooms), blocked(set(extra))) for extra, rooms in groups.items()]
    assert {"sklearn", "matplotlib", "torchdiffeq", "yaml"} <= jobs[0][1]
    hidden = {"yaml", "matplotlib", "dill"}  # PyTorch imports dill where it finds it
    found = dict(zip(groups, run_forked("import torch", hidden, jobs), strict=True))
    assert found == dict.fromkeys(groups, "works")


MISSING = {
    ("contdepth.data.digits", "sklearn"): ("scikit-learn", "data"),
    ("contdepth.meanfield.MeanFieldODE", "torchdiffeq"): ("torchdiffeq", "meanfield"),
    ("contdepth.pde.PDENet2", "sympy"): ("SymPy", "pde"),
    ("contdepth.restoration.DURR", "PIL"): ("Pillow", "restoration"),
    ("contdepth.restoration.DURR", "safetensors"): ("safetensors", "restoration"),
}


@needs_fork
def test_a_missing_package_is_told_with_the_extra_that_brings_it():
    jobs = [(f"import contdepth\n{name}", {module}) for name, module in MISSING]
    found = run_forked("import torch", set(), jobs)
    for (name, _), (package, extra), said in zip(MISSING, MISSING.values(), found, strict=True):
        install = f'pip install "contdepth[{extra}]"'
        assert (
            said == f"ModuleNotFoundError: {name}: expected {package}, found that it is not installed; {install}"
        )


def test_every_package_of_the_sentences_is_brought_by_the_extra_they_name():
    from contdepth.faces import PACKAGES, ROOMS

    owners = top_levels()
    for module, (_, extra) in PACKAGES.items():
        assert owners[module] & brings({extra}), module
    assert set(ROOMS) <= set(EXTRAS)


def test_another_missing_module_is_told_as_python_tells_it():
    done = run("import contdepth\ncontdepth.schemes.ForwardEuler", {"torch"})
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'torch'"
