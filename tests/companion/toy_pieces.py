"""The throw-away repository with pieces: their functions, their plan, a page that asks for them. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import toy_book

from companion.pieces.execute import Outcome, job_of, run_one
from companion.pieces.piece import Piece
from companion.pieces.plan import load_plan

FUNCTIONS = '''"""Functions that pieces call."""
import time

import numpy as np

from contdepth.helpers import twice
from contdepth.studies.toy.kept import load, save

unused = 1


def arm(*, arm: str, seed: int, steps: int = 3, device: str = "cpu") -> dict:
    """Return a made-up loss."""
    offset = {"better": 0.0, "worse": 1.0}[arm]
    losses = [offset + twice(1.0) / (seed + step + 1) for step in range(steps)]
    return {"loss": losses[-1], "curve": np.array(losses), "device": device, "seconds": time.perf_counter()}


def slow(*, seed: int, steps: int, checkpoint) -> dict:
    """Add numbers, a step at a time; go on from the checkpoint."""
    done, total = load(checkpoint)
    for step in range(done, steps):
        total += (seed + step) ** 2
        save(checkpoint, step + 1, total)
        time.sleep(0.02)
    return {"total": total}


def mean(*, seed: int, steps: int, given: dict) -> dict:
    """Return the mean of what is given."""
    return {"mean": sum(item["result"]["total"] for item in given.values()) / len(given)}


def shape(*, what: str) -> dict:
    """Return something that is no plain result, or fail."""
    if what == "raises":
        raise ValueError("no such shape")
    if what == "object":
        return {"inside": [{"deep": object()}]}
    if what == "large":
        return {"curve": [0.5] * 60_000}
    if what == "text":
        return {"name": "nan"}
    if what == "list":
        return [1]
    return {"low": float("-inf"), "none": float("nan"), "rows": np.arange(4.0).reshape(2, 2), "n": np.int64(3)}
'''

KEPT = '''"""A checkpoint of two numbers."""
import json
import os


def load(folder):
    path = folder / "state.json"
    return json.loads(path.read_text()) if path.is_file() else (0, 0)


def save(folder, done, total):
    part = folder / "state.part"
    part.write_text(json.dumps([done, total]))
    os.replace(part, folder / "state.json")
'''

PLAN = """chapter: toy
pieces:
  - name: losses
    page: euler
    function: contdepth.studies.toy.pieces:arm
    arguments: {steps: 4}
    grid: {seed: [0, 1, 2], arm: [better, worse]}
    device: cpu
    minutes: 0.1
    arms: arm
    claims: [toy.euler.gap]
    headline: toy.headline.better
  - name: sums
    page: euler
    function: contdepth.studies.toy.pieces:slow
    grid: {seed: [0, 1], steps: [5]}
    data: [numbers]
    device: cpu
    minutes: 0.1
  - name: means
    page: heun
    function: contdepth.studies.toy.pieces:mean
    grid: {seed: [0, 1], steps: [5]}
    needs: {total: sums}
    device: cpu
    minutes: 0.1
  - name: big
    page: euler
    function: contdepth.studies.toy.pieces:arm
    grid: {seed: [0], arm: [better]}
    device: cuda
    minutes: 3
"""

CELL = """
```{code-cell} python
if profile == "paper" and run.ready("losses"):
    arms = run.pieces("losses")
    losses = [arm["result"]["loss"] for arm in arms]
    seeds = [arm["arguments"]["seed"] for arm in arms[::2]]
    check("toy.euler.gap", losses[::2], baseline=losses[1::2], seeds=seeds)
    note("assembled", len(arms))
```
"""

CLAIM = """  - id: toy.euler.gap
    statement: The loss is lower by one.
    where: Table 2
    origin: paper
    kind: training
    page: euler
    paper: {value: -1.0, source: L}
    expect:
      paper: {verdict: not attempted, cost: 3 h, why: no GPU, between: [-1.1, -0.9], reason: room, scale: none}
"""

PAGE = "book/toy/euler.md"
"""The page that asks for pieces."""
REGISTRY = {
    "numbers": {"title": "Numbers", "files": {"n.txt": {"sha256": "0" * 64, "url": "https://example.org/n"}}}
}


def lay(folder: Path, functions: str, plan: str, others: Mapping[str, str]) -> Path:
    """Write the repository with a study's ``functions``, the ``plan`` of their pieces and ``others``."""
    root = toy_book.build(folder)
    files = {
        "lib/contdepth/studies/__init__.py": '"""Studies."""\n',
        "lib/contdepth/studies/toy/__init__.py": '"""Toys."""\n',
        "lib/contdepth/studies/toy/pieces.py": functions,
        "book/toy/pieces.yml": plan,
        **others,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def build(folder: Path) -> Path:
    """Write the repository into ``folder`` and return it."""
    others = {"lib/contdepth/studies/toy/kept.py": KEPT, "lib/contdepth/data/registry.json": json.dumps(REGISTRY)}
    lay(folder, FUNCTIONS, PLAN, others)
    toy_book.edit(folder, "book/toy/claims.yml", "  - id: toy.heun.order\n", f"{CLAIM}  - id: toy.heun.order\n")
    toy_book.edit(
        folder,
        "book/toy/runs.yml",
        "  heun:\n    profiles:\n",
        "  heun:\n    profiles:\n      paper: {not_attempted: no GPU, cost: 1 h}\n",
    )
    begins = 'run = begin("toy/euler", profile=profile)\n'
    toy_book.edit(folder, PAGE, begins, f"{begins}```\n\n```{{code-cell}} python\n")
    with (folder / PAGE).open("a", encoding="utf-8") as page:
        page.write(CELL)
    toy_book.register(folder, "with pieces")
    return folder


def pieces(root: Path, group: str) -> list[Piece]:
    """Return the pieces of a group."""
    return list(next(one for one in load_plan(root, "toy") if one.name == group).pieces)


def ran(root: Path, piece: Piece, folder: Path, **limits: float) -> Outcome:
    """Compute a piece into ``folder`` without storing it."""
    return run_one(job_of(root, piece, folder, **limits))


def lengthen(root: Path, steps: int) -> list[Piece]:
    """Let the pieces that go on from a checkpoint take ``steps`` steps of 0.02 s and return them."""
    path = root / "book/toy/pieces.yml"
    path.write_text(path.read_text().replace("seed: [0, 1], steps: [5]", f"seed: [0, 1], steps: [{steps}]"))
    return pieces(root, "sums")


def break_first(root: Path) -> None:
    """Let those of them with seed 0 fail."""
    line = "    done, total = load(checkpoint)\n"
    toy_book.edit(root, "lib/contdepth/studies/toy/pieces.py", line, f"{line}    assert seed\n")
