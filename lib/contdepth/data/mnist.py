"""MNIST from its four canonical idx files."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import torch

from contdepth.data.labelled import Labelled, cut
from contdepth.data.store import DataError, obtain

__all__ = ["mnist", "read_idx"]

MAGIC = {1: 2049, 3: 2051}


def read_idx(content: bytes, dimensions: int) -> np.ndarray:
    """The uint8 array of an unpacked idx file with so many dimensions (1 labels, 3 images)."""
    header = 4 * (1 + dimensions)
    magic, *shape = struct.unpack(f">{1 + dimensions}I", content[:header])
    if magic != MAGIC[dimensions] or len(content) != header + int(np.prod(shape)):
        raise DataError(
            f"idx file: expected magic {MAGIC[dimensions]} and {shape} values, found magic {magic} and "
            f"{len(content) - header} values"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def mnist(split: str, limit: int | None = None) -> Labelled:
    """MNIST: images (60000 or 10000, 1, 28, 28)."""
    stem = {"train": "train", "test": "t10k"}[split]
    images = read_idx(gzip.decompress(obtain("mnist", f"{stem}-images-idx3-ubyte.gz")), 3)
    labels = read_idx(gzip.decompress(obtain("mnist", f"{stem}-labels-idx1-ubyte.gz")), 1)
    return cut(Labelled(torch.tensor(images[:, None]), torch.tensor(labels, dtype=torch.int64)), limit)
