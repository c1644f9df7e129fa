"""Where data files come from: CONTDEPTH_DATA, the cache folder, or the canonical address; always checked."""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_cache_path

from contdepth.data.registry import entry
from contdepth.errors import DataError

__all__ = ["DataError", "cache_folder", "obtain", "verify"]


def cache_folder() -> Path:
    """Folder for downloads and decoded copies: CONTDEPTH_CACHE, or the user's cache as in pooch.os_cache."""
    return Path(os.path.expanduser(os.environ.get("CONTDEPTH_CACHE") or user_cache_path("contdepth")))


def local_folder() -> Path | None:
    """The folder CONTDEPTH_DATA, or None if the variable is not set; raise ``DataError`` where it is no folder."""
    value = os.environ.get("CONTDEPTH_DATA")
    folder = Path(os.path.expanduser(value)) if value else None
    if folder is not None and not folder.is_dir():
        raise DataError(f"CONTDEPTH_DATA: expected a folder, found {folder}; set it to the folder of local copies")
    return folder


def folders() -> Iterator[Path]:
    """Where files are looked for, in order: CONTDEPTH_DATA if it is set, then the cache folder."""
    home = local_folder()
    if home is not None:
        yield home
    yield cache_folder()


def digest(content: bytes, algorithm: str = "sha256") -> str:
    """Hex checksum of ``content``."""
    return hashlib.new(algorithm, content).hexdigest()


def remedy(name: str, place: str) -> str:
    """The end of every message: what to do about a file of the set ``name`` that belongs at ``place``."""
    e = entry(name)
    home = local_folder()
    folder = f"{home} (CONTDEPTH_DATA)" if home else "a folder and set CONTDEPTH_DATA to that folder"
    return f"put the file from {e['source']} at {place} in {folder}, or use {e['without']}"


def verify(name: str, place: str, origin: Path, content: bytes, expected: str, algorithm: str = "sha256") -> bytes:
    """Return ``content`` if its checksum is ``expected``; raise ``DataError`` with both sums otherwise."""
    found = digest(content, algorithm)
    if found != expected:
        raise DataError(
            f"{origin}: expected {algorithm} {expected}, found {found} ({len(content)} bytes); "
            f"the file is damaged or another version: {remedy(name, place)}"
        )
    return content


def download(name: str, place: str, url: str, known_hash: str) -> Path:
    """Fetch ``url`` into the cache folder; pooch writes to a temporary file and checks it before it moves it.

    pooch is imported only here: it imports tqdm.auto, which warns in a Jupyter kernel without ipywidgets.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import pooch

    target = cache_folder() / place
    try:
        return Path(
            pooch.retrieve(
                url, known_hash=known_hash, fname=target.name, path=target.parent, progressbar=sys.stderr.isatty()
            )
        )
    except Exception as reason:
        raise DataError(
            f"{target}: expected {known_hash.replace(':', ' ')} from {url}, found no such download "
            f"({type(reason).__name__}); {remedy(name, place)}"
        ) from reason


def obtain(name: str, file: str) -> bytes:
    """The checked bytes of one file of a set. A damaged local file is an error, never replaced silently."""
    info = entry(name)["files"][file]
    place, expected = info["local"], info["sha256"]
    for folder in folders():
        path = folder / place
        if path.is_file():
            return verify(name, place, path, path.read_bytes(), expected)
    if info["url"] is None:
        raise DataError(f"{place}: expected a file with sha256 {expected}, found none; {remedy(name, place)}")
    path = download(name, place, info["url"], f"sha256:{expected}")
    return verify(name, place, path, path.read_bytes(), expected)
