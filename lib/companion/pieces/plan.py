"""The plan of a chapter's pieces, ``book/<chapter>/pieces.yml``, as groups and pieces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from companion.book.toc import chapters
from companion.documents import Document, read_document, schema_problems
from companion.errors import CompanionError, DocumentError, nearest
from companion.pieces.piece import Group, Piece, ordered, piece_id
from companion.pieces.plan_rules import combinations, structure_problems
from companion.root import chapter_folder

__all__ = ["all_groups", "find_groups", "find_piece", "load_plan", "pieces_of", "pieces_path"]


def pieces_path(root: Path, chapter: str) -> Path:
    """Return the chapter's plan, ``book/<chapter>/pieces.yml``."""
    return chapter_folder(root, chapter) / "pieces.yml"


def load_plan(root: Path, chapter: str) -> list[Group]:
    """Return the groups of a chapter, none where it has no plan; raise :class:`DocumentError` where the plan
    breaks its rules.
    """
    path = pieces_path(root, chapter)
    if not path.is_file():
        return []
    document = read_document(path, path.relative_to(root).as_posix())
    problems = list(schema_problems(document, "pieces")) or structure_problems(document, chapter)
    if problems:
        raise DocumentError(problems)
    return _groups(document, chapter)


def all_groups(root: Path) -> list[Group]:
    """Return the groups of all chapters in the book's order."""
    return [group for chapter in chapters(root) for group in load_plan(root, chapter)]


def pieces_of(root: Path, page_id: str) -> list[Piece]:
    """Return the pieces of the page ``chapter/name`` and all that they need, each after what it needs."""
    chapter = page_id.partition("/")[0]
    groups = [group for group in load_plan(root, chapter) if group.page_id == page_id]
    return ordered(piece for group in groups for piece in group.pieces)


def find_groups(root: Path, names: list[str], chapter: str | None = None) -> list[Group]:
    """Return the groups called ``names``: ``chapter/group``, or ``group`` where only one has that name.

    Raises :class:`CompanionError` for an unknown name, and one that several chapters have.
    """
    known = load_plan(root, chapter) if chapter else all_groups(root)
    found = []
    for name in names:
        fitting = [group for group in known if name in (group.id, group.name)]
        if not fitting:
            options = [group.id for group in known]
            raise CompanionError(
                f"group: expected one of {', '.join(options) or 'none'}, found {name!r}{nearest(name, options)}"
            )
        if len(fitting) > 1:
            options = [group.id for group in fitting]
            raise CompanionError(f"group: expected one of {' or '.join(options)}, found {name!r}")
        found += fitting
    return found


def find_piece(root: Path, id: str) -> Piece:
    """Return the piece called ``id``; raise :class:`CompanionError` where the plan has none of that name."""
    known = {piece.id: piece for group in all_groups(root) for piece in group.pieces}
    if id not in known:
        raise CompanionError(f"piece: expected one of the book's {len(known)}, found {id!r}{nearest(id, known)}")
    return known[id]


def _groups(document: Document, chapter: str) -> list[Group]:
    items = {item["name"]: item for item in document.data["pieces"]}
    built: dict[str, dict[str, Piece]] = {}

    def build(name: str) -> dict[str, Piece]:
        if name not in built:
            item = items[name]
            needed = {need: (items[other], build(other)) for need, other in item.get("needs", {}).items()}
            built[name] = {
                piece.id: piece
                for combination in combinations(item)
                for piece in [_piece(chapter, item, combination, needed)]
            }
        return built[name]

    return [
        Group(
            name,
            chapter,
            item["page"],
            item["device"],
            float(item["minutes"]),
            tuple(build(name).values()),
            tuple(item.get("data", ())),
            item.get("arms"),
            tuple(item.get("claims", ())),
            item.get("headline"),
        )
        for name, item in items.items()
    ]


def _piece(
    chapter: str,
    item: Mapping[str, Any],
    combination: Mapping[str, Any],
    needed: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Piece]]],
) -> Piece:
    arguments = {**item.get("arguments", {}), **combination}
    needs = {}
    for name, (other, pieces) in needed.items():
        same = {key: arguments[key] for key in other.get("grid", {})}
        needs[name] = pieces[piece_id(chapter, other["name"], same)]
    return Piece(
        piece_id(chapter, item["name"], combination),
        item["name"],
        chapter,
        item["page"],
        item["function"],
        arguments,
        tuple(item.get("data", ())),
        item["device"],
        float(item["minutes"]),
        needs,
    )
