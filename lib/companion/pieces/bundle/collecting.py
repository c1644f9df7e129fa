"""Results that were carried home: checked as a whole, then stored; of what is refused nothing is stored."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from companion.errors import CompanionError
from companion.pieces.bare.results import INDEX, MOST_BYTES, MOST_FILES
from companion.pieces.keys import keys_of
from companion.pieces.piece import SHORT, Piece, ordered
from companion.pieces.plan import all_groups
from companion.pieces.receipts import Receipt, find, read_receipt, work_folder
from companion.pieces.storing import store

__all__ = ["Collected", "collect"]

MEMBER = re.compile(
    r"(receipts/(?P<receipt>[0-9a-f]{16})\.(json|safetensors))|(begun/(?P<begun>[0-9a-f]{16})/[^\\:]+)"
)
MOST_UNPACKED = 10 * MOST_BYTES


@dataclass(frozen=True)
class Collected:
    """What ``collect`` stored: pieces, those that were stored before, those that go on, and what failed there."""

    stored: tuple[str, ...]
    before: tuple[str, ...]
    begun: tuple[str, ...]
    failed: Mapping[str, str]


def collect(root: Path, folder: Path) -> Collected:
    """Check the results in ``folder`` (or its ``results``) and store them.

    Raises :class:`CompanionError`, one sentence, where a file is damaged or missing, or where a piece is none of
    the present plan or of another version of the library; then nothing is stored.
    """
    folder = folder if (folder / INDEX).is_file() else folder / "results"
    index = _index(folder / INDEX)
    pieces = {piece.id: piece for piece in ordered(piece for group in all_groups(root) for piece in group.pieces)}
    keys = keys_of(root, pieces.values())
    by_name = {key[:SHORT]: pieces[id] for id, key in keys.items()}
    build = root / "_build" / "pieces"
    build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="collect-", dir=build) as scratch:
        inside = Path(scratch)
        _unpack(_content(folder, index), inside)
        receipts = {
            path.stem: _checked(path, pieces, keys) for path in sorted((inside / "receipts").glob("*.json"))
        }
        if sorted(receipts) != sorted(index["receipts"]):
            raise _damaged(folder, "the receipts that the index names", "others")
        found = sorted(path.name for path in (inside / "begun").glob("*"))
        for name in found:
            if name not in by_name:
                raise CompanionError(
                    f"{name}: expected an unfinished piece of the present plan, found none; not stored"
                )
        before = {receipt.id for receipt in receipts.values() if find(root, pieces[receipt.id], receipt.key)}
        for receipt in receipts.values():
            store(root, pieces[receipt.id], _as_left(inside, receipt))
        begun = [by_name[name] for name in found if find(root, by_name[name], keys[by_name[name].id]) is None]
        for piece in begun:
            _replace(inside / "begun" / keys[piece.id][:SHORT], work_folder(root, keys[piece.id]))
    stored = sorted({receipt.id for receipt in receipts.values()} - before)
    return Collected(tuple(stored), tuple(sorted(before)), tuple(piece.id for piece in begun), index["failed"])


def _damaged(folder: Path, expected: str, found: str) -> CompanionError:
    return CompanionError(f"{folder}: expected {expected}, found {found}; carry the results home again")


def _index(path: Path) -> dict[str, Any]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        plain = index["schema"] == 1 and len(index["chunks"]) < MOST_FILES
        names = [chunk["name"] for chunk in index["chunks"] if re.fullmatch(r"results-[\w-]+\.bin", chunk["name"])]
        digests = [str(chunk["sha256"]) for chunk in index["chunks"]]
        said = all(
            isinstance(name, str) for name in (*index["receipts"], *index["begun"], *index["failed"].values())
        )
        if not plain or not said or len(names) != len(digests):
            raise ValueError("another layout")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CompanionError(f"{path}: expected the index of a bundle's results, found {error!r:.80}") from None
    return index


def _content(folder: Path, index: Mapping[str, Any]) -> bytes:
    """Return the archive whose pieces are files of ``folder``, each checked."""
    parts = []
    for chunk in index["chunks"]:
        path = folder / chunk["name"]
        content = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(content).hexdigest() != chunk["sha256"]:
            raise _damaged(
                path, f"sha256 {chunk['sha256'][:12]}…", "another" if path.is_file() else "no such file"
            )
        parts.append(content)
    return b"".join(parts)


def _unpack(content: bytes, inside: Path) -> None:
    """Unpack what a bundle writes, and nothing else."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = 0
            for member in archive.infolist():
                size += member.file_size
                if not MEMBER.fullmatch(member.filename) or ".." in member.filename or size > MOST_UNPACKED:
                    raise _damaged(Path(member.filename), "receipts, weights and checkpoints alone", "this")
                target = inside / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(member))
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
        raise _damaged(inside, "an archive", type(error).__name__) from None


def _checked(path: Path, pieces: Mapping[str, Piece], keys: Mapping[str, str]) -> Receipt:
    """Return the receipt at ``path`` if it is that of a piece of the present plan; raise otherwise."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        id, key, code = str(told["id"]), str(told["key"]), str(told["commit"])
    except (ValueError, KeyError, TypeError) as error:
        raise CompanionError(
            f"{path.name}: expected a receipt, found {type(error).__name__}; nothing is stored"
        ) from None
    if id not in pieces:
        raise CompanionError(f"{path.name}: expected a piece of the present plan, found {id!r}; nothing is stored")
    receipt = read_receipt(path, key)
    if key != keys[id]:
        raise CompanionError(
            f"piece {id}: expected the key {keys[id][:SHORT]} of the present plan and library, found "
            f"{key[:SHORT]} of commit {code[:12]}; nothing is stored"
        )
    if path.stem != key[:SHORT]:
        raise CompanionError(f"{path.name}: expected {key[:SHORT]}.json, the name of its key; nothing is stored")
    return receipt


def _as_left(inside: Path, receipt: Receipt) -> Path:
    """Return a folder in which a receipt lies as a piece's process leaves it."""
    name, folder = receipt.key[:SHORT], inside / "left" / receipt.key[:SHORT]
    folder.mkdir(parents=True)
    shutil.move(inside / "receipts" / f"{name}.json", folder / "receipt.json")
    if receipt.weights_file is not None:
        shutil.move(receipt.weights_file, folder / "weights.safetensors")
    return folder


def _replace(source: Path, target: Path) -> None:
    """Put a folder in the place of another."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.move(source, target)
