"""Checkpoints that are whole or absent, and know which run they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from contdepth.errors import CheckpointError
from contdepth.files import write_atomically

__all__ = ["CheckpointError", "load_checkpoint", "save_checkpoint"]


def save_checkpoint(path: Path, identity: dict[str, Any], content: dict[str, Any]) -> None:
    """Store ``content`` (tensors and plain data) with the run's ``identity``, atomically."""
    write_atomically(path, lambda stream: torch.save({"identity": identity, "content": content}, stream))


def load_checkpoint(path: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The stored content, or None if there is no file.

    Raises ``CheckpointError`` if the file is damaged or its identity (recipe, seed, data, model) differs.
    """
    if not path.exists():
        return None
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        found, content = stored["identity"], stored["content"]
    except Exception as reason:
        raise CheckpointError(
            f"{path}: expected a checkpoint, found a damaged or foreign file "
            f"({type(reason).__name__}); delete it to start again"
        ) from reason
    different = sorted(key for key in identity.keys() | found.keys() if identity.get(key) != found.get(key))
    if different:
        key = different[0]
        raise CheckpointError(
            f"{path}: expected a checkpoint of this run, found one with another {key} "
            f"({found.get(key)} instead of {identity.get(key)}); "
            "delete it or give another checkpoint path"
        )
    return content
