"""What the library uses of safetensors, by the reader and writer of the pieces' own weights."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from companion.errors import RunError
from companion.pieces.weights import read_weights, weights_bytes

__all__ = ["SafetensorError", "load", "load_file", "save", "save_file"]

LENGTH = 8
"""Bytes in which the length of the header stands, the lowest first."""


class SafetensorError(Exception):
    """Bytes that are no safetensors file, or a tensor that such a file cannot hold."""


def load(content: bytes) -> dict[str, Any]:
    """Return the tensors in the bytes of a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tensors"
        path.write_bytes(content)
        return load_file(path)


def load_file(filename: str | Path, device: str = "cpu") -> dict[str, Any]:
    """Return the tensors of a file on ``device``."""
    try:
        return {name: tensor.to(device) for name, tensor in read_weights(Path(filename)).items()}
    except RunError as error:
        raise SafetensorError(str(error)) from None


def save(tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a file that holds ``tensors``, by name."""
    try:
        content = weights_bytes(tensors)
    except RunError as error:
        raise SafetensorError(str(error)) from None
    end = LENGTH + int.from_bytes(content[:LENGTH], "little")
    header = {**({"__metadata__": dict(metadata)} if metadata else {}), **json.loads(content[LENGTH:end])}
    said = json.dumps(header, separators=(",", ":")).encode()
    said += b" " * (-len(said) % LENGTH)
    return len(said).to_bytes(LENGTH, "little") + said + content[end:]


def save_file(tensors: Mapping[str, Any], filename: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write ``tensors`` to a file."""
    Path(filename).write_bytes(save(tensors, metadata))
