"""Cost of one PDE-Net 2.0 closure (loss and gradient): ours against the plain way; and how it scales.

Run: python benchmarks/pdenet2_closure.py [--quick] [--out FILE]

The plain way does the work in the order of the official code: one convolution a derivative, SymNet layer by layer,
parameters copied from and to NumPy for every closure. Both sides compute the same loss and gradient (printed), in
float64, on one thread, interleaved; CPU time is counted, the median of the repetitions is taken. No optimiser is
included: SciPy's dense BFGS adds to the plain side, L-BFGS to ours. The size is the paper's Burgers setting: 28
trajectories, 2 fields, 32 x 32 points, derivatives up to order 2, 5 x 5 filters, 5 products, pseudo-upwind. The
page pdenet2/symnet of the book shows the same figures.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from contdepth.studies.pdenet2.cost import closures, disagreement, scaling
from contdepth.timing import cpu_seconds


def main() -> None:
    """Print the table of ratios and the scaling of our cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer sizes and repetitions")
    parser.add_argument("--out", type=Path, help="write the figures to FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    repeats = 3 if args.quick else 7
    rows = []
    print("blocks scheme     plain [s]  ours [s]  ours/plain  loss, gradient differ by (relative)")
    for scheme in ("euler", "midpoint"):
        for blocks in (1, 3) if args.quick else (1, 2, 3, 4, 6):
            sides = closures(28, 32, blocks, scheme=scheme)
            differ = max(disagreement(sides))
            cpu = cpu_seconds(sides, repeats)
            rows.append(
                {
                    "scheme": scheme,
                    "blocks": blocks,
                    **cpu,
                    "ratio": cpu["ours"] / cpu["plain"],
                    "difference": differ,
                }
            )
            print(
                f"{blocks:6d} {scheme:9s} {cpu['plain']:9.3f} {cpu['ours']:9.4f} {rows[-1]['ratio']:10.3f}"
                f"  {differ:.1e}",
                flush=True,
            )
    sweeps = {"samples": (14, 28, 56), "grid": (16, 32, 64), "blocks": (1, 2, 4, 8), "size": (5, 7, 9)}
    rows_of_scaling = []
    print("\nscaling of ours: seconds, and time per unit of work relative to the first row of each sweep")
    for name, values in sweeps.items():
        work, seconds = scaling(name, values, repeats)
        for value, w, s in zip(values, work, seconds, strict=True):
            per_work = s / w / (seconds[0] / work[0])
            rows_of_scaling.append({"axis": name, "value": value, "seconds": s, "per_work": per_work})
            print(f"{name:8s} {value:3d}  {s:.4f}  {per_work:.2f}", flush=True)
    if args.out:
        args.out.write_text(json.dumps({"closure": rows, "scaling": rows_of_scaling}, indent=1) + "\n")


if __name__ == "__main__":
    main()
