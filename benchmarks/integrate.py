"""Fixed-step integration: contdepth against torchdiffeq, same method, steps, dtype and right-hand side.

``python benchmarks/integrate.py --out integrate.json`` (under 90 s on one core). Times are medians of process
time over interleaved repeats on one thread. Peak memory is the growth of the peak resident set (VmHWM of
/proc/self/status, so Linux only; empty elsewhere) over one run, in a fresh process for each entry, after
imports and a small warm-up; only for the largest state, where the state dominates, and without gradients.
Ratios are contdepth / torchdiffeq: below 1 is better for contdepth.

Modes: ``all`` returns every state, ``last`` only the final one (torchdiffeq: two output times and a
``step_size``), ``gradient`` returns every state and differentiates the sum of the last by the first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torchdiffeq import odeint

from contdepth.schemes import MIDPOINT, THREE_EIGHTHS, ForwardEuler, RungeKutta, Scheme, integrate

SCHEMES: dict[str, Scheme] = {
    "euler": ForwardEuler(),
    "midpoint": RungeKutta(MIDPOINT),
    "rk4": RungeKutta(THREE_EIGHTHS),
}
STEPS = {2: 200, 100: 200, 10_000: 100, 1_000_000: 10}
MODES = ("all", "last", "gradient")
LARGEST = max(STEPS)


def field(t: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """Return -u: one pass over the state, so that the integrator's own work shows."""
    return -u


def contdepth_run(method: str, u0: torch.Tensor, steps: int, mode: str) -> torch.Tensor:
    """Integrate to time 1 with contdepth."""
    t = torch.linspace(0.0, 1.0, steps + 1, dtype=u0.dtype)
    return integrate(field, u0, t, SCHEMES[method], keep="last" if mode == "last" else "all")


def torchdiffeq_run(method: str, u0: torch.Tensor, steps: int, mode: str) -> torch.Tensor:
    """Integrate to time 1 with torchdiffeq."""
    if mode == "last":
        t = torch.tensor([0.0, 1.0], dtype=u0.dtype)
        return odeint(field, u0, t, method=method, options={"step_size": 1 / steps})[-1]
    return odeint(field, u0, torch.linspace(0.0, 1.0, steps + 1, dtype=u0.dtype), method=method)


RUNS: dict[str, Callable[[str, torch.Tensor, int, str], torch.Tensor]] = {
    "contdepth": contdepth_run,
    "torchdiffeq": torchdiffeq_run,
}


def once(library: str, method: str, size: int, mode: str) -> torch.Tensor:
    """Run one entry and return the states (or, in mode ``gradient``, the gradient)."""
    u0 = torch.linspace(0.5, 1.0, size, dtype=torch.float64)
    if mode != "gradient":
        return RUNS[library](method, u0, STEPS[size], mode)
    u0.requires_grad_()
    last = RUNS[library](method, u0, STEPS[size], mode)[-1]
    return torch.autograd.grad(last.sum(), u0)[0]


def time_ratio(method: str, size: int, mode: str, repeats: int) -> dict[str, float]:
    """Return median seconds of either library and their ratio, once both have given the same numbers."""
    first, second = (once(library, method, size, mode) for library in RUNS)
    torch.testing.assert_close(first, second, rtol=1e-11, atol=1e-13)
    del first, second
    seconds: dict[str, list[float]] = {library: [] for library in RUNS}
    for _ in range(repeats):
        for library, found in seconds.items():
            start = time.process_time()
            once(library, method, size, mode)
            found.append(time.process_time() - start)
    medians = {library: statistics.median(found) for library, found in seconds.items()}
    return {**medians, "ratio": medians["contdepth"] / medians["torchdiffeq"]}


def memory_ratio(method: str, mode: str) -> dict[str, float]:
    """Return peak memory growth of either library, in states, and their ratio (largest state)."""
    states = {}
    for library in RUNS:
        command = [sys.executable, __file__, "--memory", library, method, mode]
        kib = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        states[library] = kib * 1024 / (8 * LARGEST)
    return {**states, "ratio": states["contdepth"] / states["torchdiffeq"]}


def measure_memory(library: str, method: str, mode: str) -> int:
    """Return the growth of this process's peak resident set over one run, in KiB."""
    once(library, method, 2, mode)
    before = peak_kib()
    once(library, method, LARGEST, mode)
    return peak_kib() - before


def peak_kib() -> int:
    """Return the peak resident set of this process; unlike ru_maxrss it starts afresh at exec."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def main() -> None:
    """Parse the command line, measure, print the table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the numbers here as JSON")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--memory", nargs=3, metavar=("LIBRARY", "METHOD", "MODE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.memory:
        print(measure_memory(*arguments.memory))
        return
    rows, started = [], time.perf_counter()
    print(
        f"{'method':10s}{'mode':10s}{'size':>9s}{'steps':>7s}{'ms':>10s}{'time ratio':>12s}{'memory ratio':>14s}"
    )
    for mode in MODES:
        for method in SCHEMES:
            for size, steps in STEPS.items():
                row: dict[str, Any] = {
                    "method": method,
                    "mode": mode,
                    "size": size,
                    "steps": steps,
                    "memory": None,
                    "time": time_ratio(method, size, mode, arguments.repeats if size < LARGEST else 5),
                }
                if size == LARGEST and mode != "gradient" and Path("/proc/self/status").exists():
                    row["memory"] = memory_ratio(method, mode)
                rows.append(row)
                memory = f"{row['memory']['ratio']:14.2f}" if row["memory"] else ""
                print(
                    f"{method:10s}{mode:10s}{size:9d}{steps:7d}{1e3 * row['time']['contdepth']:10.2f}"
                    f"{row['time']['ratio']:12.2f}{memory}",
                    flush=True,
                )
    slower = [row for row in rows if row["time"]["ratio"] > 1]
    for row in slower:
        print(f"slower than torchdiffeq: {row['method']}, {row['mode']}, size {row['size']}")
    worst = {
        kind: max((row[kind]["ratio"] for row in rows if row[kind]), default=float("nan"))
        for kind in ("time", "memory")
    }
    print(
        f"worst ratios: time {worst['time']:.2f}, memory {worst['memory']:.2f}; "
        f"{time.perf_counter() - started:.0f} s in all"
    )
    if arguments.out:
        result = {
            "torch": torch.__version__,
            "dtype": "float64",
            "threads": 1,
            "repeats": arguments.repeats,
            "rows": rows,
        }
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
