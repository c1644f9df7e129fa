"""Stored runs run again by nbval: green as they are, red for whatever was changed in them, in its own words."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import toy_book
from toy_book import edit

from companion.book.ledger import load_ledger
from companion.book.pages import find_page
from companion.cli import main
from companion.evidence.record import load_record, read_record, sha256
from companion.evidence.soundness import problems
from companion.rerun.cells import pair_cells
from companion.rerun.figures import figure_difference
from companion.rerun.printed import apart, skeleton, without_pictures, without_terms

ROOT = Path(__file__).parents[3]
SANITIZE = ROOT / "tests" / "nbval.cfg"
HALVES = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTXG/wAAAABJRU5ErkJggg==",
)
"""A black and a white dot."""
SHOWS = f"""
```{{code-cell}} python
from IPython.display import display
print("addresses", hex(2**40))
display({{"image/png": "{HALVES[0]}", "text/plain": "a dot"}}, raw=True)
```
"""
PATCHES = """
```{code-cell} python
import gc
import contdepth.schemes.heun as scheme
one, = (found for found in gc.get_objects() if type(found) is dict and found.get("__name__") == scheme.__name__)
one["slope"] = lambda n: 2.5
```
"""
"""Behind the back of the rules for cells."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """The throw-away repository, its second page with a picture, run at smoke and at book; not to be changed."""
    root = toy_book.build(tmp_path_factory.mktemp("drawn") / "repository")
    with (root / "book/toy/heun.md").open("a", encoding="utf-8") as page:
        page.write(SHOWS)
    for profile in ("smoke", "book"):
        assert (
            main(
                [
                    "run",
                    "--root",
                    str(root),
                    "toy/heun",
                    *(["toy/euler"] if profile == "smoke" else []),
                    "--profile",
                    profile,
                    "--jobs",
                    "2",
                ]
            )
            == 0
        )
    return root


@pytest.fixture
def root(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "repository"))


def verify(root: Path, capfd, *arguments: str) -> tuple[int, list[str]]:
    """Return status and lines of ``companion verify``; a kernel of the toy book has little to import."""
    capfd.readouterr()
    status = main(["verify", "--root", str(root), *arguments, *([] if "--jobs" in arguments else ["--cold"])])
    return status, capfd.readouterr().out.splitlines()


def told(lines: list[str]) -> list[str]:
    """Return what is told of pages, page by page: which comes first depends on how long their runs took."""
    return sorted((line for line in lines if line.startswith("toy/")), key=lambda line: line.partition(":")[0])


def restamp(path: Path, old: str, new: str) -> None:
    """Edit a stored notebook and its record alike, hash included."""
    record = path.with_suffix(".json")
    assert old in path.read_text()
    for name in (path, record):
        name.write_text(name.read_text().replace(old, new))
    data = json.loads(record.read_text())
    record.write_text(json.dumps({**data, "notebook_sha256": sha256(path)}))


def test_green_as_stored(root, capfd):
    before = {p: p.read_bytes() for p in (root / "results").rglob("*.*")}
    status, lines = verify(root, capfd, "--jobs", "1")
    assert status == 0, lines
    assert sorted(line.split()[:2] for line in lines[:2]) == [["done", "toy/euler"], ["done", "toy/heun"]]
    assert lines[-2] == (
        "verified 3 claims on 2 pages, 4 numbers, the outputs of 8 cells and 1 figure (2 of 2 pages to the bit): "
        "every verdict is as accepted, every number and output as stored"
    )
    assert {p: p.read_bytes() for p in (root / "results").rglob("*.*")} == before


def test_red_in_every_way_at_once(root, capfd):
    """Two pages in one run: the library gives another number; the second page has one stored text, figure and
    number replaced, record and hash fitting.
    """
    edit(root, "lib/contdepth/schemes/euler.py", "1.0", "1.2")
    edit(
        root,
        "book/toy/claims.yml",
        "{above: 1.5, reason: room, accepted: holds}",
        "{above: 1.5, reason: room, accepted: fails}",
    )
    heun = root / "results/smoke/toy/heun.ipynb"
    restamp(heun, '"value": 2.0\n', '"value": 2.0000001\n')
    restamp(heun, hashlib.sha256(base64.b64decode(HALVES[0])).hexdigest(), "ab" * 32)
    restamp(heun, "addresses 0x10000000000", "addresses 1099511627776")
    status, lines = verify(root, capfd)
    assert status == 1
    assert told(lines) == [
        "toy/euler (smoke): toy.euler.order (smoke): accepted reproduced, found not reproduced (value 1.2, "
        "support 1 ± 0.03)",
        "toy/euler (smoke): toy.euler.order (smoke): stored reproduced (value 1), found not reproduced "
        "(value 1.2); the numbers of one machine are equal to the bit",
        "toy/heun (smoke): code cell 4, figure 1: stored a figure of other bytes than the page draws",
        "toy/heun (smoke): toy.heun.order (smoke): accepted fails, found holds (value 2, support > 1.5)",
        "toy/heun (smoke): toy.heun.order (smoke): stored holds (value 2), found holds (value 2); the "
        "numbers of one machine are equal to the bit",
    ]
    assert "  'addresses 1099511627776\\n' == 'addresses 0x10000000000\\n'" in lines
    assert lines[-2].endswith("3 items with differences")


def test_what_would_switch_the_comparison_off_does_not(root, capfd):
    """A count taken away, a tag and a comment that nbval honours, code that is no longer the stored run's."""
    restamp(root / "results/smoke/toy/euler.ipynb", '"execution_count": 4', '"execution_count": null')
    edit(
        root, "book/toy/heun.md", 'print("addresses", hex(2**40))', '# NBVAL_IGNORE_OUTPUT\nprint("addresses", 1)'
    )
    edit(
        root,
        "book/toy/heun.md",
        "```{code-cell} python\nfrom companion import",
        "```{code-cell} python\n:tags: [nbval-skip]\nfrom companion import",
    )
    status, lines = verify(root, capfd)
    assert status == 1
    assert "Cell 4: Stored cell has no execution count: it was not run, or its count was removed" in lines
    found = told(lines)
    assert found[:2] == [
        "toy/euler (smoke): stored run: code cell 4 has not been executed",
        "toy/euler (smoke): code cell 4 was not run",
    ]
    assert found[-1] == (
        "toy/heun (smoke): code cell 4: the stored run has 'from IPython.display import display', the page now "
        "'from IPython.display import display'; run the page again"
    )


def test_a_page_that_fails_and_a_run_that_is_missing(root, capfd):
    (root / "results/smoke/toy/heun.json").unlink()
    edit(root, "lib/contdepth/schemes/euler.py", "1.0", "1 / 0")
    status, lines = verify(root, capfd)
    assert status == 1 and any("ZeroDivisionError" in line for line in lines)
    assert lines[-1] == "toy/heun (smoke): expected a stored run, found none"
    status, lines = verify(root, capfd, "toy/euler", "--verdicts-only")
    assert status == 1 and lines[-2] == "verified 1 claim on 1 page: 2 items with differences"


def test_a_page_that_replaces_the_library_while_it_runs_is_told(root, capfd):
    """Notebook and record are those of the page that does it, so that every number is as stored."""
    page = root / "book/toy/heun.md"
    page.write_text(page.read_text() + PATCHES)
    assert main(["run", "--root", str(root), "toy/heun", "--profile", "smoke"]) == 0
    status, lines = verify(root, capfd, "toy/heun")
    assert status == 1
    assert told(lines) == [
        "toy/heun (smoke): after the last cell contdepth.schemes.heun_slope is not what its file imports",
        "toy/heun (smoke): after the last cell contdepth.schemes.heun.slope is not the function of its file",
    ]


def test_at_book_figures_are_there_and_a_replaced_one_is_told(root, capfd):
    assert HALVES[0] in (root / "results/book/toy/heun.ipynb").read_text()
    restamp(root / "results/book/toy/heun.ipynb", HALVES[0], HALVES[1])
    status, lines = verify(root, capfd, "--profile", "book", "toy/heun")
    assert status == 1
    assert told(lines) == [
        "toy/heun (book): code cell 3, figure 1: stored a figure of other bytes than the page draws"
    ]


def test_nothing_to_verify_is_a_finding(toy, capfd):
    edit(toy, "book/toy/runs.yml", "      smoke: {}\n", "")
    edit(toy, "book/toy/runs.yml", "      smoke: {parameters: {steps: [4, 8]}, timeout: 60}\n", "")
    ledger = toy / "book/toy/claims.yml"
    ledger.write_text("\n".join(s for s in ledger.read_text().splitlines() if not s.startswith("      smoke:")))
    assert verify(toy, capfd) == (1, ["expected a page with a run at smoke, found none"])


def test_nbval_on_its_own_sees_an_edited_line_and_takes_other_notebooks(root):
    notebook = root / "results/smoke/toy/euler.ipynb"
    other = root / "mine.ipynb"
    shutil.copy(notebook, other)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--nbval",
            "-p",
            "companion.rerun.plugin",
            "-c",
            os.devnull,
            "-q",
            "--collect-only",
            "--rootdir",
            str(root),
            str(notebook),
            str(other),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    items = [line for line in done.stdout.splitlines() if "::" in line]
    assert [line for line in items if line.endswith("::page")] == ["results/smoke/toy/euler.ipynb::page"]
    assert len(items) == 4 + 1 + 4


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'print("width", width)',
            '# NBVAL_IGNORE_OUTPUT\nprint("width", width)',
            "3: expected every output to be compared, found the comment NBVAL_IGNORE_OUTPUT",
        ),
        (
            "```{code-cell} python\nlosses",
            "```{code-cell} python\n:tags: [nbval-ignore-output]\nlosses",
            "3: expected every output to be compared, found the tag nbval-ignore-output; tag a cell that shows "
            "measured times clock",
        ),
        (
            'print("width", width)',
            'print("width", width)\nIPython.display.clear_output()',
            "3: expected outputs that stay as they were shown, found a call of clear_output",
        ),
        (
            'print("width", width)',
            'display(width, display_id="a")',
            "3: expected outputs that stay as they were shown, found display_id= in a call of display",
        ),
    ],
)
def test_a_page_that_would_escape_is_refused(toy, capsys, old, new, told):
    edit(toy, "book/toy/euler.md", old, new)
    assert main(["check-ledger", "--root", str(toy)]) == 2
    assert f"page toy/euler, code cell {told}" in capsys.readouterr().err


def test_imports_may_move_and_words_may_change(root):
    page = find_page(root, "toy/heun")
    record = read_record(root / "results/smoke/toy/heun.json")
    notebook = nbformat.read(root / "results/smoke/toy/heun.ipynb", as_version=4)
    pairs, unlike = pair_cells(page, record, notebook)
    assert unlike is None and len(pairs) == 4 and all(pair.stored for pair in pairs)
    edit(root, "book/toy/heun.md", "from IPython.display import display\n", "")
    edit(
        root,
        "book/toy/heun.md",
        "```{code-cell} python\nfrom companion import begin, check",
        "```{code-cell} python\nfrom IPython.display import display\n```\n\n"
        "```{code-cell} python\nfrom companion import begin, check  # both",
    )
    pairs, unlike = pair_cells(find_page(root, "toy/heun"), record, notebook)
    assert unlike is None and [pair.stored is None for pair in pairs] == [False, False, True, False, False]
    assert pairs[-1].outputs and not pairs[2].outputs and pairs[2].executed


def test_pictures_in_text_are_no_numbers_and_words_are_no_pictures():
    one, other = ("data:image/webp;base64," + half * 150 for half in ("ab3/", "Q+7z"))
    plain = without_pictures
    assert skeleton(plain(one)) == skeleton(plain(other + "==")) != skeleton(plain(one[:100]))
    assert apart([plain(one + " 3.1")], [plain(other + " 3.1")]) is None
    assert apart([plain(one + " 3.1")], [plain(other + " 4.1")]) is not None


def test_terms_of_a_trained_equation_may_differ_and_its_lines_may_not():
    found = "u_t = 0.1 u_xx (+ 2 terms below 1e-3)\nloss 0.1"
    assert without_terms("u_t = 0.1 u_xx - 0.002 u (+ 1 term)\nloss 0.1") == without_terms(found)
    assert without_terms(found) != without_terms(found.replace("u_t", "v_t")) != without_terms(found + "\nv_t = u")
    assert without_terms("terms: u_xx") == "terms: u_xx"
    typeset = r"$\begin{array}{l}u_t = 0.9\,u\,v - 0.3\,u^{2}\end{array}$ at 3"
    other = r"$\begin{array}{l}u_t = -0.3\,u^{2} + 0.9\,u\,v\end{array}$ at 3"
    assert without_terms(typeset) == without_terms(other) != without_terms(other.replace("at 3", "at 4"))


def test_printed_numbers_of_another_machine():
    assert skeleton("a  1.25e-03 b\n  2") == skeleton("a -7 b\n123.4") != skeleton("a 1 c\n2")
    assert skeleton("  1 nan") != skeleton("  1 2")
    near = [("1.234", "1.236"), ("0.0012", "0.0014"), ("100", "101"), ("1e-5", "2e-5"), ("−3.1", "-3.1")]
    far = [("1.234", "1.256"), ("0.0012", "0.0016"), ("100", "103"), ("1e-5", "9e-5"), ("3.1", "-3.1")]
    assert [apart([a], [b]) for a, b in near] == [None] * len(near)
    assert [apart([a], [b]) for a, b in far] == [f"stored {a}, found {b}" for a, b in far]


def picture(shade: int, size=(60, 40), width: int = 0) -> dict:
    """Return an output with a white picture that has a bar of ``shade``."""
    import io

    from PIL import Image

    image = Image.new("L", size, 255)
    image.paste(shade, (10 + width, 5, 20 + width, 35))
    image.save(buffer := io.BytesIO(), "PNG")
    return {"data": {"image/png": base64.b64encode(buffer.getvalue()).decode()}, "metadata": {}}


def test_figures_by_bytes_and_by_looks():
    same, other = picture(0), picture(0, width=25)
    digest = hashlib.sha256(base64.b64decode(same["data"]["image/png"])).hexdigest()
    removed = {"data": {"text/plain": ""}, "metadata": {"companion": {"pictures": {"image/png": digest}}}}
    assert figure_difference([same, other], [same, other], exact=True) == (2, None)
    assert figure_difference([removed], [same], exact=True) == (1, None)
    assert figure_difference([removed], [other], exact=True)[1] == (
        "figure 1: stored a figure of other bytes than the page draws"
    )
    assert figure_difference([removed], [other], exact=False) == (0, None)  # only a hash: nothing to look at
    assert figure_difference([same], [picture(20)], exact=False) == (1, None)
    assert "looks other" in figure_difference([same], [other], exact=False)[1]
    assert "60 × 40 pixels" in figure_difference([same], [picture(0, (50, 40))], exact=False)[1]
    assert figure_difference([same], [], exact=False)[1] == "stored 1 figures, found 0"
    assert figure_difference([{"data": {"image/svg+xml": "<svg/>"}}], [same], exact=True)[1] == (
        "figure 1: stored image/svg+xml, found image/png"
    )


def test_every_sanitising_pair_is_read():
    """nbval drops a pair silently where the replacement is empty; ours all have one, and all compile."""
    from nbval.plugin import get_sanitize_patterns

    from companion.evidence.notebook_text import read_patterns

    text = SANITIZE.read_text(encoding="utf-8")
    pairs = get_sanitize_patterns(text)
    assert len(pairs) == text.count("regex:") == text.count("replace:") == 3 and pairs == read_patterns(text)


RESULTS = sorted((ROOT / "results").glob("*/*/*.ipynb"))


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: "/".join(path.parts[-3:]))
def test_every_stored_run_of_this_book_is_evidence(path):
    root, (profile, chapter) = path.parents[3], path.parts[-3:-1]
    record = load_record(root, profile, chapter, path.stem)
    assert record is not None, "expected a record beside the notebook, found nothing"
    assert problems(path, record, load_ledger(root, chapter)) == []
