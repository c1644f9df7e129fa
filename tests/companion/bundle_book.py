"""The throw-away repository with pieces that need data, a checkpoint and each other, and an empty environment."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import toy_pieces
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FUNCTIONS = '''"""Pieces of toys."""

import os
import time
from pathlib import Path

import lazy_loader
import numpy as np
import torch
import tqdm
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits

from contdepth.helpers import twice


class Fitted(BaseEstimator):
    """A class of a package that may be absent."""


def unit(*, seed, steps, pause=0.0, checkpoint=None):
    """Return the sum of ``steps`` numbers, one a step."""
    path = checkpoint / "state.npy"
    done = list(np.load(path, allow_pickle=False)) if path.is_file() else []
    draws = np.random.default_rng(seed).normal(size=steps)
    for step in range(len(done), steps):
        time.sleep(pause)
        done.append(draws[step])
        with open(checkpoint / "steps.txt", "a") as stream:
            print(step, file=stream)
        np.save(checkpoint / "part.npy", done)
        os.replace(checkpoint / "part.npy", path)
        print("step", step, flush=True)
    computed = len((checkpoint / "steps.txt").read_text().splitlines())
    weights = {"w": torch.tensor(done), "half": torch.tensor(done).to(torch.bfloat16)}
    return {"sum": twice(float(np.sum(done))), "computed": computed, "nan": float("nan"), "weights": weights}


def policy(*, seed, given):
    """Return what the unit's weights and the data give."""
    folder = Path(os.environ["CONTDEPTH_DATA"])
    data = sum(int((folder / "toys" / name).read_bytes()[seed]) for name in ("a.bin", "b.bin"))
    weights = given["unit"]["weights"]
    return {"sum": float(weights["w"].sum()) - given["unit"]["result"]["sum"], "data": data,
            "half": str(weights["half"].dtype)}


def digits(*, seed):
    """Return digits, which come with a package that may be absent."""
    return {"digits": len(load_digits().images)}
'''

PIECES = """chapter: toy
pieces:
  - name: policy
    page: euler
    function: contdepth.studies.toy.pieces:policy
    grid: {seed: [0]}
    needs: {unit: unit}
    data: [toys]
    device: cpu
    minutes: 0.05
  - name: unit
    page: euler
    function: contdepth.studies.toy.pieces:unit
    arguments: {steps: 6, pause: 0.4}
    grid: {seed: [0]}
    device: cpu
    minutes: 0.05
  - name: digits
    page: euler
    function: contdepth.studies.toy.pieces:digits
    grid: {seed: [0]}
    device: cpu
    minutes: 0.05
"""

SIZE = 1_500_000
CONTENTS = {name: bytes([number]) * SIZE for number, name in enumerate(("a.bin", "b.bin"), 1)}

HOOK = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "pickle.find_class"):
        raise RuntimeError(f"a bare machine has no {event}")

sys.addaudithook(refuse)
"""
"""Refuses the network, and whatever would be unpickled."""


def build(folder: Path) -> Path:
    """Write the repository and its data into ``folder``, and return the repository."""
    files = {}
    for name, content in CONTENTS.items():
        files[name] = {"local": f"toys/{name}", "sha256": hashlib.sha256(content).hexdigest(), "url": None}
        path = folder / "data" / "toys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    registry = {"toys": {"title": "Toys", "source": "https://example.org/toys", "files": files}}
    others = {
        "lib/contdepth/data/__init__.py": "",
        "lib/contdepth/data/registry.json": json.dumps(registry),
        "lib/contdepth/studies/toy/weights.bin": "not travelling text",
        "lib/contdepth/schemes/heavy.bin": "heavy",
    }
    return toy_pieces.lay(folder / "repository", FUNCTIONS, PIECES, others)


def needed_by(names: Iterable[str]) -> set[str]:
    """Return the distributions ``names`` and all that they need, as far as installed."""
    pending, found = [canonicalize_name(name) for name in names], set()
    while pending:
        name = pending.pop()
        try:
            required = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        for requirement in map(Requirement, required):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                pending += {canonicalize_name(requirement.name)} - found
    return found


def bare_python(folder: Path) -> Path:
    """Make an environment in ``folder`` with PyTorch, NumPy, SciPy, Pillow and what these need; return its Python.

    Nothing in it can reach the network or unpickle.
    """
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    for name in needed_by(("torch", "numpy", "scipy", "pillow")):
        distribution = metadata.distribution(name)
        tops = {Path(file).parts[0] for file in distribution.files or () if ".." not in Path(file).parts}
        for top in tops - {"__pycache__", "bin"}:
            source = Path(str(distribution.locate_file(top)))
            if source.exists() and not (packages / top).exists():
                (packages / top).symlink_to(source)
    (packages / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
    return folder / "bin" / "python"
