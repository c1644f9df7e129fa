"""Results of a bundle as they are carried home: few files of limited size, each known by its digest.

One archive holds receipts, weights and, where there is room, what unfinished pieces go on from; it is cut into
files, and ``index.json``, written last, names them.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from companion.pieces.files import write_whole

__all__ = ["INDEX", "MOST_FILES", "MOST_FILE_BYTES", "MOST_BYTES", "Packed", "pack"]

INDEX = "index.json"
SCHEMA = 1
MOST_FILES = 8
MOST_FILE_BYTES = 16_000_000
MOST_BYTES = 64_000_000
ROOM = 1_000_000
"""Bytes kept free for the index and for what the archive writes around its members."""
AROUND = 300
"""Bytes that an archive writes around a member, at most, for the names used here."""


@dataclass(frozen=True)
class Packed:
    """What is in the files: names of receipts, names of unfinished pieces, and of what had no room."""

    receipts: tuple[str, ...]
    begun: tuple[str, ...]
    left: tuple[str, ...]


def pack(
    results: Path,
    scratch: Path,
    bundle: str,
    done: Path,
    begun: Iterable[Path] = (),
    failed: Mapping[str, str] = {},
) -> Packed:
    """Write what lies in ``done`` (``NAME.json`` and ``NAME.safetensors``) and in the folders ``begun``.

    ``bundle`` is the digest of the manifest, ``failed`` maps pieces to what they said. The newest receipts come
    first; at most ``MOST_FILES`` files of ``MOST_FILE_BYTES`` are written, ``MOST_BYTES`` together.
    """
    room, members = MOST_BYTES - ROOM, []
    taken: dict[str, list[str]] = {"receipts": [], "begun": [], "left": []}
    receipts = sorted(done.glob("*.json"), key=lambda path: (-path.stat().st_mtime, path.name))
    groups = [("receipts", path.stem, [path, path.with_suffix(".safetensors")], done) for path in receipts]
    groups += [("begun", folder.name, sorted(folder.rglob("*")), folder.parent) for folder in begun]
    for kind, name, paths, base in groups:
        files = [path for path in paths if path.is_file()]
        size = sum(path.stat().st_size + AROUND for path in files)
        if size > room:
            taken["left"].append(name)
            continue
        room -= size
        taken[kind].append(name)
        members += [(f"{kind}/{path.relative_to(base).as_posix()}", path) for path in files]
    archive = scratch / "results.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=3, strict_timestamps=False) as stream:
        for name, path in members:
            stream.write(path, name)
    chunks = _cut(archive, results)
    index = {"schema": SCHEMA, "bundle": bundle, "chunks": chunks, "failed": dict(failed), **taken}
    write_whole(results / INDEX, (json.dumps(index, indent=1) + "\n").encode())
    for path in results.glob("results-*.bin"):
        if path.name not in {chunk["name"] for chunk in chunks}:
            path.unlink()
    archive.unlink()
    return Packed(*(tuple(taken[kind]) for kind in ("receipts", "begun", "left")))


def _cut(archive: Path, results: Path) -> list[dict[str, str]]:
    """Write the archive in files of ``MOST_FILE_BYTES``, named by their content; return names and digests."""
    found: list[dict[str, str]] = []
    with archive.open("rb") as stream:
        while content := stream.read(MOST_FILE_BYTES):
            mark = hashlib.sha256(content).hexdigest()
            name = f"results-{len(found) + 1}-{mark[:12]}.bin"
            if not (results / name).is_file():
                write_whole(results / name, content)
            found.append({"name": name, "sha256": mark})
    return found
