"""A bundle as a folder of parts: code and pieces in the first, data where there is room."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from companion.errors import CompanionError
from companion.freshness.code.symbols import library_at
from companion.machine import git_state
from companion.pieces.bare import run
from companion.pieces.bare.manifest import MANIFEST, File, Manifest, Task, part_folder
from companion.pieces.bundle.contents import code_files
from companion.pieces.bundle.data import data_files
from companion.pieces.bundle.parts import divided
from companion.pieces.bundle.wording import told
from companion.pieces.code import digest_in, parameters
from companion.pieces.keys import data_digests, keys_of
from companion.pieces.piece import SHORT, Piece
from companion.pieces.receipts import find, receipt_path, weights_path, work_folder

__all__ = ["make_bundle"]

LIB = Path(__file__).resolve().parents[3]
"""The folder that holds this package."""
RUN = Path(str(run.__file__))


@dataclass
class _Contents:
    """Files of a bundle by name: in part 1, and wherever there is room."""

    first: dict[str, bytes] = field(default_factory=dict)
    rest: dict[str, bytes] = field(default_factory=dict)
    sets: dict[str, list[str]] = field(default_factory=dict)
    """Data set -> names of its files in the bundle."""


def make_bundle(
    root: Path, page: str, profile: str, pieces: Sequence[Piece], out: Path, *, minutes: float, mib: float
) -> Manifest:
    """Write the bundle for those of ``pieces`` (each after what it needs) that are not done.

    ``out`` is its new folder, ``minutes`` is what one call of its ``run.py`` takes at most, ``mib`` what a part
    takes. Checkpoints of pieces that were begun here go with it. Raises :class:`CompanionError` where nothing is
    to be done, a data set is not at hand, or the folder is not new.
    """
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise CompanionError(f"--out: expected a new folder, found {out}; remove it, or name another")
    keys = keys_of(root, pieces)
    missing = [piece for piece in pieces if find(root, piece, keys[piece.id]) is None]
    if not missing:
        raise CompanionError(f"bundle {page}: expected pieces that are missing, found all {len(pieces)} done")
    contents = _Contents()
    contents.first["run.py"] = RUN.read_bytes()
    for name, path in code_files(root, LIB, {piece.function for piece in missing}).items():
        contents.first[name] = path.read_bytes()
    for set_, place, content in data_files(root, sorted({name for piece in missing for name in piece.data})):
        contents.rest[f"data/{place}"] = content
        contents.sets.setdefault(set_, []).append(f"data/{place}")
    _add_given(root, missing, keys, contents)
    _add_begun(root, missing, keys, contents)
    tasks = _tasks(root, missing, keys, contents)
    sizes = {name: len(content) for name, content in contents.rest.items()}
    code = sum(len(content) for content in contents.first.values())
    around = len(json.dumps([task.job for task in tasks])) + 200 * len({**contents.first, **sizes}) + 10_000
    placed = {**dict.fromkeys(contents.first, 1), **divided(code + around, sizes, mib)}
    files = {
        name: File(hashlib.sha256(content).hexdigest(), len(content), placed[name])
        for name, content in {**contents.first, **contents.rest}.items()
    }
    commit = git_state(root)[0]
    manifest = Manifest(page, profile, commit, minutes, max(placed.values()), files, tuple(tasks))
    _write(out, manifest, {**contents.first, **contents.rest})
    return manifest


def _tasks(root: Path, pieces: Iterable[Piece], keys: Mapping[str, str], contents: _Contents) -> list[Task]:
    library, (commit, dirty) = library_at(root), git_state(root)
    found = []
    for piece in pieces:
        job: dict[str, Any] = {
            "schema": 1,
            "id": piece.id,
            "key": keys[piece.id],
            "function": piece.function,
            "code": digest_in(library, piece.function),
            "arguments": dict(piece.arguments),
            "data": data_digests(root, piece),
            "commit": commit + (" with local changes" if dirty else ""),
        }
        data = tuple(name for set_ in piece.data for name in contents.sets[set_])
        needs = {name: keys[need.id] for name, need in piece.needs.items()}
        resumes = "checkpoint" in parameters(library, piece.function)
        found.append(Task(piece.id, keys[piece.id], piece.device, piece.minutes, job, data, needs, resumes))
    return found


def _add_given(root: Path, pieces: Iterable[Piece], keys: Mapping[str, str], contents: _Contents) -> None:
    """Add the stored receipts, with weights, of what ``pieces`` need."""
    for need in [need for piece in pieces for need in piece.needs.values()]:
        key = keys[need.id]
        receipt = find(root, need, key)
        if receipt is None:
            continue
        contents.first[f"given/{key[:SHORT]}.json"] = receipt_path(root, need, key).read_bytes()
        if receipt.weights_file is not None:
            contents.first[f"given/{key[:SHORT]}.safetensors"] = weights_path(root, need, key).read_bytes()


def _add_begun(root: Path, pieces: Iterable[Piece], keys: Mapping[str, str], contents: _Contents) -> None:
    """Add what pieces that were begun go on from."""
    for piece in pieces:
        folder = work_folder(root, keys[piece.id])
        for path in sorted(folder.rglob("*")) if (folder / "tries.json").is_file() else ():
            if path.is_file() and path.suffix != ".part" and path.name != ".held":
                place = path.relative_to(folder.parent).as_posix()
                contents.first[f"begun/{place}"] = path.read_bytes()


def _write(out: Path, manifest: Manifest, contents: Mapping[str, bytes]) -> None:
    """Write the parts beside ``out`` and move them there when they are complete."""
    scratch = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        for name, content in contents.items():
            path = scratch / part_folder(manifest.files[name].part) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        first = scratch / part_folder(1)
        (first / MANIFEST).write_text(manifest.text(), encoding="utf-8", newline="\n")
        (first / "README.txt").write_text(told(manifest), encoding="utf-8", newline="\n")
        if out.is_dir():
            out.rmdir()
        os.replace(scratch, out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
