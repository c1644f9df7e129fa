"""The rooms' faces: what they list, what importing them loads, and where old paths lead."""

from __future__ import annotations

import ast
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path

import pytest

import contdepth
from contdepth.moved import GOES_WITH, MODULES, NAMES, SPLIT

HOME = Path(contdepth.__file__).parent
STUBS = sorted(HOME.rglob("__init__.pyi"))
FACES = [".".join(stub.parent.relative_to(HOME.parent).parts) for stub in STUBS]
HEAVY = ("torch", "numpy", "scipy", "matplotlib")


def stub_of(face: str) -> tuple[dict[str, str], list[str]]:
    """(public name -> module below the face that has it, ``__all__``) as the stub says."""
    tree = ast.parse((HOME.parent / Path(*face.split(".")) / "__init__.pyi").read_text(encoding="utf-8"))
    names: dict[str, str] = {}
    public: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: node.module or "" for alias in node.names}
        elif isinstance(node, ast.Assign):
            public = ast.literal_eval(node.value)
    return names, public


def submodules(face: str) -> set[str]:
    folder = HOME.parent / Path(*face.split("."))
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__"}
    return files | {path.parent.name for path in folder.glob("*/__init__.py")}


def loaded_by(statements: str) -> set[str]:
    """Top-level packages that are loaded after ``statements`` in a fresh interpreter."""
    code = f"import sys\n{statements}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_importing_the_package_and_its_faces_loads_no_library() -> None:
    for statements in ("import contdepth", "\n".join(f"import {face}" for face in FACES)):
        assert not loaded_by(statements) & set(HEAVY), statements


def test_loading_is_seen() -> None:
    """What the test above looks for is there once a name is used."""
    assert {"torch", "numpy"} <= loaded_by("import contdepth\ncontdepth.schemes.ForwardEuler")


@pytest.mark.parametrize("face", FACES)
def test_a_face_lists_the_names_of_its_stub_and_each_loads(face: str) -> None:
    package, (names, public) = import_module(face), stub_of(face)
    assert len(public) == len(set(public)) and sorted(names) == sorted(public)
    assert sorted(package.__all__) == sorted(public)
    assert sorted(dir(package)) == sorted(public)
    for name, module in names.items():
        found = getattr(package, name)
        if module:
            assert found is getattr(import_module(f"{face}.{module}"), name), name
        else:
            assert found is import_module(f"{face}.{name}"), name


@pytest.mark.parametrize("face", [face for face in FACES if face != "contdepth"])
def test_no_public_name_is_that_of_a_submodule(face: str) -> None:
    assert not set(stub_of(face)[1]) & submodules(face)


def test_the_package_lists_rooms_and_modules() -> None:
    assert set(contdepth.__all__) <= submodules("contdepth")


def test_an_unknown_name_is_an_attribute_error() -> None:
    for name in ("no_such_name", "schemes_"):
        with pytest.raises(AttributeError, match=name):
            getattr(contdepth, name)


def says(old: str, name: str, new: str) -> str:
    place, _, attribute = new.rpartition(".")
    room = ".".join(place.split(".")[:2])
    public = attribute in getattr(import_module(room), "__all__", ())
    if public and getattr(import_module(room), attribute) is getattr(import_module(place), attribute):
        place = room
    return f"{old}.{name} has moved and goes with {GOES_WITH}: write from {place} import {attribute}"


def taken(old: str, name: str) -> tuple[object, list[str]]:
    """``old.name`` and the sentences of the FutureWarnings on the way."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found = getattr(import_module(old), name)
    return found, [str(one.message) for one in seen if one.category is FutureWarning]


@pytest.mark.parametrize(("old", "new"), [*MODULES.items(), *SPLIT.items()])
def test_an_old_module_leads_to_the_new_one(old: str, new: str) -> None:
    there = import_module(new)
    assert there.__all__, new
    for name in there.__all__:
        new_path = NAMES.get(f"{old}.{name}", f"{new}.{name}")
        place, _, attribute = new_path.rpartition(".")
        found, sentences = taken(old, name)
        assert found is getattr(import_module(place), attribute)
        assert sentences == [says(old, name, new_path)]


@pytest.mark.parametrize(("old", "new"), NAMES.items())
def test_an_old_name_leads_to_the_new_one(old: str, new: str) -> None:
    module, _, name = old.rpartition(".")
    place, _, attribute = new.rpartition(".")
    found, sentences = taken(module, name)
    assert found is getattr(import_module(place), attribute)
    assert sentences == [says(module, name, new)]


def test_old_paths_are_gone_and_lead_nowhere_old() -> None:
    for old in MODULES:
        path = HOME.parent / Path(*old.split("."))
        assert not path.with_suffix(".py").exists() and not path.is_dir(), old
    for new in (*MODULES.values(), *SPLIT.values(), *(new.rpartition(".")[0] for new in NAMES.values())):
        assert new not in MODULES, new


def test_a_name_that_an_old_module_never_had_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'contdepth\.plots' has no attribute 'no_such_name'"):
        import_module("contdepth.plots").no_such_name  # noqa: B018


def test_an_old_module_does_not_take_the_place_of_a_name() -> None:
    """``contdepth.data.load`` was a module, ``load`` is a function of ``contdepth.data``: it stays one."""
    clashes = [
        old for old in MODULES if old in NAMES or old.rpartition(".")[2] in stub_of(old.rpartition(".")[0])[1]
    ]
    assert "contdepth.data.load" in clashes and "contdepth.training.compare" in clashes
    lines = ["import sys, contdepth", *(f"import {old}" for old in clashes)]
    for old, split in SPLIT.items():
        if split.rpartition(".")[2] in import_module(split).__all__:
            lines.append(f"import {split}")
            clashes.append(f"{old}.{split.rpartition('.')[2]}")
    lines += [f"if isinstance({name}, type(sys)): print({name!r})" for name in clashes]
    command = [sys.executable, "-W", "ignore", "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == ""


def imported(path: Path) -> set[str]:
    """Modules of the library that a file names in its import statements, wherever they stand in it."""
    package = list(path.relative_to(HOME.parent).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.partition(".")[0] == "contdepth"}


def studies_of(path: Path) -> set[str]:
    """Folders of ``contdepth.studies`` that a file imports from; "" for the package of all."""
    parts = (name.split(".") for name in imported(path))
    return {(part + [""])[2] for part in parts if part[:2] == ["contdepth", "studies"]}


SOURCES = sorted([*HOME.rglob("*.py"), *HOME.rglob("*.pyi")])


def test_nothing_outside_studies_imports_them() -> None:
    outside = [path for path in SOURCES if path.relative_to(HOME).parts[0] != "studies"]
    assert len(outside) > 100
    assert {str(path): studies_of(path) for path in outside if studies_of(path)} == {}


def test_no_chapter_of_the_studies_imports_another() -> None:
    inside = [path for path in SOURCES if path.relative_to(HOME).parts[:1] == ("studies",)]
    chapters = {path: path.relative_to(HOME).parts[1] for path in inside if len(path.relative_to(HOME).parts) > 2}
    assert len(set(chapters.values())) > 3
    foreign = {str(path): studies_of(path) - {chapter, "common"} for path, chapter in chapters.items()}
    assert {path: names for path, names in foreign.items() if names} == {}
    assert any("common" in studies_of(path) for path in inside)


def test_imports_are_found_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two tests above see plain, ``from``, relative and late imports."""
    folder = tmp_path / "contdepth" / "pde"
    folder.mkdir(parents=True)
    monkeypatch.setattr(sys.modules[__name__], "HOME", tmp_path / "contdepth")
    forms = {
        "import contdepth.studies.yopo.contest": "yopo",
        "from contdepth.studies.durr import heat": "durr",
        "from contdepth.studies import meanfield": "meanfield",
        "from ..studies.pdenet import linear": "pdenet",
        "def f():\n    from contdepth.studies.common.plots import series": "common",
    }
    for text, chapter in forms.items():
        (folder / "one.py").write_text(text)
        assert chapter in studies_of(folder / "one.py"), text
