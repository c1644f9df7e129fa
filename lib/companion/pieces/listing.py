"""The pieces as lists: for a terminal, as JSON, and as the page that names every bundle's command."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path

from companion.errors import counted
from companion.pieces.piece import Group, ordered
from companion.pieces.plan import all_groups
from companion.pieces.state import DONE, states

__all__ = ["BUNDLE_MINUTES", "bundle_command_line", "list_json", "list_lines", "readme"]

BUNDLE_MINUTES = 9
"""Minutes of one call of a bundle's script: with start and transfers it fits into a quarter of an hour."""
MIB = 55


def list_lines(root: Path, groups: Iterable[Group], *, everything: bool = False) -> list[str]:
    """Return a line for each piece of ``groups`` that is not done, or for each; with what they need."""
    pieces = ordered(piece for group in groups for piece in group.pieces)
    found = states(root, pieces)
    return [
        f"{found[piece.id]:<7}  {piece.device:<4}  {piece.minutes:>7g} min  {piece.id}"
        for piece in pieces
        if everything or found[piece.id] != DONE
    ]


def list_json(root: Path, groups: Iterable[Group]) -> str:
    """Return all pieces of ``groups`` as a JSON list."""
    pieces = ordered(piece for group in groups for piece in group.pieces)
    found = states(root, pieces)
    return json.dumps(
        [
            {
                "id": piece.id,
                "page": piece.page_id,
                "state": found[piece.id],
                "device": piece.device,
                "minutes": piece.minutes,
                "arguments": dict(piece.arguments),
                "needs": [need.id for need in piece.needs.values()],
            }
            for piece in pieces
        ],
        indent=1,
        ensure_ascii=False,
    )


def bundle_command_line(group: Group) -> str:
    """Return the command that bundles the pieces of a group."""
    return (
        f"companion bundle {group.page_id} --profile paper --minutes {BUNDLE_MINUTES} --mib {MIB} "
        f"--only {group.name} --out FOLDER"
    )


def readme(root: Path) -> str:
    """Return the text of ``results/pieces/README.md``: it follows from the plans alone."""
    lines = [
        "# Pieces",
        "",
        "What the runs at the papers' scale are made of: one receipt a piece, by its key, and weights where a "
        "later piece needs them. `companion pieces --write` writes this page; `companion status --profile paper` "
        "says what is done and what is left.",
        "",
        "Whoever has a quarter of an hour of a GPU can give it. A command below writes a folder; on a machine "
        "with PyTorch, NumPy, SciPy and Pillow `python part-1/run.py` in it computes as many pieces as fit "
        "and leaves them in `results/`; `companion collect FOLDER/results` checks and stores them. On a machine "
        "with a checkout `companion run --profile paper PAGE --minutes 14` does the same without a bundle.",
    ]
    for group in all_groups(root):
        lines += ["", *_section(group)]
    return "\n".join(lines) + "\n"


def _section(group: Group) -> list[str]:
    number, minutes = counted(len(group.pieces), "piece"), group.minutes * len(group.pieces)
    where = "an H200" if group.device == "cuda" else "one core"
    needs = sorted({need.group for piece in group.pieces for need in piece.needs.values()})
    said = [
        f"{number} of {group.minutes:g} minutes of {where}, "
        f"{counted(math.ceil(minutes / BUNDLE_MINUTES), 'call')} of {BUNDLE_MINUTES} minutes",
        *(["a piece goes on from its checkpoint in the next call"] if group.minutes > BUNDLE_MINUTES else []),
        *([f"needs the pieces of {', '.join(needs)}"] if needs else []),
        *([f"decides {', '.join(f'`{claim}`' for claim in group.claims)}"] if group.claims else []),
    ]
    return [f"## {group.id}", "", f"{'; '.join(said)}.", "", f"    {bundle_command_line(group)}"]
