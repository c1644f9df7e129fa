"""The Sphinx side on a toy book: a clean book builds, planted faults are said in sentences, nothing ever runs."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from docutils import nodes
from docutils.utils import new_document
from sphinx_toy import PAGES, PIXEL, build, built, edit, page_text, site_faults, words, write_book, write_run

from companion.sphinxext.claims.given import JoinTexts
from companion.sphinxext.store import Store
from companion.sphinxext.stored.audit import page_problems
from companion.sphinxext.stored.checks import drawn
from companion.sphinxext.stored.notebooks import executed

CLAIMS, ORDERS = "book/toy/claims.yml", "book/toy/orders.md"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean toy book, built once."""
    return built(write_book(tmp_path_factory.mktemp("toy")))


def test_outputs_come_from_the_stored_run_and_no_kernel_is_started(book: Path) -> None:
    page = page_text(book, ORDERS[:-3])
    assert ">1.0\n<" in page and "toy.order.euler</a>: reproduced (book)" in page
    assert 'alt="Error against step size' in page and "Errors of both schemes." in page
    assert not list(book.rglob("ran.txt")), "a cell that writes a file was executed"


def test_noted_numbers_do_not_show_as_outputs(book: Path) -> None:
    assert "NOTED-97" not in page_text(book, ORDERS[:-3])


def test_numbers_in_prose_come_from_records_and_ledger(book: Path) -> None:
    text = words(page_text(book, ORDERS[:-3]))
    assert "Euler has order 1.012, the paper says 1† (unverified)." in text
    assert "The gap is −0.23 [−0.99, 0.53], at smoke 1.01; see toy.gap" in text
    assert "We noted 97.2 % and 97.25." in text


def test_given_numbers_stand_as_they_would_if_typed_and_are_counted(book: Path) -> None:
    page = page_text(book, "book/toy/concept")
    assert "<p>In “2018” some 1,000 blocks (2 × 2) made 95 %; 4 numbers are\ngiven.</p>" in page


def test_texts_that_a_given_number_parts_are_joined() -> None:
    document = new_document("page")
    document += nodes.paragraph(
        "",
        "",
        nodes.Text("some "),
        nodes.Text("30"),
        nodes.Text(" ("),
        nodes.math("k", "k"),
        nodes.Text(") of "),
        nodes.strong("", "", nodes.Text("all")),
        nodes.Text(" 40"),
    )
    JoinTexts(document).apply()
    assert [child.astext() for child in document[0]] == ["some 30 (", "k", ") of ", "all", " 40"]


def test_what_the_ledgers_no_longer_say_is_listed_with_its_reason(book: Path) -> None:
    text = words(page_text(book, "book/toy/concept"))
    assert "The register has 4 lines: 2 additions, 1 revision, 1 retirement." in text
    assert (
        "claim toy.gone retired 7 May 2026 No run can decide it "
        "claim toy.gap revised 6 May 2026 The region was wider than its reason"
    ) in text


def test_provenance_says_run_time_hardware_and_links(book: Path) -> None:
    page = page_text(book, ORDERS[:-3])
    text = words(page)
    for part in (
        "Outputs: book profile",
        "21 November 2026",
        "cpu, 2 threads, Toy CPU",
        "commit 012345678",
        "contdepth 0.1.0",
        "seeds 0–2",
        "smoke 4.1 s",
        "book 3.1 min",
        "paper not attempted",
        "no GPU was available; 12.5 h on one RTX 2070 Super",
    ):
        assert part in text
    assert "colab.research.google.com/github/contdepth/companion/blob/notebooks/toy/orders.ipynb" in page
    assert "mybinder.org/v2/gh/contdepth/companion/main?urlpath=lab/tree/results/book/toy/orders.ipynb" in page
    assert 'blob/main/book/toy/orders.md"' in page


def test_records_travel_inside_the_book(book: Path) -> None:
    records = [json.loads(path.read_text("utf-8")) for path in (book / "_build/html").rglob("orders.json")]
    assert sorted(record["profile"] for record in records) == ["book", "smoke"]
    assert [*(book / "_build/html/_downloads").rglob("orders.ipynb")]


def test_claims_table_shows_every_figure(book: Path) -> None:
    page = page_text(book, "book/toy/claims")
    for name in ("claim-toy-order-euler", "claim-toy-gap", "claim-toy-imagenet"):
        assert page.count(f'id="{name}"') == 1
    text = words(page)
    for part in (
        "−0.66 percentage points",
        "against a quoted baseline",
        "−0.25 percentage points",
        "−0.23 [−0.99, 0.53] percentage points",
        "3 seeds (0–2)",
        "&lt; 0 (refuted if &gt; 0.1)",
        "Half of the paper’s gain",
        "? undecided",
        "– not attempted",
        "12.5 h on one RTX 2070 Super",
        "” quoted",
        "GPU weeks and a licensed data set",
        "Paper no figure The abstract gives words alone",
        "at 5 % of the paper’s scale grids 2 of 40, seeds 3 of 5; The learning rate of the paper is not known",
        "✓ reproduced",
        "1 ± 0.03",
    ):
        assert part in text.replace("'", "’"), part
    assert 'scope="rowgroup"' in page and 'scope="row"' in page and 'scope="col"' in page and "<caption>" in page


def test_scorecard_counts_headlines(book: Path) -> None:
    text = words(page_text(book, "book/index"))
    assert "Toy 1 0 1 0 1 3" in text and "All 1 0 1 0 1 3" in text and "Newest run: 21 November 2026." in text


def test_paper_table_marks_unverified_cells_only(book: Path) -> None:
    text = words(page_text(book, "book/toy/concept"))
    assert "20 8.75† (unverified) L 8.33 L,P" in text and "56 + noise – 5.10† (unverified) L" in text
    assert "L: A report, one seed P: Abstract of the paper" in text


def test_departures_are_listed(book: Path) -> None:
    assert "First step Not given A plain block The authors' code does so this book" in words(
        page_text(book, "book/toy/concept")
    ).replace("’", "'")


def test_built_pages_are_clean(book: Path) -> None:
    assert site_faults(book) == []


def test_pages_load_mathematics_from_the_book_and_no_thebe(book: Path) -> None:
    page = page_text(book, "book/toy/concept")
    assert "_static/mathjax/tex-svg-full.js" in page and "thebe" not in page and "doc-biblioentry" not in page
    assert '<meta name="description" content="Networks are schemes' in page


def no_alt(root: Path) -> None:
    edit(root / ORDERS, "    alt: Error against step size, two straight lines of slope one and two\n", "")
    edit(root / ORDERS, "  image:\n", "")


def bare_image(root: Path) -> None:
    edit(root / "book/toy/concept.md", "and a step is", "and ![](bare.png) a step is")
    (root / "book/toy/bare.png").write_bytes(base64.b64decode(PIXEL))


def tampered_number(root: Path) -> None:
    path = root / "results/book/toy/orders.json"
    record = json.loads(path.read_text("utf-8"))
    record["checks"]["toy.gap"]["values"][0] = -0.66
    path.write_text(json.dumps(record), encoding="utf-8")


def tampered_notebook(root: Path) -> None:
    path = root / "results/book/toy/orders.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-2].outputs[0].text = "1.9\n"
    nbformat.write(notebook, path)


def wrong_names(root: Path) -> None:
    for old, new in (
        ("{claim}`toy.gap`", "{claim}`toy.gab`"),
        ("{noted}`accuracy`", "{noted}`acuracy`"),
        ("euler@smoke", "euler@gpu"),
        ("accuracy:.1f", "accuracy:.1q"),
        ("{paper-says}`toy.order.euler`", "{paper-says}`toy.imagenet`"),
    ):
        edit(root / ORDERS, old, new)
    for old, new in (
        ("{paper-table} A-1", "{paper-table} A-9"),
        ("{given}`95 %`", "{given}`most`"),
        ("{counted}`given`", "{counted}`typed`"),
    ):
        edit(root / "book/toy/concept.md", old, new)


def row_lost_and_page_unlisted(root: Path) -> None:
    bare_image(root)
    edit(root / "book/toy/claims.md", "{claims-table}", "{note}\nNone.")
    unlisted_page(root)


def stale_without_alt(root: Path) -> None:
    edit(root / "lib/contdepth/toy.py", "1.0", "2.0")
    edit(root / CLAIMS, "tolerance: 0.03", "tolerance: 0.01")
    edit(root / CLAIMS, "kind: training\n    page: orders", "kind: bound\n    page: orders")
    edit(root / CLAIMS, "refute: {above: 0.1}, ", "")
    no_alt(root)


def two_tables_and_torn_record(root: Path) -> None:
    edit(root / "book/toy/concept.md", "{departures}", "{claims-table}")
    (root / "results/smoke/toy/orders.json").write_text('{"schema": 1', encoding="utf-8")


def unlisted_page(root: Path) -> None:
    edit(
        root / "_toc.yml",
        "      - file: book/toy/claims\n",
        "      - file: book/toy/claims\n      - file: book/toy/other\n",
    )
    text = PAGES[ORDERS].replace("{provenance}", "{note}\nNo box.").replace("fig-orders", "fig-other")
    (root / "book/toy/other.md").write_text(text, encoding="utf-8")


RERUN = "run: make reproduce PROFILE=book CHAPTER=toy"
Plant = Callable[[Path], object]
AUDITED: dict[str, tuple[Plant, str]] = {
    "drifted code": (
        lambda root: edit(root / ORDERS, "print(slope(steps))", "print(slope(steps) + 1)"),
        f"code cell 3 differs), so it shows no outputs; {RERUN}",
    ),
    "dropped cell": (
        lambda root: edit(root / ORDERS, "```{code-cell} ipython3\nprint(slope(steps))\n```\n", ""),
        "2 code cells, 3 in the stored run",
    ),
    "missing run": (
        lambda root: shutil.rmtree(root / "results/book"),
        f"no stored run results/book/toy/orders.ipynb, so the page shows no outputs; {RERUN}",
    ),
    "missing record": (lambda root: (root / "results/book/toy/orders.json").unlink(), "has no record beside it"),
    "changed library": (
        lambda root: edit(root / "lib/contdepth/toy.py", "1.0", "2.0"),
        "is stale: contdepth.toy:slope changed since the run",
    ),
    "changed region": (
        lambda root: edit(root / CLAIMS, "tolerance: 0.03", "tolerance: 0.01"),
        "orders.ipynb is no evidence: toy.order.euler (book): accepted reproduced, found not",
    ),
    "changed kind": (
        lambda root: edit(root / CLAIMS, "kind: order", "kind: training"),
        "is no evidence: claim toy.order.euler, values: expected a list of numbers, found",
    ),
    "tampered notebook": (tampered_notebook, "bytes are not those its record was written for"),
    "tampered record": (tampered_number, "the record and the notebook differ in toy.gap"),
    "torn record": (
        lambda root: (root / "results/book/toy/orders.json").write_text('{"schema": 1'),
        "orders.json: expected a record",
    ),
    "torn notebook": (
        lambda root: (root / "results/smoke/toy/orders.ipynb").write_text('{"cells": ['),
        "orders.ipynb is no evidence: expected a notebook, found",
    ),
    "verdict not accepted": (
        lambda root: edit(root / CLAIMS, "accepted: undecided", "accepted: reproduced"),
        "orders.ipynb is no evidence: toy.gap (book): accepted reproduced, found undecided",
    ),
    "missing alt text": (no_alt, "code cell 2 shows an image without alt text"),
    "broken ledger": (
        lambda root: edit(root / CLAIMS, "accepted: undecided", "accepted: maybe"),
        "claim toy.gap, key expect.book.accepted",
    ),
}


def audited(root: Path) -> str:
    """Return everything that the audit of a build would warn about."""
    store = Store(root)
    store.load()
    return "\n".join([*store.problems, *(p for page in store.pages.values() for p in page_problems(store, page))])


def test_the_audit_has_nothing_to_say_of_a_clean_book(book: Path) -> None:
    assert audited(book) == ""


def test_a_page_shows_its_stored_run_when_only_import_lines_and_words_changed(tmp_path: Path) -> None:
    """A module moves, the page imports it in a cell of its own: the run's notebook still has the old lines."""
    root = write_book(tmp_path)
    (root / "lib/contdepth/toy.py").rename(root / "lib/contdepth/moved.py")
    edit(root / ORDERS, "\nfrom contdepth.toy import slope\n", "\n")
    edit(
        root / ORDERS,
        "```{code-cell} ipython3\nprint(slope(steps))",
        "```{code-cell} ipython3\nfrom contdepth import moved  # here now\n```\n\n```{code-cell} ipython3\n"
        "print(moved.slope(\n    steps\n))",
    )
    assert audited(root) == ""
    store = Store(root)
    code = [cell for cell in executed(store, store.pages["toy/orders"])["cells"] if cell["cell_type"] == "code"]
    assert [len(cell["outputs"]) for cell in code] == [0, 2, 0, 3]
    assert "moved" in "".join(code[2]["source"]) and code[3]["outputs"][0]["text"] == ["1.0\n"]
    edit(root / ORDERS, "print(moved.slope(", "print(2 * moved.slope(")
    assert "its code is not the code of the stored run (code cell 2 differs)" in audited(root)


@pytest.mark.parametrize("fault", AUDITED)
def test_the_audit_names_a_planted_fault(fault: str, tmp_path: Path) -> None:
    root = write_book(tmp_path)
    plant, sentence = AUDITED[fault]
    plant(root)
    assert sentence in audited(root)


BUILT: dict[str, tuple[tuple[Plant, ...], tuple[str, ...]]] = {
    "drifted code, claim without a row, page without a plan": (
        (AUDITED["drifted code"][0], row_lost_and_page_unlisted),
        (
            "orders.md: WARNING: its code is not the code of the stored run",
            AUDITED["drifted code"][1],
            "no claims-table of this book shows the claim toy.gap",
            "the page has code cells, but no runs.yml lists it",
            "WARNING: the image book/toy/bare.png has no alt text",
        ),
    ),
    "stale record without alt text, roles and tables that name nothing": (
        (stale_without_alt, wrong_names),
        (
            "is stale: contdepth.toy:slope changed since the run",
            "toy.order.euler (book): accepted reproduced, found not",
            "claim toy.gap, seeds: expected it only for a claim of kind training or proportion, found kind",
            "code cell 2 shows an image without alt text",
            "{claim}: no ledger holds the claim 'toy.gab'; did you mean 'toy.gap'?",
            "{noted}: the record of 'toy/orders' at 'book' notes no 'acuracy'; it notes accuracy",
            "{ours}: expected one of the profiles smoke, book, paper behind @, found 'gpu'",
            "{noted}: the format '.1q' does not fit",
            "{paper-says}: the ledger gives no paper figure for 'toy.imagenet'",
            "{given}: expected a number with its signs and without letters, found 'most'; leave words",
            "{counted}: expected one of given, figures, verified, small, found 'typed'",
            "{paper-table}: the ledger of toy has no table 'A-9'; it has A-1",
        ),
    ),
    "two claims tables, torn smoke record": (
        (two_tables_and_torn_record,),
        ("already has its row on", "orders.json: expected a record"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", BUILT)
def test_a_planted_fault_stops_the_strict_build(fault: str, tmp_path: Path) -> None:
    """Several faults share a build; that each is a warning, and so stops it alone too, its line says."""
    root = write_book(tmp_path)
    plants, sentences = BUILT[fault]
    for plant in plants:
        plant(root)
    done = build(root)
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stderr)
    assert done.returncode != 0, f"{fault}: the strict build passes"
    warnings = [line for line in said.splitlines() if "WARNING" in line or "ERROR" in line]
    for sentence in sentences:
        assert any(sentence in line for line in warnings), f"{sentence}\n{said[-3000:]}"
    assert "AttributeError" not in said and "KeyError" not in said, said[-3000:]
    assert not list(root.rglob("ran.txt")), "a cell was executed"


@pytest.mark.slow
def test_no_setting_brings_execution_back(tmp_path: Path) -> None:
    root = write_book(tmp_path)
    edit(root / "_config.yml", 'execute_notebooks: "off"', "execute_notebooks: force")
    shutil.rmtree(root / "results/book")
    assert build(root).returncode != 0
    assert "1.0\n" not in page_text(root, ORDERS[:-3]) and not list(root.rglob("ran.txt"))


def line(verdict: str, claim: str, anchor: str = "") -> str:
    """Return the line of a check on the page."""
    sign, name = {"reproduced": "✓", "not reproduced": "✗", "undecided": "?"}[verdict], claim.replace(".", "-")
    kind = verdict.replace(" ", "-")
    return (
        f'<p class="companion-verdict {kind}"{anchor}><span aria-hidden="true">{sign}</span> '
        f'<a href="claims.html#claim-{name}">{claim}</a>: {verdict} (book)</p>'
    )


def test_the_line_of_a_check_is_drawn_once_with_its_anchor(book: Path) -> None:
    page = page_text(book, ORDERS[:-3])
    assert line("reproduced", "toy.order.euler", ' id="check-toy-order-euler"') in page
    assert line("undecided", "toy.gap", ' id="check-toy-gap"') in page and "measured (book)" not in page
    stored = (book / "results/book/toy/orders.ipynb").read_text("utf-8")
    assert "measured (book)" in stored and "companion-" not in stored and "undecided" not in stored


def test_only_the_first_line_of_a_claim_has_the_anchor(book: Path) -> None:
    store, named = Store(book), set()
    cells = nbformat.read(book / "results/book/toy/orders.ipynb", as_version=4).cells
    check = next(
        output
        for cell in cells
        for output in cell.get("outputs", ())
        if "check" in output.get("metadata", {}).get("companion", {})
    )
    first, second = (drawn(check, store, named=named).data for _ in range(2))
    assert 'id="check-toy-order-euler"' in first["text/html"] and "id=" not in second["text/html"]
    assert first["text/plain"] == "toy.order.euler: reproduced (book)"
    assert (
        drawn(check, store, "https://example.org/toy/")
        .data["text/html"]
        .count('href="https://example.org/toy/claims.html#claim-toy-order-euler"')
        == 1
    )
    gone = {**check, "metadata": {"companion": {"check": {"claim": "toy.gone", "profile": "book", "value": 1}}}}
    assert drawn(gone, store) is gone


@pytest.mark.slow
def test_a_page_follows_its_ledger_without_a_full_build(tmp_path: Path) -> None:
    root = write_book(tmp_path)
    text = PAGES[ORDERS].partition("Euler has order")[0].replace("```{provenance}\n```\n", "")
    (root / ORDERS).write_text(text, encoding="utf-8")  # nothing else that makes the page depend on the ledger
    assert build(root).returncode == 0
    edit(
        root / CLAIMS,
        "tolerance: 0.03, reason: The next term of the error, accepted: reproduced",
        "tolerance: 0.01, reason: The next term of the error, accepted: not reproduced",
    )
    done = build(root, everything=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert line("not reproduced", "toy.order.euler", ' id="check-toy-order-euler"') in page_text(root, ORDERS[:-3])


@pytest.mark.slow
def test_a_page_follows_its_record_without_a_full_build(tmp_path: Path) -> None:
    root = write_book(tmp_path)
    assert build(root).returncode == 0
    write_run(root, "book", accuracy=12.5)
    assert build(root, everything=False).returncode == 0
    assert "We noted 12.5 % and 12.5." in words(page_text(root, ORDERS[:-3]))
