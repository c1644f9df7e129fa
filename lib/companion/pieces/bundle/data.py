"""The files of data sets as they travel: in their smallest form at hand, checked against the registry."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from companion.errors import CompanionError
from companion.root import registry_path
from companion.text import read_text

__all__ = ["Source", "data_files"]


class Source:
    """Where a file of a data set is read from: a file, or a member of an archive."""

    def __init__(self, path: Path, member: str | None = None) -> None:
        self.path, self.member = path, member

    def content(self) -> bytes:
        """Return the bytes; raise :class:`CompanionError` where they cannot be read."""
        try:
            if self.member is None:
                return self.path.read_bytes()
            with tarfile.open(self.path) as archive:
                stream = archive.extractfile(self.member)
                if stream is not None:
                    return stream.read()
        except (OSError, KeyError, tarfile.TarError):
            pass
        raise CompanionError(f"{self.path}: expected a file that can be read, found another")


def data_files(root: Path, names: Iterable[str]) -> Iterator[tuple[str, str, bytes]]:
    """Yield set, place below CONTDEPTH_DATA and bytes of each file of the data sets called ``names``.

    Raises :class:`CompanionError` for a file that is not at hand or not the registry's.
    """
    registry = json.loads(read_text(registry_path(root))) if registry_path(root).is_file() else {}
    for name in names:
        if name not in registry:
            raise CompanionError(f"data: expected a data set of the registry, found {name!r}")
        for file in registry[name]["files"]:
            place, source, digest = _source(name, file, registry[name])
            content = source.content()
            found = hashlib.sha256(content).hexdigest()
            if found != digest:
                raise CompanionError(
                    f"{source.path}: expected sha256 {digest[:12]}… of the registry, found {found[:12]}…; put the "
                    f"file of {registry[name]['source']} there"
                )
            yield name, place, content


def _source(name: str, file: str, info: Mapping[str, Any]) -> tuple[str, Source, str]:
    """Return place, source and expected digest of a file, the packed form if it is at hand."""
    entry, archive = info["files"][file], info.get("archive")
    packed = entry.get("packed", entry)
    inside = f"cifar-10-batches-py/{file}"
    for folder in _folders():
        if (folder / packed["local"]).is_file():
            return packed["local"], Source(folder / packed["local"]), packed["sha256"]
        if "packed" not in entry or archive is None:
            continue
        for place in (inside, f"{name}/{inside}", f"{name}/{file}"):
            if (folder / place).is_file():
                return inside, Source(folder / place), entry["sha256"]
        for place in (archive["name"], f"{name}/{archive['name']}"):
            if (folder / place).is_file():
                return inside, Source(folder / place, inside), entry["sha256"]
    raise CompanionError(
        f"data set {name}: expected {packed['local']} in CONTDEPTH_DATA or the cache folder, found none; "
        f"put the file of {info['source']} there"
    )


def _folders() -> Iterator[Path]:
    """Yield where files are looked for: CONTDEPTH_DATA, then the cache folder, as the library does."""
    from platformdirs import user_cache_path

    for named in (
        os.environ.get("CONTDEPTH_DATA"),
        os.environ.get("CONTDEPTH_CACHE") or user_cache_path("contdepth"),
    ):
        if named:
            yield Path(os.path.expanduser(named))
