"""A throw-away repository: a library of two schemes, two pages, one ledger. Kernels start in a second: no
torch.
"""

from __future__ import annotations

from pathlib import Path

from companion.book.ledger import load_ledger
from companion.book.pages import load_pages
from companion.register.entries import entries
from companion.register.lines import append, pending, read

HEADER = """---
jupytext:
  text_representation: {extension: .md, format_name: myst, format_version: 0.13}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
"""

EULER = '''"""Forward Euler."""


def slope(n):
    """Return the order."""
    return 1.0  # exactly
'''

HEUN = '''"""Heun."""
from contdepth.helpers import twice


def slope(n):
    return twice(1.0)
'''

PAGE = (
    HEADER
    + """# Euler

```{code-cell} python
:tags: [parameters]
profile = "book"
steps = [40, 80]
width = 0.5
```

```{code-cell} python
from companion import begin, check, note
from contdepth.schemes import euler_slope

run = begin("toy/euler", profile=profile)
check("toy.euler.order", euler_slope(steps))
note("finest", max(steps))
```

Prose.

```{code-cell} python
losses = [1.0, 1.1, 1.2]
check("toy.euler.loss", losses, baseline=[2.0, 2.1, 2.3], seeds=[0, 1, 2])
print("width", width)
```
"""
)

OTHER = (
    HEADER
    + """# Heun

```{code-cell} python
:tags: [parameters]
profile = "book"
```

```{code-cell} python
from companion import begin, check
from contdepth.schemes.heun import slope

run = begin("toy/heun", profile=profile)
check("toy.heun.order", slope(3))
```
"""
)

CLAIMS = """chapter: toy
paper: {key: toy2020, title: Toys, authors: [A. Toy], venue: Toy Conference, year: 2020, arxiv: "2001.00001"}
tables:
  - id: A-1
    title: Errors
    source: L
    columns: [depth, error]
    rows:
      - [20, 8.75]
      - [32, {value: null, source: [L], verified: true}]
sources:
  L: {text: "the paper, Table 1"}
  W: {text: "its abstract", url: "https://example.org/abstract"}
claims:
  - id: toy.euler.order
    statement: Forward Euler has order one.
    where: Section 1
    origin: paper
    kind: order
    page: euler
    expect:
      smoke: {equals: 1.0, tolerance: 0.03, reason: coarse steps, accepted: reproduced, scale: none}
      book: {equals: 1.0, tolerance: 1e-2, reason: fine steps, accepted: reproduced, scale: none}
      paper: {verdict: not attempted, cost: 3 h, why: no GPU}
    paper: {value: 1, source: L}
  - id: toy.euler.loss
    statement: The loss is lower than the baseline's.
    where: Table 1
    origin: paper
    kind: training
    page: euler
    unit: nats
    paper: {value: -1.0, source: L}
    expect:
      smoke: {below: 0, refute: {above: 0.5}, reason: half the gain, accepted: reproduced, scale: few}
      book: {below: 0, reason: sign, accepted: reproduced, scale: few}
  - id: toy.heun.order
    statement: Heun has order two.
    where: Section 2
    origin: ours
    kind: order
    page: heun
    expect:
      smoke: {above: 1.5, reason: room, accepted: holds}
      book: {between: [1.9, 2.1], reason: room, accepted: holds}
departures:
  - {id: D-1, what: floats, paper: single, ours: double, why: order, who: ours}
scales:
  few: {parts: {grids: [steps, 4], seeds: [3, 3]}}
headlines:
  - {id: toy.headline.better, text: Losses are lower., scale: four grids, claims: [toy.euler.loss]}
"""

RUNS = """chapter: toy
pages:
  euler:
    data: {book: [], smoke: []}
    profiles:
      smoke: {parameters: {steps: [4, 8]}, timeout: 60}
      book: {timeout: 60}
      paper: {not_attempted: no GPU, cost: 3 h, parameters: {steps: [4000]}}
  heun:
    profiles:
      smoke: {}
      book: {}
"""

MACHINES = """chapter: toy
tolerances:
  - relative: 1e-9
    reason: one operation in double precision
    numbers:
      smoke: [toy.euler.order, toy.heun.order, "euler#finest"]
      book: [toy.euler.order, toy.heun.order, "euler#finest"]
  - spread: 1
    reason: another machine is no more than another seed
    numbers: {smoke: [toy.euler.loss], book: [toy.euler.loss]}
"""

FILES = {
    "book/toy/euler.md": PAGE,
    "book/toy/heun.md": OTHER,
    "book/toy/claims.yml": CLAIMS,
    "book/toy/runs.yml": RUNS,
    "book/toy/machines.yml": MACHINES,
    "lib/contdepth/__init__.py": '"""Toys."""\n\n__version__ = "1"\n',
    "lib/contdepth/schemes/__init__.py": '"""Schemes."""\n\n'
    "from contdepth.schemes.euler import slope as euler_slope\n"
    'from contdepth.schemes.heun import slope as heun_slope\n\n__all__ = ["euler_slope", "heun_slope"]\n',
    "lib/contdepth/schemes/euler.py": EULER,
    "lib/contdepth/schemes/heun.py": HEUN,
    "lib/contdepth/helpers.py": "def twice(x):\n    return 2 * x\n",
}


def build(folder: Path) -> Path:
    """Write the repository into ``folder`` and return it."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    register(folder)
    return folder


def register(root: Path, reason: str = "") -> None:
    """Put on record what the ledger has that is new, changed or gone."""
    lines, _ = read(root)
    append(root, pending(lines, entries([load_ledger(root, "toy")], load_pages(root)), reason))


def edit(root: Path, name: str, old: str, new: str) -> None:
    """Replace the one occurrence of ``old`` in the file ``name`` by ``new``."""
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (name, old, text.count(old))
    path.write_text(text.replace(old, new), encoding="utf-8")
