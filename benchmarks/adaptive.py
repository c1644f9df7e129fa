"""Solving to a tolerance: contdepth against torchdiffeq's dopri5, SciPy's Radau and, if it is installed, torchode.

Run: python benchmarks/adaptive.py [--quick] [--out FILE]      (about a minute on one core)
Same right-hand side in float64, same tolerances, one thread; times are medians of process time over interleaved
repeats. Errors are root mean squares against a solution at 1e-12. Ratios are contdepth / other: below 1 is better
for contdepth. "at equal error" multiplies a ratio by that of the errors to the power 1/5, what a scheme of order 5
pays for it. Radau is given the right-hand side of PyTorch, as contdepth is, and beside it one in plain Python.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor
from torchdiffeq import odeint

from adaptive_problems import (
    Counted,
    Row,
    error,
    measured_march,
    medians,
    pendulums,
    planet,
    ring,
    ring_start,
    torchode_solver,
    van_der_pol,
)
from adaptive_stiff import stiff
from contdepth.schemes import DORMAND_PRINCE, Field, solve

TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
SIZES = {2: 20.0, 100: 10.0, 10_000: 5.0, 1_000_000: 0.3}
"""Coordinates of the ring, and the time it is followed."""


def evaluations() -> list[Row]:
    """Evaluations of Dormand–Prince against dopri5, at equal tolerance and at equal error."""
    t, rows = torch.linspace(0, 20, 41, dtype=torch.float64), []
    problems: dict[str, tuple[Field, Tensor]] = {
        "ring of 8": (ring, ring_start(16)),
        "ring of 32": (ring, ring_start(64)),
        "Kepler": (planet, torch.tensor([0.5, 0.0, 0.0, 3**0.5], dtype=torch.float64)),
        **{f"van der Pol {mu:g}": (van_der_pol(mu), torch.tensor([2.0, 0.0]).double()) for mu in (1.0, 2.0, 5.0)},
    }
    for name, (f, u0) in problems.items():
        exact = solve(f, u0, t, rtol=1e-12, atol=1e-12).u
        for tolerance in TOLERANCES:
            theirs = Counted(f)
            other = odeint(theirs, u0, t, method="dopri5", rtol=tolerance, atol=tolerance)
            ours = solve(f, u0, t, DORMAND_PRINCE, rtol=tolerance, atol=tolerance)
            ratio, errors = ours.statistics.evaluations / theirs.calls, error(ours.u, exact) / error(other, exact)
            row = {"tolerance": tolerance, "evaluations": ratio, "error": errors, "equal": ratio * errors**0.2}
            rows.append({"problem": name, **row})
        mine = rows[-len(TOLERANCES) :]
        means = [statistics.mean(row[key] for row in mine) for key in ("evaluations", "equal")]
        worst = max(row["evaluations"] for row in mine)
        print(f"{name:20s}{means[0]:12.3f}{worst:10.3f}{means[1]:16.3f}", flush=True)
    return rows


def sizes(repeats: int) -> list[Row]:
    """Time of Dormand–Prince against dopri5 for rings of all sizes, at tolerance 1e-6."""
    rows = []
    for size, end in SIZES.items():
        u0, t = ring_start(size), torch.tensor([0.0, end], dtype=torch.float64)
        found = medians(
            {
                "contdepth": lambda u0=u0, t=t: solve(ring, u0, t, rtol=1e-6, atol=1e-6),
                "torchdiffeq": lambda u0=u0, t=t: odeint(ring, u0, t, method="dopri5", rtol=1e-6, atol=1e-6),
            },
            repeats,
        )
        ratio = found["contdepth"] / found["torchdiffeq"]
        rows.append({"size": size, **found, "ratio": ratio})
        print(f"{size:20d}{1e3 * found['contdepth']:12.2f}{ratio:10.2f}", flush=True)
    return rows


def batches(repeats: int) -> list[Row]:
    """256 pendulums with common and own steps, against dopri5's common ones and torchode's own."""
    t = torch.tensor([0.0, 1.0], dtype=torch.float64)
    u0 = torch.cat([torch.linspace(0.1, 2.0, 256).double().unsqueeze(-1), torch.zeros(256, 1).double()], -1)
    exact, rows = solve(pendulums, u0, t, rtol=1e-12, atol=1e-12, steps="own").u, []
    for tolerance in (1e-4, 1e-6, 1e-8):
        tight = {"rtol": tolerance, "atol": tolerance}
        calls: dict[str, Callable[[], Tensor]] = {
            "common steps": lambda tight=tight: solve(pendulums, u0, t, **tight).u,
            "own steps": lambda tight=tight: solve(pendulums, u0, t, steps="own", **tight).u,
            "torchdiffeq": lambda tight=tight: odeint(pendulums, u0, t, method="dopri5", **tight),
        }
        if find_spec("torchode"):
            calls["torchode"] = torchode_solver(u0, t, tolerance)
        with torch.no_grad():
            found = medians(calls, repeats)
            errors = {name: error(call()[-1], exact[-1]) for name, call in calls.items()}
        for name in ("common steps", "own steps"):
            row = {"tolerance": tolerance, "steps": name}
            for other in ("torchdiffeq", "torchode"):
                if other in found:
                    ratio = found[name] / found[other]
                    row |= {other: ratio, f"{other} error": errors[name] / errors[other]}
                    row[f"{other} equal"] = ratio * (errors[name] / errors[other]) ** 0.2
            rows.append(row)
            beside = (
                f"{row['torchode']:14.2f}{row['torchode error']:10.2f}{row['torchode equal']:16.2f}"
                if "torchode" in row
                else ""
            )
            print(
                f"{tolerance:8.0e}  {name:12s}{row['torchdiffeq']:12.2f}{row['torchdiffeq error']:10.2f}"
                f"{row['torchdiffeq equal']:16.2f}{beside}",
                flush=True,
            )
    return rows


def long_gradient(repeats: int) -> list[Row]:
    """Time and peak of memory of a gradient through 500 steps of RK4, beside plain backprop."""
    plain = measured_march("backprop", repeats)
    rows = []
    for gradient in ("checkpoints", "adjoint"):
        found = measured_march(gradient, repeats)
        row = {"time": found["seconds"] / plain["seconds"], "MB": found["MB"], "MB, backprop": plain["MB"]}
        rows.append({"gradient": gradient, **row})
        print(f"{gradient:20s}{row['time']:12.2f}{row['MB']:14.0f}{row['MB, backprop']:14.0f}", flush=True)
    return rows


def main() -> None:
    """Print the tables of ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--out", type=Path, help="write the figures to FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    repeats, result = 3 if args.quick else 7, {}
    print("evaluations / dopri5       mean       max   at equal error")
    result["evaluations"] = evaluations()
    print("coordinates of ring          ms      time / dopri5")
    result["sizes"] = sizes(repeats)
    more = "    / torchode     error  at equal error" if find_spec("torchode") else ""
    print(f"256 pendulums          / dopri5     error  at equal error{more}")
    result["batches"] = batches(repeats)
    print("RODAS5P               / Radau  / Radau plain       error")
    result["stiff"] = stiff(repeats)
    print("500 steps of RK4    / backprop            MB  backprop's MB")
    result["gradients"] = long_gradient(3)
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
