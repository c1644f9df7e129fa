"""The repository keeps its own rules: dependency direction, import-only packages, nothing hidden or local."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIB = ROOT / "lib"


def imported(path: Path) -> set[str]:
    """Return the top-level packages that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("contdepth", {"companion", "book"}), ("companion", {"contdepth", "torch", "torchdiffeq", "book"})],
)
def test_dependency_direction(package, forbidden):
    modules = list((LIB / package).rglob("*.py"))
    assert len(modules) > 5
    assert [m for m in modules if imported(m) & forbidden] == []


def test_no_folder_is_too_full_to_be_read_at_a_glance():
    folders = {path.parent for path in LIB.rglob("*.py")}
    full = {folder.name: count for folder in folders if (count := len(list(folder.glob("*.py")))) > 20}
    assert len(folders) > 20 and full == {}


def test_contdepth_packages_are_import_only():
    """They may hold a docstring, imports and dunder assignments: the fingerprint resolves names through them. The
    library's own lets old names be found.
    """
    for path in (LIB / "contdepth").rglob("__init__.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            plain = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            dunder = isinstance(node, ast.Assign) and all(
                name.id.startswith("__")
                for target in node.targets
                for name in ast.walk(target)
                if isinstance(name, ast.Name)
            )
            finder = ast.unparse(node) == "find_moved()" and path.parent.name == "contdepth"
            assert plain or dunder or finder or isinstance(node, ast.ImportFrom), (path, node.lineno)


def test_the_library_is_not_ignored():
    """``git ls-files`` lists tracked files whatever .gitignore says; so ask about a file that is not there."""
    command = ["git", "check-ignore", "--no-index", "-q", "lib/contdepth/not_there.py"]
    assert subprocess.run(command, cwd=ROOT).returncode == 1


def step(tmp_path, *arguments):
    command = [sys.executable, str(ROOT / ".ci/step.py"), *arguments]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)


def test_a_step_shows_its_summary_and_keeps_its_log(tmp_path):
    done = step(tmp_path, "--summary", "1", "Some step", sys.executable, "-c", "print('first'); print('last')")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[:2] == ["Some step …", "last"]
    assert re.fullmatch(r"Some step: done in \d+ s \(\d+ CPU s\)", lines[2])
    assert (tmp_path / "_build/logs/some-step.log").read_text() == "first\nlast\n"


def test_a_failing_step_fails_and_shows_why(tmp_path):
    done = step(tmp_path, "Bad", sys.executable, "-c", "print('the reason'); raise SystemExit(3)")
    assert done.returncode == 3
    assert "the reason" in done.stdout
    assert "Bad: FAILED" in done.stdout


def test_code_on_pages_fits_the_column():
    """A page's text column shows 82 characters; longer lines would hide behind a scroll bar."""
    from companion.book.pages import load_pages

    cells = [(page.id, cell) for page in load_pages(ROOT) for cell in page.cells()]
    lines = [(page, line) for page, cell in cells for line in cell.source.split("\n")]
    assert len(lines) > 100
    assert [entry for entry in lines if len(entry[1]) > 82] == []


def test_citation_names_every_paper_as_the_bibliography_does():
    import yaml
    from pybtex.database import parse_file

    from companion.book.ledger import load_ledgers

    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    named = {item["title"].lower(): item for item in cff["references"]}
    entries = parse_file(str(ROOT / "book/references.bib")).entries
    for ledger in load_ledgers(ROOT):
        for paper in ledger.papers.values() if ledger.is_theme else ():
            assert re.sub("[{}]", "", entries[paper.key].fields["title"]) == paper.title
            assert paper.year == int(entries[paper.key].fields["year"])
        if ledger.is_theme:
            continue
        entry = entries[ledger.papers[""].key]
        title = re.sub("[{}]", "", entry.fields["title"]).lower()
        item = named.pop(title)
        families = [" ".join(person.last_names) for person in entry.persons["author"]]
        assert [author["family-names"] for author in item["authors"]] == families
        assert item["year"] == int(entry.fields["year"])
    assert named == {}


def test_the_notebooks_of_the_published_book_go_to_the_branch_that_colab_opens():
    from companion.sphinxext.stored.notebooks import BRANCH

    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    assert f"--initial-branch={BRANCH}" in workflow and "path: _build/html/notebooks" in workflow
