"""271 human muscle cells that differentiate, measured at four hours: the snapshots of a real population.

Trapnell et al. 2014, as packaged in Bioconductor's HSMMSingleCell 1.18.0. The file beside holds five principal
components of each cell; :func:`components` is how they were made of the package's matrix.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from contdepth.flows import TrajectoryFlow, wasserstein1
from contdepth.seeds import generator
from contdepth.studies.flows.trajectorynet.contest import between
from contdepth.studies.flows.trajectorynet.training import Plan, train

__all__ = ["components", "days", "halves", "interpolated", "passed"]

SHA256 = "0859569aba9af0027f89190ec7fed44952bf629aa0d2aea781bbed7706954e61"
DRAWS = 10


def components(expression: np.ndarray, genes: int = 1000, count: int = 5) -> np.ndarray:
    """Return ``count`` principal components (cells, count) of FPKM values ``expression`` (cells, all genes).

    Of ln(1 + FPKM), centred, of the ``genes`` with the largest variance among those above 1 FPKM in more than a
    tenth of the cells. The entry of largest size in a component is positive.
    """
    x = np.log1p(expression)
    kept = (x > np.log(2)).mean(0) > 0.1
    most = np.argsort(-x.var(0) * kept)[:genes]
    left, sizes, _ = np.linalg.svd(x[:, most] - x[:, most].mean(0), full_matrices=False)
    found = left[:, :count] * sizes[:count]
    return found * np.sign(found[np.abs(found).argmax(0), range(count)])


def days(count: int = 3) -> list[Tensor]:
    """Return the cells (n, count) of days 0, 1, 2 and 3: the first components, each of mean 0 and deviation 1."""
    text = (Path(__file__).parent / "myoblasts.json").read_bytes()
    if hashlib.sha256(text).hexdigest() != SHA256:
        raise ValueError("myoblasts.json is not the file that this module was written for")
    rows = np.array(json.loads(text)["rows"])
    parts = rows[:, 1 : count + 1]
    x = torch.tensor((parts - parts.mean(0)) / parts.std(0), dtype=torch.float32)
    return [x[torch.from_numpy(rows[:, 0] == hour)] for hour in (0, 24, 48, 72)]


def _apart(x: Tensor, y: Tensor) -> float:
    """Return W₁ between subsets of equal size of two samples, a mean over draws."""
    size, found = min(len(x), len(y)), []
    for draw in range(DRAWS):
        source = generator(draw, "subsets")
        a, b = (one[torch.randperm(len(one), generator=source)[:size]] for one in (x, y))
        found.append(float(wasserstein1(a, b)))
    return float(np.mean(found))


def halves(cells: Tensor) -> float:
    """Return W₁ between two halves of one day's cells, a mean over draws: what chance puts between samples."""
    size, found = len(cells) // 2, []
    for draw in range(DRAWS):
        order = torch.randperm(len(cells), generator=generator(draw, "halves"))
        found.append(float(wasserstein1(cells[order[:size]], cells[order[size : 2 * size]])))
    return float(np.mean(found))


def interpolated(cells: Sequence[Tensor], day: int) -> dict[str, float]:
    """Return W₁ of a hidden day's cells from those of the days beside it, as they are and halfway of pairs."""
    before, there, after = cells[day - 1], cells[day], cells[day + 1]
    size, found = min(len(before), len(after)), []
    for draw in range(DRAWS):
        source = generator(draw, "pairs")
        a, b = (one[torch.randperm(len(one), generator=source)[:size]] for one in (before, after))
        found.append(_apart(between(a, b), there))
    return {"before": _apart(before, there), "after": _apart(after, there), "pairs": float(np.mean(found))}


def passed(
    cells: Sequence[Tensor], day: int, plan: Plan, weight: float, seeds: Sequence[int]
) -> tuple[np.ndarray, list[TrajectoryFlow]]:
    """Return W₁ (seeds,) at the hidden ``day`` of flows through the other three, and the flows.

    They start in a normal law a day before the first, and the cells of the day before the hidden one are carried
    on to it.
    """
    shown = [t for t in range(len(cells)) if t != day]
    found, flows = [], []
    for seed in seeds:
        samples, times = [cells[t] for t in shown], [float(t) for t in shown]
        flows.append(train(samples, times, plan, seed, energy=weight, base=-1.0))
        with torch.no_grad():
            arrived = flows[-1].push(cells[day - 1], day - 1.0, float(day))
        found.append(_apart(arrived, cells[day]))
    return np.array(found), flows
