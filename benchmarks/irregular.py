"""Irregular series in batches: each at its own times, against all at the union of all times.

Run: python benchmarks/irregular.py [--quick] [--out FILE]      (about four minutes on one core)

One thread, float32, medians of process time of value and gradient over interleaved repeats. The union's way is
that of the models' authors, written with the same nets and solver in ``irregular_ways.py``. Errors are relative,
of the value, against a solution at 1e-10 in float64. The union is given the authors' settings: Euler steps of a
fiftieth of the time between rows (latent ODE) or of 0.1 (GRU-ODE-Bayes), 1e-3 and 1e-4 for the path. Each series'
own way solves all to one tolerance, the largest of 0.1, 0.01, … at which its error is not above the union's.

What decides is how many distinct times a batch has. Where they are few, as on a grid that all share, the union's
way is faster, since a solved gap costs more than an Euler step; where each series has its own, it is several times
slower.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contdepth.recurrent import GRUODEBayes, LatentODE, Series
from contdepth.seeds import generator
from contdepth.timing import cpu_seconds
from irregular_ways import irregular, latent_model, union_filter, union_latent, wilder

HORIZON = 5.0
Row = dict[str, Any]

CASES: list[tuple[int, int, int | None]] = [
    (50, 20, 20),
    (50, 20, 50),
    (50, 20, 100),
    (50, 20, 300),
    (50, 20, 1000),
    (10, 20, None),
    (25, 20, None),
    (50, 20, None),
    (100, 20, None),
]
"""Series, rows of each, and times that they are drawn from; None: anywhere."""


def bayes(step: float | None, rtol: float = 1e-3) -> GRUODEBayes:
    """A filter of 50 numbers, as for the climate of the paper."""
    model = GRUODEBayes(1, 50, step=step, rtol=rtol, atol=rtol / 10, generator=generator(0, "filter"))
    wilder(model, 2.5)
    return model


def own_latent(model: LatentODE, series: Series) -> Tensor:
    """As ``union_latent``: each series at its own times."""
    start = series.times.min().expand(len(series.times)).contiguous()
    mean, _ = model.encode(series, start)
    return -0.5 * (series.values - model.decode(mean, series.times, start)).square().sum((1, 2))


def own_filter(model: GRUODEBayes, series: Series) -> Tensor:
    """As ``union_filter``: each series at its own times."""
    found = model(series)
    error = (series.values - found.mean).square() * (-found.log_variance).exp() + found.log_variance
    return 0.5 * error.sum((1, 2))


def stepped(call: Callable[[Any, Series], Tensor], model: torch.nn.Module, series: Series) -> Callable[[], Tensor]:
    """Value and gradient, as a step of training takes them."""

    def step() -> Tensor:
        model.zero_grad()
        value = call(model, series)
        value.sum().backward()
        return value.detach().double()

    return step


def compared(n: int, rows: int, distinct: int | None, ways: dict[str, Any], repeats: int) -> Row:
    """One case of one model: the ratio of times at an error of ours that is at most the union's."""
    series, exact = (irregular(n, rows, distinct, HORIZON, dtype) for dtype in (torch.float32, torch.float64))
    with torch.no_grad():
        wanted = ways["own"](ways["model"](None, 1e-10).double(), exact)
    union = stepped(ways["union"], ways["model"](ways["step"]), series)

    def error(found: Tensor) -> float:
        return float((found - wanted).norm() / wanted.norm())

    theirs, rtol = error(union()), 0.1
    while True:
        own = stepped(ways["own"], ways["model"](None, rtol), series)
        ours = error(own())
        if ours <= theirs or rtol < 2e-5:
            break
        rtol /= 10
    taken = cpu_seconds({"union": union, "own": own}, repeats)
    return {
        "series": n,
        "rows": rows,
        "distinct": len(series.times.unique()),
        "ratio": taken["own"] / taken["union"],
        "seconds, union": taken["union"],
        "error, union": theirs,
        "error, own": ours,
        "rtol, own": rtol,
    }


def latent(step: float | None, rtol: float = 1e-3) -> LatentODE:
    """The latent ODE with the settings of one of the ways."""
    return latent_model(step, rtol, rtol / 10)


MODELS: dict[str, dict[str, Any]] = {
    "latent ODE": {"model": latent, "step": HORIZON / 50, "union": union_latent, "own": own_latent},
    "GRU-ODE-Bayes": {"model": bayes, "step": 0.1, "union": union_filter, "own": own_filter},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one repeat")
    parser.add_argument("--out", type=Path, help="write the figures to FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, list[Row]] = {}
    for name, ways in MODELS.items():
        print(f"{name:16s}series  rows  distinct  time / union's   error, union     error, own")
        result[name] = []
        for n, rows, distinct in CASES:
            row = compared(n, rows, distinct, ways, 1 if args.quick else 3)
            result[name].append(row)
            print(
                f"{'':16s}{n:6d}{rows:6d}{row['distinct']:10d}{row['ratio']:16.3f}"
                f"{row['error, union']:15.2e}{row['error, own']:15.2e}",
                flush=True,
            )
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
