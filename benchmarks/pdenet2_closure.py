"""Cost of one PDE-Net 2.0 closure (loss and gradient): ours against the plain way, side by side; and how it
scales.

Run: python benchmarks/pdenet2_closure.py [--quick] [--json FILE]

The plain way does the work in the order of the official code: one convolution a derivative, SymNet layer by layer,
parameters copied from and to NumPy for every closure. Both sides compute the same loss and gradient (printed), in
float64, on one thread, interleaved; CPU time is counted, the median of the repetitions is taken. No optimiser is
included: SciPy's dense BFGS adds to the plain side, L-BFGS to ours. The size is the paper's Burgers setting: 28
trajectories, 2 fields, 32 x 32 points, derivatives up to order 2, 5 x 5 filters, 5 hidden layers, pseudo-upwind.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from contdepth.pde.pdenet2 import objective
from contdepth.pde.pdenet2_block import PDENet2Block
from contdepth.pde.reference import flat_function, plain_objective
from contdepth.pde.simulate.initial import random_fourier

Closure = Callable[[], tuple[float, np.ndarray]]


def closures(samples: int, grid: int, blocks: int, size: int = 5, scheme: str = "euler") -> dict[str, Closure]:
    """Ours and the plain closure on the same weights and data."""
    dx = 2 * math.pi / grid
    block = PDENet2Block(2, 0.01, (dx, dx), size=size, scheme=scheme, seed=0)
    frames = random_fourier(samples, grid, fields=2, amplitude=2.0, mean=2.0, seed=0)
    target = frames[:, None].expand(-1, blocks, -1, -1, -1).contiguous()
    mask, weight = torch.ones(samples, blocks, dtype=torch.bool), torch.full((2,), 1e4, dtype=torch.float64)
    parameters = list(block.parameters())
    penalties = {"sparsity": 0.005, "moments": 0.001}

    def ours() -> tuple[float, np.ndarray]:
        for p in parameters:
            p.grad = None
        value = objective(block, frames, target, mask, weight, **penalties)
        value.backward()
        return float(value.detach()), torch.cat([p.grad.flatten() for p in parameters]).numpy()

    flat = torch.cat([p.detach().flatten() for p in parameters]).numpy()
    function = flat_function(lambda: plain_objective(block, frames, target, weight, **penalties), parameters)
    return {"ours": ours, "plain": lambda: function(flat)}


def measure(sides: dict[str, Closure], repeats: int) -> dict[str, float]:
    """Median CPU seconds of one call of each side, sides in turn; the first call of each is not counted."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        for name, side in sides.items():
            start = time.process_time()
            side()
            if turn:
                times[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Print the table of ratios and the scaling of our cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer sizes and repetitions")
    parser.add_argument("--json", type=Path, help="write the figures to FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    repeats = 3 if args.quick else 7
    rows = []
    print("blocks scheme     plain [s]  ours [s]  ours/plain  loss, gradient differ by (relative)")
    for scheme in ("euler", "midpoint"):
        for blocks in (1, 3) if args.quick else (1, 2, 3, 4, 6):
            sides = closures(28, 32, blocks, scheme=scheme)
            (a, ga), (b, gb) = (side() for side in sides.values())
            differ = max(abs(a - b) / abs(b), float(np.abs(ga - gb).max() / np.abs(gb).max()))
            cpu = measure(sides, repeats)
            rows.append({"scheme": scheme, "blocks": blocks, **cpu, "ratio": cpu["ours"] / cpu["plain"],
                         "difference": differ})
            print(f"{blocks:6d} {scheme:9s} {cpu['plain']:9.3f} {cpu['ours']:9.4f} {rows[-1]['ratio']:10.3f}"
                  f"  {differ:.1e}", flush=True)
    base = {"samples": 28, "grid": 32, "blocks": 2, "size": 5}
    sweeps = {"samples": (14, 28, 56), "grid": (16, 32, 64), "blocks": (1, 2, 4, 8), "size": (5, 7, 9)}
    scaling = []
    print("\nscaling of ours: seconds, and time per unit of work relative to the first row of each sweep")
    for name, values in sweeps.items():
        first = None
        for value in values:
            sides = closures(**(base | {name: value}))
            seconds = measure({"ours": sides["ours"]}, repeats)["ours"]
            work = value**2 if name in ("grid", "size") else value
            first = first or seconds / work
            scaling.append({"axis": name, "value": value, "seconds": seconds, "per_work": seconds / work / first})
            print(f"{name:8s} {value:3d}  {seconds:.4f}  {scaling[-1]['per_work']:.2f}", flush=True)
    if args.json:
        args.json.write_text(json.dumps({"closure": rows, "scaling": scaling}, indent=1) + "\n")


if __name__ == "__main__":
    main()
