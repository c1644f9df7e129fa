"""Keys of pieces: a digest of what a piece computes, whatever machine does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from companion.errors import RunError
from companion.pieces.piece import Piece

__all__ = ["canonical", "data_digests", "digest", "key_of", "keys_of"]


def canonical(value: object) -> str:
    """Return JSON text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: object) -> str:
    """Return the SHA-256 of a value's canonical text."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def key_of(root: Path, piece: Piece) -> str:
    """Return the key of a piece: a digest of its function and that function's code, arguments, data and needs."""
    return keys_of(root, [piece])[piece.id]


def keys_of(root: Path, pieces: Iterable[Piece]) -> dict[str, str]:
    """Return piece id -> key, of ``pieces`` and all that they need, for the library as it is now."""
    from companion.freshness.code.symbols import library_at
    from companion.pieces.code import digest_in

    library, found = library_at(root), {}

    def key(piece: Piece) -> str:
        if piece.id not in found:
            parts = {
                "function": piece.function,
                "code": digest_in(library, piece.function),
                "arguments": piece.arguments,
                "data": data_digests(root, piece),
                "needs": {name: key(need) for name, need in piece.needs.items()},
            }
            found[piece.id] = digest(parts)
        return found[piece.id]

    for piece in pieces:
        key(piece)
    return found


def data_digests(root: Path, piece: Piece) -> dict[str, str]:
    """Return data set -> digest of what the registry says its files are; raise :class:`RunError` for an unknown
    one.
    """
    from companion.root import registry_path

    path = registry_path(root)
    state = path.stat().st_mtime_ns if path.is_file() else 0
    known = _registry(path, state) if piece.data else {}
    for name in piece.data:
        if name not in known:
            raise RunError(f"piece {piece.id}: expected a data set of the registry, found {name!r}")
    return {name: known[name] for name in sorted(piece.data)}


@lru_cache(maxsize=4)
def _registry(path: Path, state: int) -> dict[str, str]:
    entries = json.loads(path.read_text(encoding="utf-8")) if state else {}
    return {name: digest(_files(entry)) for name, entry in entries.items()}


def _files(entry: Mapping[str, Any]) -> Any:
    """Return the files of an entry by their digests; all of it where it names none."""
    files = entry.get("files")
    if isinstance(files, dict) and all(isinstance(one, dict) and "sha256" in one for one in files.values()):
        return {name: one["sha256"] for name, one in files.items()}
    return entry
