"""What ``run.ready`` and ``run.pieces`` give a page: whole groups of pieces that may be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from companion.errors import CheckError, nearest
from companion.pieces.keys import keys_of
from companion.pieces.piece import Group, ordered
from companion.pieces.plan import load_plan
from companion.pieces.receipts import Receipt, find
from companion.root import chapter_label

if TYPE_CHECKING:
    from companion.book.pages import Page

__all__ = ["any_ready", "assembled", "group_of", "is_ready", "missing_words", "used_keys"]


def group_of(root: Path, chapter: str, name: object) -> Group:
    """Return the group of a chapter called ``name``; raise :class:`CheckError` where there is none."""
    known = {group.name: group for group in load_plan(root, chapter)}
    if not isinstance(name, str) or name not in known:
        options = ", ".join(known) or "none"
        raise CheckError(
            f"pieces: expected a group of {chapter_label(root, chapter)}/pieces.yml ({options}), "
            f"found {name!r}{nearest(str(name), known)}"
        )
    return known[name]


def any_ready(page: Page) -> bool:
    """Tell whether a group of pieces that the page asks for at profile paper is complete."""
    groups = [group_of(page.root, page.chapter, name) for name in page.asked("paper")]
    return any(is_ready(page.root, [group]) for group in groups)


def is_ready(root: Path, groups: Iterable[Group]) -> bool:
    """Tell whether every piece of every group has a valid receipt."""
    groups = list(groups)
    keys = keys_of(root, [piece for group in groups for piece in group.pieces])
    return all(find(root, piece, keys[piece.id]) for group in groups for piece in group.pieces)


def assembled(root: Path, group: Group) -> list[dict[str, Any]]:
    """Return ``arguments``, ``result`` and ``weights`` (a path or None) of each piece, in the plan's order.

    Raises :class:`CheckError` where pieces are missing, and where matched arms were computed on other kinds of
    devices or with other versions of PyTorch. Pieces of other code are none of the plan's: their keys differ.
    """
    keys = keys_of(root, group.pieces)
    found = {piece.id: find(root, piece, keys[piece.id]) for piece in group.pieces}
    receipts = [receipt for receipt in found.values() if receipt is not None]
    if len(receipts) < len(found):
        raise CheckError(missing_words(group, len(found) - len(receipts)))
    if group.arms is not None:
        for arms in _matched(group, receipts).values():
            _same(group, arms, "matched arms on the same kind of device", lambda one: one.device["kind"])
            _same(group, arms, "matched arms with the same PyTorch", lambda one: one.versions.get("torch", "none"))
    return [
        {"arguments": dict(one.arguments), "result": dict(one.result), "weights": one.weights_file}
        for one in receipts
    ]


def missing_words(group: Group, number: int) -> str:
    """Return the sentence for a group of which ``number`` pieces are missing."""
    minutes = f"{number * group.minutes:g} minutes of {'an H200' if group.device == 'cuda' else 'one core'}"
    return (
        f"pieces {group.name}: expected all {len(group.pieces)} pieces to be done, found that {number} "
        f"{'is' if number == 1 else 'are'} not ({minutes}); companion run --profile paper {group.page_id} "
        f"--only {group.name} computes {'it' if number == 1 else 'them'}"
    )


def _matched(group: Group, receipts: Sequence[Receipt]) -> dict[str, list[Receipt]]:
    """Return the receipts by their arguments without the key in which matched arms differ."""
    found: dict[str, list[Receipt]] = {}
    for receipt in receipts:
        rest = {key: value for key, value in receipt.arguments.items() if key != group.arms}
        found.setdefault(repr(sorted(rest.items())), []).append(receipt)
    return found


def _same(group: Group, receipts: Iterable[Receipt], what: str, told: Any) -> None:
    """Raise :class:`CheckError` where what is told of receipts is not the same for all."""
    words: dict[str, str] = {}
    for receipt in receipts:
        words.setdefault(told(receipt), receipt.id)
    if len(words) > 1:
        (one, first), (other, second) = list(words.items())[:2]
        raise CheckError(
            f"pieces {group.name}: expected {what}, found {one} for {first} and {other} for {second}; "
            "compute one of them again"
        )


def used_keys(root: Path, groups: Iterable[Group]) -> dict[str, str]:
    """Return id -> key of the pieces of ``groups`` and of all that they need."""
    pieces = ordered(piece for group in groups for piece in group.pieces)
    keys: Mapping[str, str] = keys_of(root, pieces)
    return {piece.id: keys[piece.id] for piece in pieces}
