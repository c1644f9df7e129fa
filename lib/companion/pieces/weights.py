"""Weights of a piece: a file in the safetensors format, known by a digest of its tensors.

The format is a length in eight bytes, a JSON header and the bytes of the tensors
(https://github.com/huggingface/safetensors, README). It is read and written here without that package, so that any
machine can, and so that equal tensors make equal files. The digest is over names, types, shapes and bytes, sorted
by name: another writer's order of entries, or its metadata, is no part of it.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from companion.errors import RunError
from companion.pieces.files import write_whole

__all__ = ["described", "read_weights", "weights_bytes", "weights_in", "write_weights"]

SIZES = {
    "BOOL": ("bool", 1),
    "U8": ("uint8", 1),
    "I8": ("int8", 1),
    "I16": ("int16", 2),
    "I32": ("int32", 4),
    "I64": ("int64", 8),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "F32": ("float32", 4),
    "F64": ("float64", 8),
    "C64": ("complex64", 8),
}
"""Types of the format: what torch calls them, and the bytes of one number."""
METADATA = "__metadata__"
"""The entry of a header that is no tensor."""
MOST_HEADER = 10_000_000
"""Bytes of a header; a longer one is a damaged file."""


def described(path: Path) -> dict[str, Any]:
    """Return ``{"digest", "tensors": {name: {"shape", "dtype"}}, "bytes"}`` of the file at ``path``.

    Raises :class:`RunError` where it is damaged.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise RunError(f"{path.name}: expected weights, found this: {error.strerror}") from None
    return json.loads(_described(path, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=4096)
def _described(path: Path, mtime: int, size: int) -> str:
    entries, content = _entries(_read(path), path.name)
    mark, total = hashlib.sha256(), 0
    for name in sorted(entries):
        kind, shape, start, end = entries[name]
        mark.update(json.dumps([name, kind, shape, end - start]).encode())
        mark.update(content[start:end])
        total += end - start
    tensors = {name: {"shape": entries[name][1], "dtype": entries[name][0]} for name in sorted(entries)}
    return json.dumps({"digest": mark.hexdigest(), "tensors": tensors, "bytes": total})


def read_weights(path: Path) -> dict[str, Any]:
    """Return the tensors of the file at ``path``; raise :class:`RunError` where it is damaged."""
    return weights_in(_read(path), path.name)


def weights_in(whole: bytes, name: str) -> dict[str, Any]:
    """Return the tensors in the bytes of a file, called ``name``; raise :class:`RunError` where it is damaged."""
    torch = _torch()
    entries, content = _entries(whole, name)
    found = {}
    for entry, (kind, shape, start, end) in entries.items():
        dtype = getattr(torch, SIZES[kind][0])
        flat = torch.frombuffer(bytearray(content[start:end]), dtype=dtype) if end > start else torch.empty(0)
        found[entry] = flat.to(dtype).reshape(shape)
    return found


def write_weights(path: Path, tensors: Mapping[str, Any]) -> None:
    """Write tensors as a whole file; raise :class:`RunError` where the format has no place for one of them."""
    write_whole(path, weights_bytes(tensors))


def weights_bytes(tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return the file's bytes: the same for equal tensors, whatever their order, device, strides and lazy
    conjugation. ``metadata`` stands before them in the header.
    """
    torch = _torch()
    kinds = {getattr(torch, name): kind for kind, (name, _) in SIZES.items()}
    header: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
    parts, place = [], 0
    for name in sorted(tensors):
        tensor = tensors[name]
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor) or tensor.dtype not in kinds:
            found = getattr(tensor, "dtype", type(tensor).__name__)
            raise RunError(f"weights {name}: expected a tensor of {', '.join(SIZES)}, found {found}")
        plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
        part = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        header[name] = {
            "dtype": kinds[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [place, place + len(part)],
        }
        parts.append(part)
        place += len(part)
    said = json.dumps(header, separators=(",", ":")).encode()
    said += b" " * (-len(said) % 8)
    return b"".join([len(said).to_bytes(8, "little"), said, *parts])


def _torch() -> Any:
    """Return PyTorch in the process of a piece; the bookkeeping's own processes never ask for it."""
    return importlib.import_module("torch")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path.name}: expected weights, found this: {error}") from None


def _entries(whole: bytes, file: str) -> tuple[dict[str, tuple[str, list[int], int, int]], bytes]:
    """Return name -> type, shape, start and end, and the bytes of all tensors; raise :class:`RunError`."""
    try:
        length = int.from_bytes(whole[:8], "little")
        if len(whole) < 8 or length > min(MOST_HEADER, len(whole) - 8):
            raise ValueError("its header is cut off")
        header = json.loads(whole[8 : 8 + length])
        found, content, place = {}, whole[8 + length :], 0
        header.pop(METADATA, None)
        for name, item in sorted(header.items(), key=lambda pair: pair[1]["data_offsets"]):
            kind, shape, (start, end) = item["dtype"], list(item["shape"]), item["data_offsets"]
            if start != place or end - start != math.prod(shape) * SIZES[kind][1]:
                raise ValueError(f"the bytes of {name} do not fit its shape")
            found[name] = (kind, shape, start, end)
            place = end
        if place != len(content):
            raise ValueError("it does not end where its tensors end")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{file}: expected weights, found this: {error}") from None
    return found, content
