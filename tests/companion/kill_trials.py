"""Runs and writes ended by ``kill -9`` at random moments: no half-written file, no stale run called fresh.

Run: ``python tests/companion/kill_trials.py [--trials N] [--seed N]``; 200 trials take about ten minutes.

Every third trial gives the library of a throw-away book another number, which its page notes, and resumes the run;
the command, its worker, the kernel or all of them are killed after a random time, or once files are being written.
The others kill a process that stores one run after another. After each, every stored file must be whole, and a run
called fresh must be of one piece and hold the present number. What a trial leaves is what the next one finds; an
undisturbed ``--resume`` ends them, which must succeed and leave nothing behind.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path

import nbformat
import psutil
import toy_book

from companion.book.ledger import load_ledger
from companion.book.pages import find_page
from companion.errors import CompanionError
from companion.evidence.record import load_record
from companion.evidence.soundness import flaws
from companion.freshness.state import FRESH, state_of
from companion.root import notebook_path
from companion.run.worker import _store
from companion.text import PART

PAGE, PROFILE = "toy/euler", "smoke"
COMMAND = [sys.executable, "-m", "companion.cli", "run", "--resume", "--profile", PROFILE, PAGE, "--root"]
WHOM = ("the command", "the worker", "the kernel", "all")
WRITING_S, GONE_S = 0.1, 30
"""Seconds within which a writer is killed, and within which all processes of a killed run must be gone."""
BULK = 200_000
"""Length of the text in a writer's notebooks: writing it takes a while."""


@dataclass
class Tally:
    """What trials found: ``faults`` in sentences, and how often what was seen."""

    faults: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)


def trials(folder: Path, number: int, seed: int = 0) -> Tally:
    """Return what ``number`` trials in ``folder`` found."""
    chance, tally, root = random.Random(seed), Tally(), toy_book.build(folder / "book")
    toy_book.edit(
        root, f"book/{PAGE}.md", "euler_slope\n\n", "euler_slope\nfrom contdepth.helpers import edition\n\n"
    )
    toy_book.edit(root, f"book/{PAGE}.md", 'note("finest"', 'note("edition", edition())\nnote("finest"')
    print_edition(root, 0)
    began = time.monotonic()
    finish(root, 0, tally)
    span = time.monotonic() - began
    for trial in range(1, number + 1):
        if trial % 3 == 0:
            print_edition(root, trial)
            tally.seen[kill_run(root, chance, span, tally)] += 1
            examine(root, root / "results", f"trial {trial}", tally, trial)
        else:
            tally.seen[kill_writer(root, folder / "written", chance, tally)] += 1
            examine(root, folder / "written", f"trial {trial}", tally)
    print_edition(root, number + 1)
    finish(root, number + 1, tally)
    return tally


def print_edition(root: Path, edition: int) -> None:
    """Let the library return another number: runs stored before are stale then."""
    path = root / "lib/contdepth/helpers.py"
    path.write_text(f"{toy_book.FILES['lib/contdepth/helpers.py']}\n\ndef edition():\n    return {edition}\n")


def finish(root: Path, edition: int, tally: Tally) -> None:
    """Run what is missing or stale, undisturbed; nothing but a fresh run may be left."""
    done = subprocess.run([*COMMAND, str(root)], capture_output=True, text=True)
    if done.returncode:
        tally.faults.append(f"an undisturbed run failed: {done.stderr}")
        return
    if not examine(root, root / "results", "after an undisturbed run", tally, edition):
        tally.faults.append("a run that was just made is not fresh")
    if left := sorted(path.name for path in root.rglob(f"*{PART}")):
        tally.faults.append(f"after an undisturbed run: {', '.join(left)} left behind")


def kill_run(root: Path, chance: random.Random, span: float, tally: Tally) -> str:
    """Resume the run and kill some of its processes; return what was killed, and when."""
    whom, once = chance.choice(WHOM), chance.random() < 0.3
    command = subprocess.Popen([*COMMAND, str(root)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + (3 * span if once else chance.uniform(0, span))
    while time.monotonic() < end and command.poll() is None:
        if once and any((root / "results").rglob(f"*{PART}")):
            break
        time.sleep(0 if once else 0.005)
    try:
        this = psutil.Process(command.pid)
        family = [] if command.poll() is not None else [this, *this.children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    chosen = {"all": family, "the command": family[:1], "the worker": family[1:2], "the kernel": family[2:3]}[whom]
    for process in chosen:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    command.wait()
    _, alive = psutil.wait_procs(family, timeout=GONE_S)
    tally.faults += [f"{process.name()} outlived its run by {GONE_S} s" for process in alive]
    if not chosen:
        return "run: over, or not begun, before it was to be killed"
    return f"run: killed {whom} {'while files were written' if once else 'at some time'}"


def kill_writer(root: Path, written: Path, chance: random.Random, tally: Tally) -> str:
    """Kill a process that stores runs below ``written``; return how many files it left unfinished."""
    command = [sys.executable, __file__, "--write", str(root), str(written)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    if not writer.stdout.readline():
        tally.faults.append("a writer failed by itself")
    time.sleep(chance.uniform(0, WRITING_S))
    writer.kill()
    writer.communicate()
    parts = len(list(written.rglob(f"*{PART}")))
    return f"writer: {parts or 'no'} part{'' if parts == 1 else 's'} of files left"


def write(root: Path, written: Path) -> None:
    """Store one run after another below ``written``, each with a number of its own; say once that it began."""
    page, record = find_page(root, PAGE), load_record(root, PROFILE, *PAGE.split("/"))
    assert record is not None
    notebook = nbformat.read(notebook_path(root / "results", PROFILE, *PAGE.split("/")), as_version=4)
    notes = [
        one
        for cell in notebook.cells
        for one in cell.get("outputs", ())
        if "note" in one.get("metadata", {}).get("companion", {})
    ]
    for number in count():
        notes[0].metadata["companion"]["note"]["value"] = number
        notebook.cells[0].source = f"{number} " * (BULK // 8)
        made = partial(replace, record, values={**record.values, "edition": number})
        _store(notebook, lambda digest, made=made: made(notebook_sha256=digest), written, PROFILE, page)
        if number == 0:
            print("began", flush=True)


def examine(root: Path, results: Path, when: str, tally: Tally, edition: int | None = None) -> bool:
    """Note what is wrong with what is stored below ``results``; return whether it is called fresh. A fresh run has
    to hold the number ``edition``, if there is one.
    """
    page, ledger = find_page(root, PAGE), load_ledger(root, PAGE.partition("/")[0])
    notebook = notebook_path(results, PROFILE, *PAGE.split("/"))
    try:
        record = load_record(root, PROFILE, *PAGE.split("/"), results)
        if notebook.is_file():
            nbformat.read(notebook, as_version=4)
    except (CompanionError, nbformat.reader.NotJSONError, ValueError) as error:
        tally.faults.append(f"{when}: a half-written file: {error}")
        return False
    fresh = record is not None and state_of(record, page, results=results).word == FRESH
    whole = record is not None and record.matches(notebook)
    if whole and (found := flaws(notebook, record, ledger)):
        tally.faults.append(f"{when}: a run that is not of one piece: {found}")
    if fresh and (not whole or edition not in (None, record.values["edition"])):
        tally.faults.append(f"{when}: called fresh at {edition}: {record.values}")
    piece = "of one run" if whole else "of two runs" if record and notebook.is_file() else "incomplete"
    tally.seen[f"then {'fresh' if fresh else 'stale'}, {piece}"] += 1
    return fresh


def main() -> int:
    """Run the trials, print what was seen, and return 1 where a fault was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", nargs=2, metavar=("ROOT", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write(*map(Path, options.write))
    with tempfile.TemporaryDirectory() as folder:
        tally = trials(Path(folder), options.trials, options.seed)
    for what, times in sorted(tally.seen.items()):
        print(f"{times:4}  {what}")
    print(*tally.faults, f"{options.trials} trials, {len(tally.faults)} faults", sep="\n")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
