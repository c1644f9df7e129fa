"""``companion status`` on the records of the book: the states of all runs derived, and remembered.

Run: python benchmarks/status.py [--quick] [--out FILE]

Whole processes, CPU time, the least of some repetitions taken in turn. Bound of the remembered one: 2 s.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def seconds(*, derived: bool) -> float:
    """Return the CPU time of one process, which has to derive the states if ``derived``."""
    if derived:
        (ROOT / "_build" / "known.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "companion.cli", "status", "--root", str(ROOT)]
    where = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=where)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one repetition")
    parser.add_argument("--out", type=Path, help="write the figures to FILE")
    args = parser.parse_args()
    pairs = [(seconds(derived=True), seconds(derived=False)) for _ in range(1 if args.quick else 3)]
    derived, remembered = (min(side) for side in zip(*pairs, strict=True))
    print(f"derived {derived:.2f} s, remembered {remembered:.2f} s: {remembered / derived:.2f}")
    if args.out:
        args.out.write_text(json.dumps({"derived": derived, "remembered": remembered}, indent=1) + "\n")


if __name__ == "__main__":
    main()
