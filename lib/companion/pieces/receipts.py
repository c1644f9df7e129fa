"""Receipts: what a piece found and what it took, one JSON file each below ``results/pieces``, by its key."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from companion.errors import RunError
from companion.pieces.keys import digest, key_of
from companion.pieces.piece import SHORT, Piece
from companion.pieces.weights import described

__all__ = [
    "SCHEMA",
    "Receipt",
    "find",
    "pieces_folder",
    "problem",
    "read_receipt",
    "receipt_path",
    "weights_path",
    "work_folder",
]

SCHEMA = 1
"""Version of the receipt's layout."""
FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
"""How a result that is no finite number stands in JSON."""


@dataclass(frozen=True)
class Receipt:
    """What one piece found, and the file of its weights, if it has any, at ``weights_file``.

    ``seconds`` is the time of all ``tries`` that ended by themselves or were stopped.
    """

    id: str
    key: str
    function: str
    code: str
    arguments: Mapping[str, Any]
    data: Mapping[str, str]
    needs: Mapping[str, str]
    result: Mapping[str, Any]
    weights: Mapping[str, Any] | None
    device: Mapping[str, str]
    machine: str
    versions: Mapping[str, str]
    commit: str
    started: str
    seconds: float
    tries: int
    peak_mib: float
    peak_device_mib: float | None
    weights_file: Path | None = None


NAMES = tuple(field.name for field in fields(Receipt) if field.name != "weights_file")


def pieces_folder(root: Path) -> Path:
    """Return where receipts are stored, ``results/pieces``."""
    return root / "results" / "pieces"


def receipt_path(root: Path, piece: Piece, key: str) -> Path:
    """Return where the receipt of a piece with this key is stored."""
    return pieces_folder(root) / piece.chapter / piece.group / f"{key[:SHORT]}.json"


def weights_path(root: Path, piece: Piece, key: str) -> Path:
    """Return where the weights of a piece with this key are stored."""
    return receipt_path(root, piece, key).with_suffix(".safetensors")


def work_folder(root: Path, key: str) -> Path:
    """Return where an unfinished piece keeps its checkpoint and what its tries took."""
    return root / "_build" / "pieces" / key[:SHORT]


def find(root: Path, piece: Piece, key: str | None = None) -> Receipt | None:
    """Return the valid receipt of a piece, or None; ``key`` is the piece's where it is known."""
    key = key or key_of(root, piece)
    path = receipt_path(root, piece, key)
    try:
        return read_receipt(path, key) if path.is_file() else None
    except RunError:
        return None


def problem(root: Path, piece: Piece, key: str | None = None) -> str | None:
    """Return what is wrong with a stored receipt of the present key, as a sentence; None if nothing, or it is not
    there.
    """
    key = key or key_of(root, piece)
    path = receipt_path(root, piece, key)
    try:
        if path.is_file():
            read_receipt(path, key)
    except RunError as error:
        return str(error)
    return None


def read_receipt(path: Path, key: str, weights: Path | None = None) -> Receipt:
    """Return the receipt at ``path``, which must have this ``key``; raise :class:`RunError` for any other.

    ``weights`` is where its weights are, if it has any: beside it by default.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path.name}: expected a receipt, found this: {error}") from None
    version = data.pop("schema", None) if isinstance(data, dict) else None
    if version != SCHEMA:
        raise RunError(f"{path.name}: expected a receipt of schema {SCHEMA}, found {version!r}")
    if odd := set(NAMES) ^ set(data):
        found = ", ".join(sorted(odd))
        raise RunError(f"{path.name}: expected exactly the keys of a receipt, found a difference in {found}")
    _check_types(path, data)
    parts = {name: data[name] for name in ("function", "code", "arguments", "data", "needs")}
    if data["key"] != _digest(parts):
        raise RunError(f"{path.name}: expected the key of its own function, code and arguments, found another")
    if data["key"] != key:
        raise RunError(f"{path.name}: expected the key {key[:SHORT]}, found {data['key'][:SHORT]}")
    weights = weights or path.with_suffix(".safetensors")
    if data["weights"] is not None and (here := described(weights)) != data["weights"]:
        raise RunError(
            f"{weights.name}: expected weights of the digest {data['weights'].get('digest')!r:.20}, "
            f"found {here['digest']!r:.20}"
        )
    data["result"] = _numbers(data["result"])
    return Receipt(**data, weights_file=weights if data["weights"] is not None else None)


def _digest(parts: object) -> str:
    try:
        return digest(parts)
    except ValueError:  # a number that is not finite
        return ""


_TYPES: dict[str, tuple[Any, str]] = {
    **dict.fromkeys(("arguments", "data", "needs", "result", "device", "versions"), (dict, "a mapping")),
    **dict.fromkeys(("id", "key", "function", "code", "machine", "commit", "started"), (str, "text")),
    **dict.fromkeys(("seconds", "tries", "peak_mib"), ((int, float), "a number")),
    "weights": ((dict, type(None)), "a mapping or null"),
    "peak_device_mib": ((int, float, type(None)), "a number or null"),
}


def _check_types(path: Path, data: Mapping[str, Any]) -> None:
    for name, (kind, words) in _TYPES.items():
        if not isinstance(data[name], kind) or isinstance(data[name], bool):
            raise RunError(f"{path.name}: expected {words} for {name}, found {data[name]!r:.60}")


def _numbers(value: Any) -> Any:
    """Return a result with numbers in the places of the texts that stand for those that are not finite."""
    if isinstance(value, dict):
        return {name: _numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return FINITE.get(value, value) if isinstance(value, str) else value
