"""Stored pieces computed again, a few by chance, and compared with their receipts."""

from __future__ import annotations

import math
import random
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from companion.clocks import clock_note
from companion.errors import CompanionError, counted
from companion.pieces.execute import DONE, job_of, run_one
from companion.pieces.keys import keys_of
from companion.pieces.piece import Group, Piece
from companion.pieces.plan import all_groups
from companion.pieces.receipts import Receipt, find, read_receipt
from companion.pieces.running.devices import Worker, workers_for
from companion.run.progress import Progress

__all__ = ["difference", "numbers_of", "same_machine", "siblings", "verify_pieces"]

RELATIVE = 1e-3
"""How far a number may lie from the stored one on another machine, where no other seed tells what chance does."""


def verify_pieces(
    root: Path,
    number: int,
    *,
    groups: Sequence[Group] | None = None,
    chooser: random.Random | None = None,
    progress: Progress | None = None,
    worker: Worker | None = None,
) -> int:
    """Compute ``number`` done pieces of ``groups`` (default: of the book) again, chosen by chance among those that
    this machine has a device for; print what differs and return the exit status.

    On the device and with the versions of the receipt everything but times is equal to the bit. Elsewhere a number
    may lie as far from the stored one as two of the group's other seeds lie apart.
    """
    worker, progress = worker or workers_for(1)[0], progress or Progress()
    chosen_groups = all_groups(root) if groups is None else groups
    known = [(group, piece) for group in chosen_groups for piece in group.pieces if worker.takes(piece.device)]
    keys = keys_of(root, [piece for _, piece in known])
    done = [(group, piece) for group, piece in known if find(root, piece, keys[piece.id]) is not None]
    if not done:
        print("verify --pieces: expected a stored piece that this machine can compute, found none", flush=True)
        return 0
    chosen = (chooser or random.SystemRandom()).sample(done, min(number, len(done)))
    found: list[str] = []
    for place, (group, piece) in enumerate(chosen):
        progress.start(place, piece.id)
        lines = _verified(root, group, piece, keys, worker)
        progress.end(place, "differs" if lines else "equal", "")
        found += lines
    progress.close()
    for line in found:
        print(line, flush=True)
    print(
        f"{counted(len(chosen), 'piece')} of {len(done)} computed again, {counted(len(found), 'finding')}",
        flush=True,
    )
    return 1 if found else 0


def _verified(root: Path, group: Group, piece: Piece, keys: Mapping[str, str], worker: Worker) -> list[str]:
    """Return what differs between a piece's receipt and the piece computed again."""
    stored = find(root, piece, keys[piece.id])
    folder = Path(tempfile.mkdtemp(prefix="companion-piece-"))
    out = folder / "out"
    try:
        job = job_of(root, piece, out, threads=worker.threads)
        job["work"] = str(folder / "work")
        outcome = run_one(job, environment=worker.environment(piece.device))
        if outcome.word != DONE:
            return [outcome.error or f"piece {piece.id}: expected it to end, found that it was stopped"]
        fresh = read_receipt(out / "receipt.json", keys[piece.id], out / "weights.safetensors")
    except CompanionError as error:
        return [str(error)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert stored is not None
    others = [find(root, one, keys[one.id]) for one in siblings(group, piece)]
    said = difference(stored, fresh, [one for one in others if one is not None])
    return [f"piece {piece.id}: {said}"] if said else []


def siblings(group: Group, piece: Piece) -> list[Piece]:
    """Return the pieces of a group that differ from ``piece`` in their seed alone, itself among them."""
    mine = {**piece.arguments, "seed": None}
    return [one for one in group.pieces if "seed" in one.arguments and {**one.arguments, "seed": None} == mine]


def same_machine(one: Receipt, other: Receipt) -> bool:
    """Tell whether two receipts are of the same device with the same versions."""
    return (one.device, one.machine, one.versions) == (other.device, other.machine, other.versions)


def difference(stored: Receipt, fresh: Receipt, others: Iterable[Receipt] = ()) -> str | None:
    """Return how a piece that was computed again differs from its stored receipt, in words; None if it does not.

    ``others`` are receipts of other seeds, from which is taken how far apart numbers may lie on another machine.
    """
    exact = same_machine(stored, fresh)
    before, now = dict(numbers_of(stored.result)), dict(numbers_of(fresh.result))
    if list(before) != list(now):
        odd = sorted(set(before) ^ set(now)) or ["the order of its entries"]
        return f"expected the entries that are stored, found a difference in {odd[0]}"
    spreads = [dict(numbers_of(one.result)) for one in others]
    for name, value in before.items():
        allowed = 0.0 if exact else _allowed(value, [spread[name] for spread in spreads if name in spread])
        if not _near(value, now[name], allowed):
            bound = "the stored value" if exact else f"at most {allowed:.3g} from the stored value"
            return f"expected {bound} {value!r} for {name}, found {now[name]!r}"
    if exact and stored.weights != fresh.weights:
        return "expected the stored weights, found others"
    return None


def _allowed(value: Any, others: Sequence[Any]) -> float:
    """Return how far a number may lie from ``value`` on another machine."""
    numbers = [one for one in others if isinstance(one, (int, float)) and math.isfinite(one)]
    if len(numbers) > 1:
        return float(max(numbers) - min(numbers))
    return RELATIVE * abs(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0


def _near(value: Any, other: Any, allowed: float) -> bool:
    plain = (int, float)
    if isinstance(value, plain) and isinstance(other, plain) and type(value) is not bool:
        return value == other or abs(value - other) <= allowed or (value != value and other != other)
    return type(value) is type(other) and value == other


def numbers_of(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what a result holds, each with its place (``curve[3]``), in order; what clocks measured is left out:
    ``seconds``, and names that end or begin as those of noted times do.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key != "seconds" and not clock_note(key):
                yield from numbers_of(item, f"{name}.{key}" if name else key)
    elif isinstance(value, (list, tuple)):
        for place, item in enumerate(value):
            yield from numbers_of(item, f"{name}[{place}]")
    else:
        yield name, value
