"""What makes stored runs stale, shown on the book itself: ``python tests/companion/show_freshness.py``.

Clones the repository into a temporary folder and edits the clone: moves, renames, other imports and another format
make nothing stale; one coefficient makes those pages stale whose records name its function; a region changes a
verdict and no run; an edit that moves checks is carried; one with a line that smoke does not execute is refused.
Takes about two minutes; exits 1 where something is not so. ``--build`` also builds the book after the moves.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
STOCHASTIC, ORDER = "lib/contdepth/schemes/stochastic.py", "lib/contdepth/schemes/order.py"
MOMENTS, FUNCTION = "lib/contdepth/pde/filters/moments.py", "_inverse_powers"
COEFFICIENT = "(s - j * c) / (k - j) for s, c", "(s - 2 * j * c) / (k - j) for s, c"


class Clone:
    """A clean clone, edited and put back."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.run("git", "clone", "--quiet", f"file://{ROOT}", str(folder), cwd=ROOT)
        self.wrong = 0

    def run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in the clone, with its own code."""
        variables = {**os.environ, "PYTHONPATH": str(self.root / "lib")}
        return subprocess.run(command, cwd=cwd or self.root, env=variables, capture_output=True, text=True)

    def companion(self, *arguments: str) -> str:
        """Return what a command of the bookkeeping prints."""
        done = self.run(sys.executable, "-P", "-m", "companion.cli", *arguments)
        return done.stdout + done.stderr

    def stale(self) -> set[str]:
        """Return the pages, with profile or variation, of which ``companion stale`` tells something."""
        lines = self.companion("stale").splitlines()
        return {line.partition("): ")[0] + ")" for line in lines if "): " in line}

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace the one occurrence of a text."""
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, (name, old, text.count(old))
        path.write_text(text.replace(old, new), encoding="utf-8")

    def everywhere(self, pattern: str, new: str) -> None:
        """Replace a pattern in every module and page."""
        for path in [*self.root.glob("lib/contdepth/**/*.py"), *self.root.glob("book/*/*.md")]:
            text = path.read_text(encoding="utf-8")
            path.write_text(re.sub(pattern, new, text), encoding="utf-8")

    def restore(self) -> None:
        """Put the clone back to its commit."""
        self.run("git", "reset", "--quiet", "--hard")
        self.run("git", "clean", "--quiet", "-fd")

    def expect(self, what: str, holds: bool, found: object) -> None:
        """Print one line of the demonstration."""
        self.wrong += not holds
        print(f"{'yes' if holds else 'NO '}  {what}: {found}", flush=True)


def moves(clone: Clone, build: bool) -> None:
    """Move a module, rename a file, swap import styles, format everything: nothing is stale."""
    (clone.root / "lib/contdepth/measure").mkdir()
    (clone.root / "lib/contdepth/measure/__init__.py").write_text("")
    (clone.root / ORDER).rename(clone.root / "lib/contdepth/measure/order.py")
    clone.everywhere(r"\bcontdepth\.schemes\.order\b", "contdepth.measure.order")
    clone.everywhere(r"contdepth/schemes/order\.py", "contdepth/measure/order.py")
    found = clone.stale()
    clone.expect("a module moved to another package: stale", not found, len(found))
    (clone.root / STOCHASTIC).rename(clone.root / "lib/contdepth/schemes/noisy.py")
    clone.everywhere(r"\bcontdepth\.schemes\.stochastic\b", "contdepth.schemes.noisy")
    clone.everywhere(r"contdepth/schemes/stochastic\.py", "contdepth/schemes/noisy.py")  # listings on pages
    found = clone.stale()
    clone.expect("and a file renamed: stale", not found, len(found))
    clone.edit(
        "lib/contdepth/schemes/noisy.py",
        "from contdepth.schemes.base import Field, axpy\n",
        "import contdepth.schemes.base as base\nfrom contdepth.schemes.base import Field\n",
    )
    clone.everywhere(r"(?m)^from contdepth import schemes\n", "import contdepth.schemes as schemes\n")
    text = (clone.root / "lib/contdepth/schemes/noisy.py").read_text(encoding="utf-8")
    (clone.root / "lib/contdepth/schemes/noisy.py").write_text(re.sub(r"(?<![\w.])axpy\(", "base.axpy(", text))
    clone.edit("book/schemes/noise.md", "import torch\n", "from torch import float64, linspace\nimport torch\n")
    found = clone.stale()
    clone.expect("and another style of import, in library and page: stale", not found, len(found))
    done = clone.run(sys.executable, "-m", "ruff", "format", "--quiet", ".")
    changed = len(clone.run("git", "diff", "--name-only", "--diff-filter=M").stdout.split())
    found = clone.stale()
    clone.expect(
        "and everything formatted (ruff format .): stale",
        not found and not done.returncode,
        f"{len(found)}, {changed} files changed",
    )
    if build:
        options = ("build", ".", "--all", "-W", "-n", "--keep-going")
        done = clone.run(sys.executable, "-c", "from jupyter_book.cli.main import main; main()", *options)
        page = clone.root / "_build/html/book/schemes/noise.html"
        shown = page.read_text(encoding="utf-8").count("companion-verdict") if page.is_file() else 0
        said = done.stderr[-500:] if done.returncode else ""
        clone.expect(
            "the strict build of the moved book, with the stored outputs",
            shown > 0 and not said,
            f"{shown} verdicts on the page of the moved module {said}",
        )
    clone.restore()


def coefficient(clone: Clone) -> None:
    """Change one coefficient: exactly the pages whose records name the function are stale."""
    clone.edit(MOMENTS, *COEFFICIENT)
    named = set()
    for path in (clone.root / "results").glob("*/*/*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if "fingerprint" in record:
            symbols = record["fingerprint"]["parts"]["library"]["symbols"]
            if FUNCTION in symbols.get("contdepth.pde.filters.moments", {}):
                named.add(f"{record['chapter']}/{record['page']} ({record['profile']})")
    found = {one for one in clone.stale() if "variation" not in one}
    pages = sorted({one.partition(" ")[0] for one in found})
    clone.expect(
        "one coefficient changed: stale are exactly the runs that reached it",
        found == named != set(),
        f"{len(found)} of {len(named)}, pages {', '.join(pages)}",
    )
    clone.restore()


def region(clone: Clone) -> None:
    """Change one region: nothing is stale, one verdict is another."""
    ledger = (clone.root / "book/schemes/claims.yml").read_text(encoding="utf-8")
    block = ledger.split("- id: schemes.order.forward-euler\n", 1)[1].split("- id:", 1)[0]
    region = "book: {equals: 7.0, tolerance: 0.03, reason: a test, accepted: reproduced}"
    clone.edit("book/schemes/claims.yml", block, block.replace("book: *fe", region))
    found, said = clone.stale(), clone.companion("judge").splitlines()
    clone.expect("one region changed: stale", not found, len(found))
    clone.expect("and companion judge tells of one verdict", len(said) == 2, said[0])
    clone.restore()


def carry(clone: Clone) -> None:
    """Move checks to the door: carried. Change a line that smoke does not execute: refused."""
    clone.edit(
        STOCHASTIC,
        '        m = checks.integer("power", power, at_least=1)\n'
        "        drift, diffusion = self.limit_coefficients(rate)\n        return x0**m",
        "        drift, diffusion = self.limit_coefficients(rate)\n        return x0**_power(power)",
    )
    clone.edit(
        STOCHASTIC,
        "math.exp((m * drift + m * (m - 1) / 2 * diffusion**2) * T)",
        "math.exp((power * drift + power * (power - 1) / 2 * diffusion**2) * T)",
    )
    clone.edit(
        STOCHASTIC,
        "class _LinearMoments:",
        "def _power(power: int) -> int:\n"
        '    return checks.integer("power", power, at_least=1)\n\n\nclass _LinearMoments:',
    )
    before = clone.stale()
    clone.expect("a refactor that moves a check: stale until it is carried", bool(before), sorted(before))
    said = clone.companion("carry", "schemes/noise")
    left = clone.stale()
    carried = [line for line in said.splitlines() if "equal to the bit" in line]
    clone.expect("companion carry schemes/noise", not left and len(carried) == len(before), carried[:1] or said)
    clone.restore()
    clone.edit(STOCHASTIC, "        return h.sqrt()\n", "        return torch.sqrt(h)\n")
    said = clone.companion("carry", "schemes/noise")
    clone.expect(
        "a changed line that smoke does not execute is refused by name",
        "torch.sqrt(h)" in said and "left" not in said and bool(clone.stale()),
        next((line for line in said.splitlines() if "torch.sqrt" in line), said),
    )
    clone.restore()


def main(arguments: list[str]) -> int:
    """Show everything; return 1 where something is not as said."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Clone(Path(folder) / "clone")
        found = clone.stale()
        clone.expect("a clean clone: stale", not found, len(found))
        moves(clone, "--build" in arguments)
        coefficient(clone)
        region(clone)
        carry(clone)
    return 1 if clone.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
