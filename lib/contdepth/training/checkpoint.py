"""Checkpoints that are whole or absent and know which run they belong to: what every training loop resumes by."""

from __future__ import annotations

import hashlib
from pathlib import Path
from pickle import PickleError
from typing import Any

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.errors import CheckpointError
from contdepth.files import write_atomically

__all__ = ["CheckpointError", "Checkpointing", "checksum", "identity_of", "load_checkpoint", "save_checkpoint"]


class Checkpointing:
    """When a run of ``total`` steps is stored: after each ``every`` steps and at the end, if it has a path at all.

    Raises:
        TypeError, ValueError: ``every`` is not a positive integer.
    """

    def __init__(self, checkpoint: Path | str | None, *, every: int, total: int) -> None:
        self.path = None if checkpoint is None else Path(checkpoint)
        self.every, self.total = checks.integer("every", every, at_least=1), total

    def load(self, identity: dict[str, Any]) -> dict[str, Any] | None:
        """What was stored last, or None if nothing was; see ``load_checkpoint``."""
        return None if self.path is None else load_checkpoint(self.path, identity)

    def due(self, steps: int) -> Path | None:
        """Where the run is to be stored after ``steps`` steps; None if it is not."""
        return self.path if steps % self.every == 0 or steps == self.total else None


def checksum(tensor: Tensor) -> str:
    """Sixteen hex digits of the SHA-256 of the values."""
    return hashlib.sha256(tensor.detach().cpu().contiguous().numpy().tobytes()).hexdigest()[:16]


def identity_of(model: nn.Module, **settings: Any) -> dict[str, Any]:
    """What must be equal for a checkpoint to be continued: ``settings`` (plain data), printed model and shapes."""
    shapes = repr(model) + repr([(name, tuple(value.shape)) for name, value in model.state_dict().items()])
    return {**settings, "model": f"{type(model).__name__} {hashlib.sha256(shapes.encode()).hexdigest()[:16]}"}


def save_checkpoint(path: Path | str, identity: dict[str, Any], content: dict[str, Any]) -> None:
    """Store ``content`` (tensors and plain data) with the run's ``identity``, atomically."""
    checks.instance("identity", identity, dict)
    checks.instance("content", content, dict)
    try:
        write_atomically(Path(path), lambda stream: torch.save({"identity": identity, "content": content}, stream))
    except (PickleError, AttributeError, NotImplementedError, TypeError) as reason:
        raise TypeError(
            f"content: expected tensors and plain data, found what cannot be stored: {reason}"
        ) from reason


def load_checkpoint(path: Path | str, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The stored content, or None if there is no file.

    Raises ``CheckpointError`` if the file is damaged or its identity (recipe, seed, data, model) differs.
    """
    path = Path(path)
    checks.instance("identity", identity, dict)
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
