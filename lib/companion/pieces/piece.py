"""A piece: a function of the library with plain arguments, whose small result is kept by its digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["DEVICES", "SHORT", "Group", "Piece", "ordered", "piece_id"]

DEVICES = ("cpu", "cuda")
SHORT = 16
"""Number of hexadecimal digits of a key that name its files."""


@dataclass(frozen=True)
class Piece:
    """One call of ``function`` (``module:name``) with ``arguments`` on ``device``, ``minutes`` long there.

    ``data`` names data sets of the registry; ``needs`` maps a name in ``given`` to the piece whose result the
    function is given under it.
    """

    id: str
    group: str
    chapter: str
    page: str
    function: str
    arguments: Mapping[str, Any]
    data: tuple[str, ...] = ()
    device: str = "cpu"
    minutes: float = 1.0
    needs: Mapping[str, Piece] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def page_id(self) -> str:
        """The page's name in commands: ``chapter/page``."""
        return f"{self.chapter}/{self.page}"


@dataclass(frozen=True)
class Group:
    """The pieces of one entry of ``pieces.yml``: one for each combination of its grid, in the grid's order.

    ``arms`` is the key of the grid in which matched arms differ; ``claims`` are those that the group decides, and
    ``headline`` is the id of the headline that they belong to.
    """

    name: str
    chapter: str
    page: str
    device: str
    minutes: float
    pieces: tuple[Piece, ...]
    data: tuple[str, ...] = ()
    arms: str | None = None
    claims: tuple[str, ...] = ()
    headline: str | None = None

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def id(self) -> str:
        """The group's name in commands: ``chapter/name``."""
        return f"{self.chapter}/{self.name}"

    @property
    def page_id(self) -> str:
        """The page's name in commands: ``chapter/page``."""
        return f"{self.chapter}/{self.page}"


def piece_id(chapter: str, group: str, combination: Mapping[str, Any]) -> str:
    """Return ``chapter/group[arm=resnet-20,seed=3]``, without brackets where there is no grid."""
    import json

    told = {key: value if isinstance(value, str) else json.dumps(value) for key, value in combination.items()}
    inside = ",".join(f"{key}={text}" for key, text in told.items())
    return f"{chapter}/{group}" + (f"[{inside}]" if inside else "")


def ordered(pieces: Iterable[Piece]) -> list[Piece]:
    """Return ``pieces`` and all that they need, each once and after what it needs."""
    found: dict[str, Piece] = {}

    def add(piece: Piece) -> None:
        for need in piece.needs.values():
            add(need)
        found.setdefault(piece.id, piece)

    for piece in pieces:
        add(piece)
    return list(found.values())
