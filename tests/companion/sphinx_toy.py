"""A toy book with stored runs, made by hand: no kernel, no torch; shared by the tests of the Sphinx side."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import sphinx_forks
from nbformat import NotebookNode, v4

from companion.book.ledger import Claim, load_ledger
from companion.book.pages import find_page
from companion.evidence.judging import assess
from companion.evidence.record import Record, extract, load_record, seeds_of, sha256
from companion.evidence.verdict_line import MEASURED, plain_line
from companion.freshness.fingerprint import fingerprint
from companion.freshness.sidecar import Sidecar, record_hash, write_sidecar
from companion.root import carry_path
from companion.site import checks
from companion.site.building import JUPYTER_BOOK, STRICT

REPOSITORY = Path(__file__).resolve().parents[2]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
    format_version: '0.13'
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
"""

ORDERS = (
    HEADER
    + """\
# Orders of the schemes

```{provenance}
```

We measure orders on a problem with a known solution, $\\dot u = -t\\,u^2$, and compare with the paper.

```{code-cell} ipython3
:tags: [parameters]

profile = "book"
steps = [40, 80]
```

```{code-cell} ipython3
---
mystnb:
  image:
    alt: Error against step size, two straight lines of slope one and two
  figure:
    caption: Errors of both schemes.
    name: fig-orders
---
from pathlib import Path

from contdepth.toy import slope
Path("ran.txt").write_text("a kernel ran")
```

```{code-cell} ipython3
print(slope(steps))
```

Euler has order {ours}`toy.order.euler:.3f`, the paper says {paper-says}`toy.order.euler`.
The gap is {ours}`toy.gap:interval`, at smoke {ours}`toy.order.euler@smoke:.2f`; see {claim}`toy.gap`.
We noted {noted}`toy/orders#accuracy:.1f` % and {noted}`accuracy`.
"""
)

VARIATIONS = """\
variations:
  - id: finer
    page: toy/orders
    parameters: {steps: [80, 160]}
    watch: [toy.order.euler]
"""

PAGES = {
    "book/index.md": """\
# A toy companion

Every number on these pages comes from a stored run. See [the claims](toy/claims.md).

```{scorecard}
```
""",
    "book/toy/concept.md": """\
# The idea

Networks are schemes {cite:p}`doe2020`, and a step is

$$ u_{n+1} = u_n + h f(u_n). $$

In "{given}`2018`" some {given}`1,000` blocks ({given}`2 × 2`) made {given}`95 %`; {counted}`given` numbers are
given.

```{paper-table} A-1
:chapter: toy
```

```{departures}
```

```{register-changes}
```

```{bibliography}
```
""",
    "book/toy/orders.md": ORDERS,
    "book/toy/claims.md": """\
# Claims

All claims of this chapter.

```{claims-table}
```
""",
    "_toc.yml": """\
format: jb-book
root: book/index
parts:
  - caption: Toy
    numbered: true
    chapters:
      - file: book/toy/concept
      - file: book/toy/orders
      - file: book/toy/claims
""",
    "book/references.bib": """\
@article{doe2020, title={A toy}, author={Doe, Jane}, journal={Toys}, year={2020}}
""",
    "book/register.tsv": """\
date\tevent\twhat\tid\thash\treason
2026-05-04\tadded\tclaim\ttoy.gap\t0123456789abcdef\t-
2026-05-05\tadded\tclaim\ttoy.gone\t0123456789abcdef\t-
2026-05-06\trevised\tclaim\ttoy.gap\tfedcba9876543210\tThe region was wider than its reason
2026-05-07\tretired\tclaim\ttoy.gone\t0123456789abcdef\tNo run can decide it
""",
    "book/toy/runs.yml": """\
chapter: toy
pages:
  orders:
    profiles:
      smoke: {parameters: {steps: [10, 20]}, timeout: 60}
      book: {timeout: 600}
      paper: {not_attempted: no GPU was available, cost: "12.5 h on one RTX 2070 Super"}
""",
    "book/toy/claims.yml": """\
chapter: toy
paper: {key: doe2020, title: A toy, authors: [Jane Doe], venue: Toys, year: 2020}
sources:
  L: {text: "A report, one seed", url: "https://example.org/report"}
  P: {text: Abstract of the paper}
tables:
  - id: A-1
    title: Test error (%) of the toy
    source: L
    note: The first column is quoted.
    columns: [depth, Toy, LM-Toy]
    rows:
      - [20, 8.75, {value: 8.33, source: [L, P], verified: true}]
      - [56 + noise, null, 5.10]
claims:
  - id: toy.order.euler
    statement: A residual block $u + h f(u)$ is one step of forward Euler, of order 1.
    where: Section 2
    origin: paper
    kind: order
    page: orders
    paper: {value: 1, verified: false, source: P}
    expect:
      smoke: {equals: 1, tolerance: 0.1, reason: The next term of the error, accepted: reproduced}
      book: {equals: 1, tolerance: 0.03, reason: The next term of the error, accepted: reproduced}
  - id: toy.gap
    statement: The two-step network has a lower error.
    where: Table 1, row 56
    origin: paper
    kind: training
    page: orders
    unit: percentage points
    paper: {value: -0.66, text: against a quoted baseline, verified: false, source: L}
    independent: {value: -0.25, text: one seed, source: [L, P]}
    expect:
      book: {below: 0, refute: {above: 0.1}, reason: "Half of the paper's gain", accepted: undecided}
      paper: {verdict: not attempted, cost: 12.5 h on one RTX 2070 Super, why: no GPU was available}
  - id: toy.imagenet
    statement: The gain holds on large images.
    where: Abstract
    origin: paper
    kind: training
    page: null
    expect:
      book: {verdict: quoted, why: GPU weeks and a licensed data set}
departures:
  - {id: start, what: First step, paper: Not given, ours: A plain block, why: The authors' code does so, who: ours}
""",
    "lib/contdepth/__init__.py": '"""Toy."""\n',
    "lib/contdepth/toy.py": '"""Toy."""\n\n\ndef slope(steps):\n    return 1.0\n',
}


def write_book(root: Path) -> Path:
    """Write the toy book with fresh runs at smoke and book, and the repository's own configuration and look."""
    for name, text in PAGES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    shutil.copy(REPOSITORY / "_config.yml", root / "_config.yml")
    shutil.copy(REPOSITORY / "CITATION.cff", root / "CITATION.cff")
    (root / "book/_assets").symlink_to(REPOSITORY / "book/_assets")
    for profile in ("smoke", "book"):
        write_run(root, profile)
    return root


def check(claim: Claim, profile: str, value: object, **more: object) -> NotebookNode:
    """Return the output of a page's ``check`` as a run stores it."""
    payload = assess(claim, profile, value, **more).payload()
    data = {"text/plain": plain_line(claim.id, MEASURED, profile)}
    return v4.new_output("display_data", data, metadata={"companion": {"check": payload}})


def write_run(
    root: Path,
    profile: str,
    accuracy: float = 97.25,
    *,
    order: float = 1.0123456,
    overrides: dict[str, object] | None = None,
    results: Path | None = None,
) -> None:
    """Store a run of ``toy/orders``: notebook with outputs and the record derived from it."""
    page, ledger = find_page(root, "toy/orders"), load_ledger(root, "toy")
    notebook = page.notebook()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    note = v4.new_output(
        "display_data",
        {"text/plain": "NOTED-97"},
        metadata={"companion": {"note": {"name": "accuracy", "value": accuracy}}},
    )
    code[1].outputs = [v4.new_output("display_data", {"image/png": PIXEL, "text/plain": "<Figure>"}), note]
    code[2].outputs = [
        v4.new_output("stream", name="stdout", text="1.0\n"),
        check(ledger.claim("toy.order.euler"), profile, order),
    ]
    if profile == "book":
        code[2].outputs.append(
            check(ledger.claim("toy.gap"), profile, None, values=[-0.5, -0.3, 0.1], seeds=[0, 1, 2])
        )
    else:
        notebook.cells.insert(
            notebook.cells.index(code[0]) + 1,
            v4.new_code_cell(f'profile = "{profile}"', id="injected", metadata={"tags": ["injected-parameters"]}),
        )
    for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        cell.execution_count = number
    notebook.metadata["companion"] = {"source": "book/toy/orders.md", "profile": profile}
    path = (results or root / "results") / profile / "toy" / "orders.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    checks, values = extract(notebook)
    record = Record(
        chapter="toy",
        page="orders",
        profile=profile,
        parameters=page.parameters(profile, overrides),
        seeds=seeds_of(page.parameters(profile), checks),
        started="2026-11-21T10:00:00+00:00",
        duration_s=187.2 if profile == "book" else 4.1,
        peak_memory_mb=412.0,
        device="cpu, 2 threads, Toy CPU",
        versions={"python": "3.11.7", "contdepth": "0.1.0"},
        commit="0123456789abcdef0123456789abcdef01234567",
        dirty=False,
        notebook_sha256=sha256(path),
        fingerprint=fingerprint(page, profile, overrides),
        checks=checks,
        values=values,
    )
    path.with_suffix(".json").write_text(record.json(), encoding="utf-8")


def carry_run(
    root: Path, profile: str, *, overrides: dict[str, object] | None = None, results: Path | None = None
) -> Path:
    """Write the sidecar that carries a stored run to the present library, as a carry does; return its path."""
    page, results = find_page(root, "toy/orders"), results or root / "results"
    record = load_record(root, profile, "toy", "orders", results)
    digest = fingerprint(page, profile, overrides)["digest"]
    path = carry_path(results, profile, "toy", "orders")
    write_sidecar(
        path,
        Sidecar(
            page=page.id,
            profile=profile,
            record_sha256=record_hash(record),
            notebook_sha256=record.notebook_sha256,
            before={"digest": record.fingerprint["digest"], "commit": record.commit},
            after={"digest": digest, "commit": "fedcba9876" * 4, "dirty": True},
            symbols=["contdepth.toy:slope"],
            exempt=[],
            smoke={"from": "0" * 64, "to": "1" * 64},
            compared={"checks": 1, "notes": 1, "outputs": 3, "figures": 2, "lines": 1},
            machine=record.device,
            versions=dict(record.versions),
            date="2026-12-24T08:00:00+00:00",
        ),
    )
    return path


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def build(root: Path, *, everything: bool = True) -> subprocess.CompletedProcess[str]:
    """Build the book strictly, as published builds are, and return what was said."""
    arguments = ["build", str(root), *STRICT, *(["--all"] if everything else [])]
    if hasattr(os, "fork"):
        return sphinx_forks.build(arguments)
    command = [sys.executable, "-c", JUPYTER_BOOK, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def page_text(root: Path, docname: str) -> str:
    """Return a built page."""
    return (root / "_build/html" / f"{docname}.html").read_text(encoding="utf-8")


def built(root: Path) -> Path:
    """Build a book that must have no fault, and return its root."""
    done = build(root)
    assert done.returncode == 0, done.stderr[-3000:]
    return root


def site_faults(root: Path) -> list[str]:
    """Return what the checks of built HTML find in a built book."""
    site = checks.Site(root / "_build/html")
    return [f"{check.__name__}: {fault}" for check in checks.ALL for fault in check(site)]


def words(html: str, *ends: str) -> str:
    """Return the text of a page with single spaces, and one behind each block and each of the tags ``ends``."""
    blocks = "|".join(("td", "th", "tr", "dd", "dt", "div", "p", "caption", "summary", "h1", *ends))
    return " ".join(re.sub(r"<[^>]+>", "", re.sub(rf"</({blocks})>", " ", html)).split())
