"""Training many mean-field nets: all seeds and depths as one batch against a plain loop over the runs.

Run: python benchmarks/meanfield_batch.py [--quick] [--out FILE]

Both sides take the same Adam steps on the same draws in float64 on one thread; CPU time is counted. The loop is
the fast one: a layer is two matrix products, nothing is stored that autograd does not need. "deepest" is one run
of the largest depth alone. The page meanfield/minima of the book shows the first row.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from contdepth.meanfield.task import small_net, waves
from contdepth.studies.meanfield.cost import training_cost

SHAPES = (([1, 2, 4, 8, 16, 32, 64], 20), ([1, 2, 4, 8, 16, 32, 64], 5), ([16, 64], 20), ([256], 20), ([256], 1))


def main() -> None:
    """Print the table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    parser.add_argument("--out", type=Path, help="write the figures to FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    (x, y), net, rows = waves(), small_net(), []
    print("depths                     seeds  batch [s/step]  batch/loop  batch/deepest")
    for depths, seeds in SHAPES:
        cost = training_cost(net, depths, list(range(seeds)), x, y, steps=3 if args.quick else 20)
        rows.append({"depths": depths, "seeds": seeds, **cost._asdict()})
        print(
            f"{str(depths):26s} {seeds:5d}  {cost.batch:14.4f}  {cost.batch / cost.sequential:10.3f}"
            f"  {cost.batch / cost.deepest:13.2f}",
            flush=True,
        )
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
