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
scales:
  few:
    note: The learning rate of the paper is not known
    parts: {grids: [steps, 40], seeds: [3, 5]}
claims:
  - id: toy.order.euler
    statement: A residual block $u + h f(u)$ is one step of forward Euler, of order 1.
    where: Section 2
    origin: paper
    kind: order
    page: orders
    paper: {value: 1, verified: false, source: P}
    expect:
      smoke: {equals: 1, tolerance: 0.1, reason: The next term of the error, accepted: reproduced, scale: none}
      book: {equals: 1, tolerance: 0.03, reason: The next term of the error, accepted: reproduced, scale: none}
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
      book: {below: 0, refute: {above: 0.1}, reason: "Half of the paper's gain", accepted: undecided, scale: few}
      paper: {verdict: not attempted, cost: 12.5 h on one RTX 2070 Super, why: no GPU was available}
  - id: toy.imagenet
    statement: The gain holds on large images.
    where: Abstract
    origin: paper
    kind: training
    page: null
    paper: {figure: none, why: The abstract gives words alone, source: P}
    expect:
      book: {verdict: quoted, why: GPU weeks and a licensed data set}
departures:
  - {id: start, what: First step, paper: Not given, ours: A plain block, why: The authors' code does so, who: ours}
""",
    "lib/contdepth/__init__.py": '"""Toy."""\n',
    "lib/contdepth/toy.py": '"""Toy."""\n\n\ndef slope(steps):\n    return 1.0\n',
}


MORE = """\
headlines:
  - id: toy.headline.order
    text: Networks of residual blocks are schemes.
    paper: {value: 1, verified: true, source: L}
    scale: It is mathematics
    claims: [toy.order.euler]
  - id: toy.headline.gain
    text: Two-step networks are more accurate on large images.
    paper: {range: [4, 5], text: points, verified: false, source: P}
    scale: A million images, 90 epochs
    claims: [toy.gain]
    beside: [toy.gap]
  - id: toy.headline.speed
    text: They train faster.
    scale: Four graphics cards
    claims: []
    why: Nothing here measures it
claims:
  - id: toy.gain
    statement: Two steps gain four to five points.
    where: Table 2
    origin: paper
    kind: training
    page: orders
    paper: {range: [4, 5], text: points, verified: false, source: P}
    expect:
      book: {between: [3, 6], reason: The printed digits, accepted: not reproduced, scale: few}
  - id: toy.faster
    statement: Two steps need fewer blocks.
    where: Table 3
    origin: paper
    kind: training
    page: orders
    paper: {value: -1, verified: true, source: L}
    expect:
      book: {below: 0, reason: Fewer is below zero, accepted: reproduced, scale: few}
  - id: toy.report
    statement: A report finds an order of one to two.
    where: A report
    origin: independent
    kind: measure
    page: orders
    independent: {range: [1, 2], verified: true, source: L}
    expect:
      book: {between: [1, 2], reason: The range of the report, accepted: reproduced, scale: none}
  - id: toy.own.holds
    statement: The gain is below a hundred.
    where: This book
    origin: ours
    kind: bound
    page: orders
    code: {value: 98, verified: false, source: L}
    earlier: {value: 97, text: one seed, verified: false, source: L}
    expect:
      book: {below: 100, reason: A share, accepted: holds}
  - id: toy.own.fails
    statement: The gain is above a thousand.
    where: This book
    origin: ours
    kind: bound
    page: orders
    expect:
      book: {above: 1000, reason: A guess, accepted: fails}
  - id: toy.own.single
    statement: One trained network keeps its order.
    where: This book
    origin: ours
    kind: measure
    trained: true
    page: orders
    expect:
      book: {above: 0, reason: A guess, accepted: open, trainings: 1}
  - id: toy.own.equal
    statement: Training moves the order.
    where: This book
    origin: ours
    kind: training
    page: orders
    expect:
      book: {above: 0, reason: A guess, accepted: open}
  - id: toy.own.spread
    statement: Training keeps the order.
    where: This book
    origin: ours
    kind: training
    page: orders
    expect:
      book: {above: 0, reason: A guess, accepted: open}
  - id: toy.own.collapse
    statement: Some networks collapse.
    where: This book
    origin: ours
    kind: proportion
    page: orders
    expect:
      book: {above: 0, reason: At least one, accepted: holds, trials: 3}
  - id: toy.unit
    statement: Two ways to write $h f(u)$ are equal.
    where: This book
    origin: ours
    construction: It is the same product
    kind: identity
    page: orders
    expect:
      book: {below: 1, reason: Rounding, accepted: holds}
"""
"""What :func:`write_book` puts before the claims of the toy where everything that a ledger can say is wanted."""
FOUND: dict[str, tuple[object, dict[str, object]]] = {
    "toy.gain": (None, {"values": [0.4, 0.5, 0.45], "seeds": [0, 1, 2]}),
    "toy.faster": (None, {"values": [-0.145, -0.245, -0.645, -0.345, -0.065], "seeds": [0, 1, 2, 3, 4]}),
    "toy.report": (1.5, {}),
    "toy.own.holds": (98.5, {}),
    "toy.own.fails": (98.5, {}),
    "toy.own.single": (1.0, {}),
    "toy.own.equal": (None, {"values": [2, 2, 2], "seeds": [0, 1, 2]}),
    "toy.own.spread": (None, {"values": [-1, 0, 2], "seeds": [0, 1, 2]}),
    "toy.own.collapse": (3, {}),
    "toy.unit": (0.0, {}),
}
"""What the run at book finds for them."""


def write_book(root: Path, *, everything: bool = False) -> Path:
    """Write the toy book with fresh runs at smoke and book, and the repository's own configuration and look;
    with ``everything`` its ledger has all that a ledger can say.
    """
    pages = dict(PAGES)
    if everything:
        pages["book/toy/claims.yml"] = pages["book/toy/claims.yml"].replace("claims:\n", MORE)
        pages["book/index.md"] += "\n```{headlines}\n```\n\n```{multiplicity}\n```\n\n```{power}\n```\n"
        pages["book/index.md"] += "\n{counted}`verified` of {counted}`figures`, {counted}`small` small.\n"
    for name, text in pages.items():
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
        for claim in ledger.claims:
            if claim.id in FOUND:
                value, more = FOUND[claim.id]
                code[2].outputs.append(check(claim, profile, value, **more))
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
