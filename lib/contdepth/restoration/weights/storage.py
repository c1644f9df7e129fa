"""Files of weights with the record of their training: the bytes that are checked are the bytes that are loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor, nn

from contdepth.errors import StoredModelError
from contdepth.files import write_atomically

__all__ = ["checked_bytes", "unpacked", "write_weights"]


def checked_bytes(path: Path, sha256: str | None) -> tuple[bytes, str]:
    """The content of ``path`` and its SHA-256, which is ``sha256`` (or that is None).

    Raises:
        StoredModelError: the file is missing, or has another checksum.
    """
    try:
        content = path.read_bytes()
    except OSError as reason:
        raise StoredModelError(
            f"{path}: expected a file of weights, found none ({type(reason).__name__})"
        ) from reason
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise StoredModelError(
            f"{path}: expected sha256 {sha256}, found {found} ({len(content)} bytes); install the package again"
        )
    return content, found


def unpacked(content: bytes, key: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The record under ``key`` and the tensors of the safetensors file with these bytes; none of it is executed.

    The file begins with the length of its JSON header, eight bytes, the lowest first; ``__metadata__`` in the
    header maps names to strings.

    Raises:
        SafetensorError, KeyError, ValueError, TypeError: not such a file, or without a record under ``key``.
    """
    tensors = load(content)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return json.loads(header.get("__metadata__", {})[key]), tensors


def write_weights(path: Path, model: nn.Module, key: str, record: dict[str, Any]) -> Path:
    """Write the weights of ``model``, and ``record`` under ``key``, to the safetensors file ``path``; its path."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    content = save(tensors, {key: json.dumps(record)})
    write_atomically(path, lambda stream: stream.write(content))
    return path
