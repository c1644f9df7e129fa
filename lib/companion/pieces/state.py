"""How far the pieces are: done, stale, missing or damaged, and what is left, by group, page and headline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from companion.errors import RunError
from companion.pieces.keys import keys_of
from companion.pieces.piece import Group, Piece
from companion.pieces.receipts import find, pieces_folder, read_receipt, receipt_path

__all__ = ["DAMAGED", "DONE", "MISSING", "STALE", "Count", "count", "state", "states"]

DONE, STALE, MISSING, DAMAGED = "done", "stale", "missing", "damaged"


@dataclass(frozen=True)
class Count:
    """How many pieces are done of how many, and the minutes that the others take by device."""

    done: int
    needed: int
    minutes: dict[str, float]


def state(root: Path, piece: Piece) -> str:
    """Return ``done`` where a valid receipt is stored, ``damaged`` where it is not valid, ``stale`` where there is
    only one of an earlier key, else ``missing``.
    """
    return states(root, [piece])[piece.id]


def states(root: Path, pieces: Iterable[Piece]) -> dict[str, str]:
    """Return piece id -> state."""
    pieces = list(pieces)
    keys, earlier = keys_of(root, pieces), {}
    found = {}
    for piece in pieces:
        folder = (piece.chapter, piece.group)
        if find(root, piece, keys[piece.id]) is not None:
            found[piece.id] = DONE
        elif receipt_path(root, piece, keys[piece.id]).is_file():
            found[piece.id] = DAMAGED
        else:
            if folder not in earlier:
                earlier[folder] = _ids(pieces_folder(root).joinpath(*folder))
            found[piece.id] = STALE if piece.id in earlier[folder] else MISSING
    return found


def _ids(folder: Path) -> set[str]:
    """Return the pieces of which the folder holds a receipt, valid or not."""
    import json

    found = set()
    for path in folder.glob("*.json"):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            found.add(read_receipt(path, told["key"]).id)
        except (RunError, OSError, ValueError, KeyError, TypeError):
            continue
    return found


def count(root: Path, groups: Iterable[Group]) -> Count:
    """Return how far the pieces of ``groups`` are, with those that they need."""
    from companion.pieces.piece import ordered

    pieces = ordered(piece for group in groups for piece in group.pieces)
    found = states(root, pieces)
    left: dict[str, float] = {}
    for piece in pieces:
        if found[piece.id] != DONE:
            left[piece.device] = left.get(piece.device, 0.0) + piece.minutes
    return Count(sum(word == DONE for word in found.values()), len(pieces), left)
