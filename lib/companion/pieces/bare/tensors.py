"""What the library uses of safetensors, by the reader and writer of the pieces' own weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from companion.errors import RunError
from companion.pieces.weights import read_weights, weights_bytes, weights_in

__all__ = ["SafetensorError", "load", "load_file", "save", "save_file"]


class SafetensorError(Exception):
    """Bytes that are no safetensors file, or a tensor that such a file cannot hold."""


def load(content: bytes) -> dict[str, Any]:
    """Return the tensors in the bytes of a file."""
    try:
        return weights_in(content, "tensors")
    except RunError as error:
        raise SafetensorError(str(error)) from None


def load_file(filename: str | Path, device: str = "cpu") -> dict[str, Any]:
    """Return the tensors of a file on ``device``."""
    try:
        return {name: tensor.to(device) for name, tensor in read_weights(Path(filename)).items()}
    except RunError as error:
        raise SafetensorError(str(error)) from None


def save(tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a file that holds ``tensors``, by name."""
    try:
        return weights_bytes(tensors, metadata)
    except RunError as error:
        raise SafetensorError(str(error)) from None


def save_file(tensors: Mapping[str, Any], filename: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write ``tensors`` to a file."""
    Path(filename).write_bytes(save(tensors, metadata))
