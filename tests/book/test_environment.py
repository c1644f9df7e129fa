"""One environment, said four times: pyproject.toml, constraints.txt, environment.yml, what is installed."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["optional-dependencies"]
LISTED = [Requirement(text) for text in [*PROJECT["dependencies"], *(r for e in EXTRAS.values() for r in e)]]
REQUIREMENTS = [requirement for requirement in LISTED if requirement.name != PROJECT["name"]]


def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    bare = [line.split("#")[0].strip() for line in lines]
    found = {}
    for requirement in (Requirement(line) for line in bare if line):
        (one,) = requirement.specifier
        assert one.operator == "==", f"constraints.txt: expected exact pins, found {requirement}"
        name = canonicalize_name(requirement.name)
        assert name not in found, f"constraints.txt: {name} stands twice"
        found[name] = Version(one.version)
    return found


PINS = pins()


def pip_lines() -> list[str]:
    (section,) = [entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict)]
    return section


def own_extras(text: str) -> set[str]:
    """Return the extras of the project itself that a requirement names."""
    requirement = Requirement(text)
    return requirement.extras if requirement.name == PROJECT["name"] else set()


def test_conda_file_installs_the_project_with_all_extras_under_the_constraints() -> None:
    constraint, project = pip_lines()
    assert constraint == "-c constraints.txt"
    assert project.startswith("-e .[") and project.endswith("]")
    named = set(project[len("-e .[") : -1].split(","))
    while further := {e for n in named for t in EXTRAS[n] for e in own_extras(t)} - named:
        named |= further
    assert named == set(EXTRAS)


def test_conda_file_names_no_package_of_its_own() -> None:
    plain = [entry for entry in ENVIRONMENT["dependencies"] if isinstance(entry, str)]
    assert {entry.partition("=")[0].rstrip("<>=") for entry in plain} == {"python", "pip"}
    assert ENVIRONMENT["name"] == PROJECT["name"]


def test_conda_python_is_one_that_the_project_accepts() -> None:
    (python,) = [e for e in ENVIRONMENT["dependencies"] if isinstance(e, str) and e.startswith("python=")]
    series = python.partition("=")[2]
    newest = Version(f"{series}.99")
    assert newest in SpecifierSet(PROJECT["requires-python"])


def test_running_python_is_one_that_the_project_accepts() -> None:
    assert Version(".".join(map(str, sys.version_info[:3]))) in SpecifierSet(PROJECT["requires-python"])


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.name)
def test_every_requirement_has_a_pin_that_satisfies_it(requirement: Requirement) -> None:
    name = canonicalize_name(requirement.name)
    assert name in PINS, f"constraints.txt pins no {requirement.name}"
    assert PINS[name] in requirement.specifier


def test_installed_versions_are_the_pinned_ones() -> None:
    differing = {}
    for name, pin in PINS.items():
        try:
            found = Version(metadata.version(name))
        except metadata.PackageNotFoundError:
            continue
        if found.public != pin.public:
            differing[name] = f"pinned {pin}, installed {found}"
    assert differing == {}


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.name)
def test_every_requirement_is_installed(requirement: Requirement) -> None:
    assert Version(Version(metadata.version(requirement.name)).public) in requirement.specifier


@pytest.mark.slow
def test_pip_section_resolves_to_what_is_installed(tmp_path: Path) -> None:
    """Resolves the pip section in the project's folder: nothing but the project itself is left to install."""
    report = tmp_path / "report.json"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--quiet",
        "--no-build-isolation",
        "--report",
        str(report),
    ]
    command += [part for line in pip_lines() for part in line.split(" ", 1)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = {item["metadata"]["name"] for item in json.loads(report.read_text(encoding="utf-8"))["install"]}
    assert found <= {PROJECT["name"]}
