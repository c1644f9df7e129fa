"""CIFAR-10 from the canonical python batches or from smaller lossless forms of them, without unpickling anything.

A python batch is a pickle of fixed layout: opcodes with the 10,000 labels, one byte string of 10,000 rows of
3,072 bytes (1,024 red, green, blue, row-major) at a known offset, then the file names. The rows are sliced, the
labels are read from the opcodes; no opcode is ever executed. The SHA-256 of the whole batch is checked first.
"""

from __future__ import annotations

import io
import lzma
import pickletools
import struct
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from contdepth.data.labelled import Labelled, cut
from contdepth.data.registry import entry
from contdepth.data.store import DataError, cache_folder, download, folders, remedy, verify
from contdepth.files import write_atomically

__all__ = ["cifar10", "parse_batch"]

ROWS, ROW = 10_000, 3_072
FOLDER = "cifar-10-batches-py"
BATCHES = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def parse_batch(content: bytes, offset: int, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (rows, 3, 32, 32) and labels int64 (rows,) of a python batch with pixels from ``offset`` on."""
    size = rows * ROW
    if content[offset - 5 : offset] != b"T" + struct.pack("<I", size) or len(content) < offset + size:
        raise DataError(f"CIFAR-10 batch: expected {rows} rows at byte {offset}, found another layout")
    labels: list[int] = []
    inside = False
    for opcode, argument, _ in pickletools.genops(content[: offset - 5] + b"."):
        if opcode.name == "SHORT_BINSTRING":
            inside = argument == "labels" or (inside and argument != "data")
        elif inside and opcode.name == "BININT1":
            labels.append(argument)  # type: ignore[arg-type]
    if len(labels) != rows or not all(0 <= label < len(CLASSES) for label in labels):
        raise DataError(f"CIFAR-10 batch: expected {rows} labels in 0…9, found {len(labels)}")
    pixels = np.frombuffer(content, np.uint8, count=size, offset=offset).reshape(rows, 3, 32, 32)
    return pixels, np.array(labels, dtype=np.int64)


def from_webp(packed: bytes) -> bytes:
    """The canonical batch from ``head.bin``, lossless strips of 32-pixel-wide images, ``tail.bin``."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        parts = [archive.read("head.bin")]
        for strip in sorted(n for n in archive.namelist() if n.endswith(".webp")):
            with Image.open(io.BytesIO(archive.read(strip))) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            parts.append(pixels.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2).tobytes())
        return b"".join([*parts, archive.read("tail.bin")])


def from_archive(path: Path, batch: str) -> bytes:
    """One batch out of the canonical tar.gz, read as a stream; nothing is written to disk."""
    with tarfile.open(path, "r:gz") as archive:
        stream = archive.extractfile(f"{FOLDER}/{batch}")
        if stream is None:
            raise KeyError(batch)
        return stream.read()


def read_form(path: Path, batch: str) -> bytes:
    """The canonical bytes of ``batch`` out of whichever form ``path`` is; its packed checksum is checked here."""
    if path.name.endswith(".tar.gz"):
        return from_archive(path, batch)
    content = path.read_bytes()
    packed = entry("cifar10")["files"][batch]["packed"]
    if path.name == Path(packed["local"]).name:
        verify("cifar10", packed["local"], path, content, packed["sha256"])
        return lzma.decompress(content) if path.suffix == ".xz" else from_webp(content)
    return content


def forms(folder: Path, batch: str) -> list[Path]:
    """Where ``batch`` may lie in ``folder``: unpacked, packed, or inside the canonical archive."""
    info = entry("cifar10")
    packed = info["files"][batch]["packed"]["local"]
    archive = info["archive"]["name"]
    places = (
        f"{FOLDER}/{batch}",
        f"cifar10/{FOLDER}/{batch}",
        f"cifar10/{batch}",
        packed,
        archive,
        f"cifar10/{archive}",
    )
    return [folder / place for place in places if (folder / place).is_file()]


def batch_bytes(batch: str) -> bytes:
    """Checked canonical bytes of one batch; a copy decoded from a packed form is kept in the cache folder."""
    info = entry("cifar10")
    place, expected = f"{FOLDER}/{batch}", info["files"][batch]["sha256"]
    kept = cache_folder() / place
    if kept.is_file():
        with suppress(DataError):
            return verify("cifar10", place, kept, kept.read_bytes(), expected)
    found = [p for folder in folders() for p in forms(folder, batch) if p != kept]
    path = (
        found[0]
        if found
        else download("cifar10", info["archive"]["name"], info["archive"]["url"], f"md5:{info['archive']['md5']}")
    )
    try:
        content = read_form(path, batch)
    except DataError:
        raise
    except Exception as reason:
        raise DataError(
            f"{path}: expected {batch} with sha256 {expected}, found a file that cannot be decoded "
            f"({type(reason).__name__}); {remedy('cifar10', place)}"
        ) from reason
    verify("cifar10", place, path, content, expected)
    if path.name != batch:
        with suppress(OSError):
            write_atomically(kept, lambda stream: stream.write(content))
    return content


def cifar10(split: str, limit: int | None = None) -> Labelled:
    """CIFAR-10: images (50000 or 10000, 3, 32, 32); only the batches that ``limit`` needs are read."""
    batches = BATCHES[split]
    if limit is not None:
        batches = batches[: max(1, -(-limit // ROWS))]
    offsets = {batch: entry("cifar10")["files"][batch]["offset"] for batch in batches}
    parts = [parse_batch(batch_bytes(batch), offsets[batch]) for batch in batches]
    images, labels = (torch.from_numpy(np.concatenate(arrays)) for arrays in zip(*parts, strict=True))
    return cut(Labelled(images, labels), limit)
