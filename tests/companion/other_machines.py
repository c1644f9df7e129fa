"""How much the numbers of pages move on other machines, tried on this one.

Run: ``python tests/companion/other_machines.py [PAGE …]``.

Each page runs at smoke with the instruction sets of older processors (PyTorch, MKL, oneDNN, OpenBLAS, NumPy and
Numba choose other code for them) and with two threads, and its numbers are compared with the stored ones. The
answer, ``book/<chapter>/machines.yml``, follows from the differences by the rules below, written before any were
seen; ``--out`` writes the differences themselves.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from companion.book.ledger import Ledger, load_ledger
from companion.book.pages import Page, load_pages
from companion.evidence.machines import compared, machines_path
from companion.evidence.record import Record, load_record
from companion.evidence.rejudging import judged
from companion.run.progress import Progress
from companion.run.runner import plan, run

ROOT = Path(__file__).resolve().parents[2]
NO_AVX512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
MACHINES = {
    "AVX2, one thread": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": NO_AVX512,
        "NUMBA_CPU_NAME": "haswell",
        "OMP_NUM_THREADS": "1",
    },
    "SSE4.2, two threads": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": f"AVX2 FMA3 {NO_AVX512}",
        "NUMBA_CPU_NAME": "nehalem",
        "OMP_NUM_THREADS": "2",
    },
}
STEPS = (1e-12, 1e-9, 1e-6, 1e-4, 1e-2)
"""Relative tolerances: a number gets the first that is ``ROOM`` times what was measured, or more."""
ROOM = 100
FEW = 3
"""The same for numbers that move by more than the last step allows: absolutely, rounded up to 1, 2 or 5."""
LONGER, TWICE = 10, 2
"""How much more is allowed at book, whose runs are longer: relatively (the last step at most), absolutely."""
SPREAD = 1.0
"""A mean over seeds whose training multiplies rounding may move by so many half-widths of its interval."""
REASONS = {
    "exact": "a count or a yes, the same on both trial machines",
    "relative": "on the trial machines these moved by at most {most} of themselves",
    "absolute": "near zero, sums of cancelling terms, or trained; on the trial machines these moved by at "
    "most {most}",
    "spread": "training multiplies rounding; on the trial machines these means moved by at most {most} "
    "half-widths of their intervals, and another machine is no more than another seed",
    "spread at book": "not tried on the trial machines; another machine is no more than another seed",
    "relative at book": "not tried on the trial machines; the places that pages show",
}
HEAD = """\
# What the numbers of this chapter may differ by on another machine, stated per claim and note; where processor,
# threads and versions are those of the record, they must be equal to the bit. Written by
# tests/companion/other_machines.py, which ran all pages at smoke with instruction sets of two older processors
# ({machines}). Its rules: relatively, a hundred times what was measured, to the
# next step, and ten times that at book, to 0.01 at most; where that is too little, means over seeds by one
# half-width of their interval; what remains, absolutely, three times what was measured, and twice that at book.
"""


def main() -> None:
    """Run the pages named, or all, and write the files of their chapters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", metavar="FILE", help="write the differences there")
    parser.add_argument("--given", metavar="FILE", help="take the differences from there; nothing runs")
    options = parser.parse_args()
    pages = [page for page in load_pages(ROOT) if not options.pages or page.id in options.pages]
    moved: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    if options.given:
        moved.update(json.loads(Path(options.given).read_text(encoding="utf-8")))
    for name, environment in () if options.given else MACHINES.items():
        with tempfile.TemporaryDirectory() as folder:
            jobs = plan(
                pages,
                "smoke",
                out=Path(folder),
                strict=False,
                environment={
                    **environment,
                    **dict.fromkeys(("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), environment["OMP_NUM_THREADS"]),
                },
            )
            for outcome in run(jobs, options.jobs, Progress()):
                if outcome.record is None:
                    raise SystemExit(outcome.error)
                for number, how in differences(outcome.job.page, outcome.record):
                    moved[number][name] = how
    if options.out:
        Path(options.out).write_text(json.dumps(moved, indent=1), encoding="utf-8")
    for chapter in dict.fromkeys(page.chapter for page in pages):
        write(chapter, moved, tried=[page for page in pages if page.chapter == chapter])


def differences(page: Page, fresh: Record) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield for each number of the stored run by how much the fresh one differs: ``absolute``, ``relative``, and
    for means over seeds ``spread`` in half-widths.
    """
    stored, ledger = load_record(ROOT, "smoke", page.chapter, page.name), load_ledger(ROOT, page.chapter)
    before, now = judged(ledger, stored), judged(ledger, fresh)
    for id, old in before.items():
        pairs = list(zip(_given(stored.checks[id]), _given(fresh.checks[id]), strict=True))
        how = _apart(pairs)
        if old.interval is not None:
            half = (old.interval[1] - old.interval[0]) / 2
            by = abs(old.value - now[id].value)
            how["spread"] = by / half if half else math.inf if by else 0.0
        if old.verdict != now[id].verdict:
            print(f"verdict  {id}: stored {old.verdict}, found {now[id].verdict}", flush=True)
        yield id, how
    for name, value in stored.values.items():
        yield f"{page.name}#{name}", _apart([(value, fresh.values[name])])


def _given(numbers: Mapping[str, object]) -> list[float]:
    return [*(numbers["values"] if "values" in numbers else [numbers["value"]]), *numbers.get("baseline", ())]


def _apart(pairs: list[tuple[float, float]]) -> dict[str, float]:
    absolute = max(abs(a - b) for a, b in pairs)
    relative = max(abs(a - b) / max(abs(a), abs(b)) if a != b else 0.0 for a, b in pairs)
    return {
        "absolute": absolute,
        "relative": relative,
        "whole": float(all(float(a).is_integer() for pair in pairs for a in pair)),
    }


def rule(moves: list[dict[str, float]]) -> tuple[str, float]:
    """Return the kind of tolerance of a number and its size at smoke."""
    relative, absolute = (max(move[key] for move in moves) for key in ("relative", "absolute"))
    if relative == 0 and all(move["whole"] for move in moves):
        return "exact", 0.0
    step = next((step for step in STEPS if ROOM * relative <= step), None)
    if step is not None:
        return "relative", step
    if max(move.get("spread", math.inf) for move in moves) <= SPREAD:
        return "spread", SPREAD
    power = 10.0 ** math.floor(math.log10(FEW * absolute))
    return "absolute", next(step * power for step in (1, 2, 5, 10) if FEW * absolute <= step * power)


def at_book(kind: str, size: float) -> float:
    """Return the size of the same tolerance at book."""
    if kind == "relative":
        return min(LONGER * size, STEPS[-1])
    return TWICE * size if kind == "absolute" else size


def write(chapter: str, moved: Mapping[str, Mapping[str, dict[str, float]]], tried: list[Page]) -> None:
    """Write the chapter's file from what was measured on the pages that were ``tried``; what it says of others
    stays.
    """
    ledger, pages = load_ledger(ROOT, chapter), load_pages(ROOT, chapter)
    others = {
        (profile, name) for profile, name, _ in _numbers(ledger, [page for page in pages if page not in tried])
    }
    kept = list(_stated(machines_path(ROOT, chapter), others))
    others = {(profile, name) for _, _, found in kept for profile, names in found.items() for name in names}
    groups: dict[tuple[str, float, float], dict[str, list[str]]] = {}
    largest: dict[tuple[str, float, float], float] = defaultdict(float)
    for profile, number, seeds in _numbers(ledger, pages):
        if (profile, number) in others:
            continue
        moves = list(moved[number].values()) if number in moved else []
        if moves:
            kind, size = rule(moves)
            key = (kind, size, at_book(kind, size))
        else:
            key = ("spread at book", SPREAD, SPREAD) if seeds else ("relative at book", STEPS[-1], STEPS[-1])
        groups.setdefault(key, {}).setdefault(profile, []).append(number)
        largest[key] = max([largest[key], *(move.get(key[0], 0.0) for move in moves)])
    lines = [HEAD.format(machines="; ".join(MACHINES)) + f"chapter: {chapter}", "tolerances:"]
    for tolerance, reason, found in kept:
        lines += [f"  - {tolerance}", f"    reason: {reason}"] if tolerance else [f"  - reason: {reason}"]
        lines.append("    numbers:")
        for profile, numbers in found.items():
            lines += [f"      {profile}:"] + [f"        - {json.dumps(one)}" for one in numbers]
    for (kind, size, later), profiles in sorted(groups.items(), key=lambda item: (item[0][0] != "exact", item[0])):
        for profile, numbers in profiles.items():
            value = size if profile == "smoke" else later
            reason = json.dumps(REASONS[kind].format(most=f"{largest[kind, size, later]:.1g}"))
            lines += (
                [f"  - reason: {reason}"]
                if kind == "exact"
                else [f"  - {kind.partition(' ')[0]}: {value:g}", f"    reason: {reason}"]
            )
            lines += [f"    numbers:\n      {profile}:"] + [f"        - {json.dumps(one)}" for one in numbers]
    machines_path(ROOT, chapter).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _stated(path: Path, numbers: set[tuple[str, str]]) -> Iterator[tuple[str, str, dict[str, list[str]]]]:
    """Yield the entries of a file, as far as they are about ``numbers``: tolerance, reason, names by profile."""
    if not path.is_file():
        return
    for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["tolerances"]:
        found = {
            profile: kept
            for profile, names in entry["numbers"].items()
            if (kept := [name for name in names if (profile, name) in numbers])
        }
        tolerance = ", ".join(
            f"{kind}: {entry[kind]}" for kind in ("relative", "absolute", "spread") if kind in entry
        )
        if found:
            yield tolerance, json.dumps(entry["reason"], ensure_ascii=False), found


def _numbers(ledger: Ledger, pages: list[Page]) -> Iterator[tuple[str, str, bool]]:
    """Yield profile and name of the numbers of the stored runs that no clock measured, and whether they are means
    over seeds.
    """
    for profile in ("smoke", "book"):
        for page in pages:
            record = load_record(ROOT, profile, page.chapter, page.name)
            if record is not None:
                checks = judged(ledger, record)
                yield from (
                    (profile, name, name in checks and checks[name].interval is not None)
                    for name in compared(ledger, record)
                )


if __name__ == "__main__":
    main()
