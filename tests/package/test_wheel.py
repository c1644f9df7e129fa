"""The wheel is whole: every file of the library is in it, and it can be imported where almost nothing else is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import lazy_loader
import pytest
from blocked import LIB, PROJECT, ROOT

NOT_SHIPPED = shutil.ignore_patterns("*.egg-info", "__pycache__")


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the sources, so that files left by an earlier build are not in it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(LIB, source / "lib", ignore=NOT_SHIPPED)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(folder), str(source))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def empty(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment that holds the wheel and lazy-loader, and not even pip."""
    folder = tmp_path_factory.mktemp("empty") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = next(folder.glob("bin/python")) if sys.platform != "win32" else folder / "Scripts/python.exe"
    pip("--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    (packages,) = {path.parent for path in folder.rglob("contdepth") if path.is_dir()}
    shutil.copytree(Path(lazy_loader.__file__).parent, packages / "lazy_loader", ignore=NOT_SHIPPED)
    return python


def said(python: Path, code: str) -> subprocess.CompletedProcess:
    command = [str(python), "-I", "-c", code]
    return subprocess.run(command, cwd=python.parent, capture_output=True, text=True, check=False, timeout=60)


def test_every_file_of_the_library_is_in_the_wheel(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "lib"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    files = {line.removeprefix("lib/") for line in listed.splitlines() if (ROOT / line).exists()}
    assert {"contdepth/py.typed", "companion/py.typed", "contdepth/pde/__init__.pyi"} <= files
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert files - shipped == set()
    assert {name.partition("/")[0] for name in shipped} == {"contdepth", "companion"}


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = message_from_string(archive.read(name).decode("utf-8"))
    assert metadata["Version"] == PROJECT["version"]
    assert set(metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    assert len(metadata.get_all("Project-URL")) == len(PROJECT["urls"])
    assert {f"Programming Language :: Python :: 3.{n}" for n in (11, 12, 13)} <= set(
        metadata.get_all("Classifier")
    )


FACES = """
import importlib, json, sys, warnings
import contdepth, contdepth.moved
rooms = sorted(name for name in dir(contdepth) if name not in ("parallel", "problems", "seeds", "timing"))
found = {name: len(dir(importlib.import_module(f"contdepth.{name}"))) for name in rooms}
import contdepth.pde.simulate, contdepth.pde.peers
import companion
registry = importlib.resources.files("contdepth.data").joinpath("registry.json").read_text(encoding="utf-8")
print(json.dumps({
    "version": contdepth.__version__,
    "place": contdepth.__file__,
    "faces": found,
    "companion": dir(companion),
    "registry": len(json.loads(registry)),
    "new": contdepth.moved.MODULES["contdepth.plots"],
}))
"""


def test_the_faces_are_there_in_an_empty_environment(empty: Path) -> None:
    done = said(empty, "import importlib.resources\n" + FACES)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["version"] == PROJECT["version"]
    assert Path(found["place"]).is_relative_to(empty.parent.parent)
    assert {"schemes", "pde", "restoration", "robust", "meanfield"} <= set(found["faces"])
    assert all(names > 1 for names in found["faces"].values()), found["faces"]
    assert {"begin", "check", "note"} <= set(found["companion"])
    assert found["registry"] > 5
    assert found["new"] == "contdepth.studies.common.plots"


def test_what_needs_torch_says_so_in_an_empty_environment(empty: Path) -> None:
    done = said(empty, "import contdepth; contdepth.schemes.ForwardEuler")
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'torch'"
