"""The toy book of the Sphinx side with a theme of two related works: one has a page that is really run."""

from __future__ import annotations

from pathlib import Path

from open_data import PAGE
from sphinx_toy import HEADER, edit, write_book

from companion.book.ledger import load_ledgers
from companion.book.pages import load_pages
from companion.cli import main
from companion.register.entries import entries
from companion.register.lines import append, pending, read

CLAIMS = """\
chapter: deep
papers:
  first: {key: roe2021, title: A first work, authors: [Rae Roe], venue: Toys, year: 2021, arxiv: "2101.00001"}
  second: {key: poe2022, title: A second work, authors: [Pia Poe], venue: Toys, year: 2022}
sources:
  P: {text: Abstracts of both, url: "https://example.org/both"}
tables:
  - {id: B-1, work: second, title: Gains, source: P, columns: [depth, gain], rows: [[20, 1.5]]}
claims:
  - id: deep.first.order
    work: first
    statement: Its scheme is of order 2.
    where: Section 3
    origin: paper
    kind: order
    page: first
    paper: {value: 2, verified: true, source: P}
    expect:
      book: {equals: 2, tolerance: 0.1, reason: The next term, accepted: reproduced, scale: none}
  - id: deep.first.bound
    work: first
    statement: Its error is below one.
    where: This book
    origin: ours
    kind: bound
    page: first
    expect:
      book: {below: 1, reason: A guess, accepted: holds}
  - id: deep.second.gain
    work: second
    statement: It gains a point.
    where: Table 1
    origin: paper
    kind: training
    page: null
    paper: {figure: none, why: The abstract gives words alone, source: P}
    expect:
      book: {verdict: quoted, why: A licensed data set}
headlines:
  - id: deep.headline.order
    work: first
    text: Errors fall with the square of $h$.
    scale: mathematics
    claims: [deep.first.order]
  - id: deep.headline.gain
    work: second
    text: Deep nets gain a point.
    scale: a million images
    claims: [deep.second.gain]
departures:
  - {id: start, work: first, what: Start, paper: Not given, ours: Zero, why: Simplest, who: ours}
"""

RUNS = """\
chapter: deep
pages:
  first:
    profiles:
      book: {timeout: 60}
"""

MACHINES = """\
chapter: deep
tolerances:
  - relative: 1e-9
    reason: one operation
    numbers: {book: [deep.first.order, deep.first.bound, "first#error"]}
"""

FIRST = (
    HEADER
    + """\
# A first work

```{provenance}
```

```{code-cell} ipython3
:tags: [parameters]

profile = "book"
```

```{code-cell} ipython3
from companion import begin, check, note

run = begin("deep/first", profile=profile)
check("deep.first.order", 2.05)
check("deep.first.bound", 0.25)
note("error", 0.25)
```

The order is {ours}`deep.first.order:.2f`, the paper says {paper-says}`deep.first.order`; the error
{noted}`error:.2f`. See {claim}`deep.first.bound` and {doc}`../../toy/concept`, after {cite:t}`roe2021`.

(deep-start)=
## Start

It began in {ref}`deep-start`.
"""
)

PAGES = {
    "book/related/deep/claims.yml": CLAIMS,
    "book/related/deep/runs.yml": RUNS,
    "book/related/deep/machines.yml": MACHINES,
    "book/related/deep/first.md": FIRST,
    "book/related/deep/index.md": "# Depth\n\nTwo works, see {doc}`first`.\n\n```{departures}\n```\n\n"
    "```{paper-table} B-1\n```\n\n```{cite-chapter}\n```\n",
    "book/related/deep/claims.md": "# Claims about depth\n\nAll of them.\n\n```{claims-table}\n```\n",
    "book/neighbours.md": "# Neighbours\n\nWorks beside ours.\n\n```{neighbours}\n```\n",
    "book/claims.md": PAGE,
}

LISTED = """\
  - caption: Depth as time
    chapters:
      - file: book/related/deep/index
      - file: book/related/deep/first
      - file: book/related/deep/claims
  - caption: All
    chapters:
      - file: book/neighbours
      - file: book/claims
"""


def write_theme(root: Path) -> Path:
    """Write the toy book with the theme, not run and not listed."""
    write_book(root, everything=True)
    for name, text in PAGES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    bibliography = root / "book/references.bib"
    more = "@article{roe2021, title={A first work}, author={Roe, Rae}, journal={Toys}, year={2021}}\n"
    more += "@article{poe2022, title={A second work}, author={Poe, Pia}, journal={Toys}, year={2022}}\n"
    bibliography.write_text(bibliography.read_text("utf-8") + more, encoding="utf-8")
    edit(root / "book/toy/concept.md", "# The idea\n", "# The idea\n\nNear {doc}`/book/related/deep/first`.\n")
    return root


def list_theme(root: Path) -> None:
    """Put the theme and the page of neighbours into the table of contents."""
    path = root / "_toc.yml"
    path.write_text(path.read_text("utf-8") + LISTED, encoding="utf-8")


def run_theme(root: Path) -> None:
    """Run the theme's page at book, in a kernel, as a person does."""
    assert main(["run", "--root", str(root), "deep/first"]) == 0


def register(root: Path) -> None:
    """Begin the register anew with what the ledgers say."""
    (root / "book/register.tsv").unlink()
    lines, _ = read(root)
    append(root, pending(lines, entries(load_ledgers(root), load_pages(root))))
