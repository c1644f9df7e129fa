"""Test and training pictures for restoration: BSD68, Set12, Train400, Classic5, LIVE1."""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image

from contdepth import checks
from contdepth.data.registry import entry
from contdepth.data.store import DataError, obtain

__all__ = ["Picture", "pictures"]

SETS = ("bsd68", "set12", "train400", "classic5", "live1")


class Picture(NamedTuple):
    """``name`` without ending, and ``pixels`` uint8 (height, width), or (height, width, 3) for LIVE1."""

    name: str
    pixels: np.ndarray


def pictures(name: str, limit: int | None = None) -> list[Picture]:
    """All pictures (or the first ``limit``) of a set, sorted by name.

    68 of 321x481 or 481x321 (``bsd68``), 12 of 256x256 or 512x512 (``set12``), 400 of 180x180 (``train400``), 5 of
    512x512 (``classic5``), 29 colour ones (``live1``). Raises ``DataError`` if the file is missing or damaged.
    """
    checks.one_of("name", name, SETS)
    info = entry(name)
    if limit is not None:
        checks.integer("limit", limit, at_least=1, at_most=info["images"])
    (file,) = info["files"]
    with zipfile.ZipFile(io.BytesIO(obtain(name, file))) as archive:
        members = sorted(n for n in archive.namelist() if n.endswith(".png"))
        if len(members) != info["images"]:
            raise DataError(f"{file}: expected {info['images']} pictures, found {len(members)}")
        out = []
        for member in members[:limit]:
            with Image.open(io.BytesIO(archive.read(member))) as picture:
                out.append(Picture(PurePosixPath(member).stem, np.asarray(picture)))
    return out
