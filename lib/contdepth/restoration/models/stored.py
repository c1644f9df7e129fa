"""Stored models: weights and the record of their training in one safetensors file, checked before use."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from contdepth import checks
from contdepth.errors import StoredModelError
from contdepth.restoration.training.plan import TrainingPlan, make_model
from contdepth.restoration.training.train import TrainedModel
from contdepth.restoration.weights.checksums import SHA256
from contdepth.restoration.weights.storage import checked_bytes, unpacked, write_weights

__all__ = ["StoredModel", "StoredModelError", "load_file", "load_model", "save_model", "stored_models"]


@dataclass(frozen=True)
class StoredModel:
    """``model`` in eval mode, the ``plan`` it was trained by, and the ``record`` of that run."""

    name: str
    model: nn.Module
    plan: TrainingPlan
    record: dict[str, Any]


def stored_models() -> list[str]:
    """Names of the models that come with this package."""
    return [name for name in SHA256 if not name.startswith("policy-")]


def checked_folder(folder: object) -> None:
    """Raise ``TypeError`` unless ``folder`` is a path."""
    if not isinstance(folder, (str, Path)):
        raise TypeError(f"folder: expected a path, found {type(folder).__name__}")


def load_model(name: str, folder: Path | str = "") -> StoredModel:
    """A model that comes with this package, or ``name``.safetensors of a ``folder`` of your own.

    Raises:
        ValueError: no such name in this package.
        StoredModelError: the file is missing, damaged, or (of this package) another one than was stored.
    """
    checked_folder(folder)
    if folder:
        return load_file(Path(folder) / f"{name}.safetensors")
    checks.one_of("name", name, stored_models())
    return load_file(Path(str(files("contdepth.restoration.weights") / f"{name}.safetensors")), SHA256[name])


def load_file(path: Path | str, sha256: str | None = None) -> StoredModel:
    """A model from ``path``; its checksum is compared if ``sha256`` is given. Nothing in the file is executed.

    Raises:
        StoredModelError: the file is missing, damaged, has another checksum or no record of a training.
    """
    path = Path(path)
    content, found = checked_bytes(path, sha256)
    try:
        record, tensors = unpacked(content, "record")
        plan = TrainingPlan.from_resolved(record["plan"])
        model = make_model(plan)
        model.load_state_dict(tensors)
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as reason:
        raise StoredModelError(
            f"{path}: expected weights with the record of their training, found {type(reason).__name__}: {reason}"
        ) from reason
    return StoredModel(path.stem, model.eval(), plan, {**record, "sha256": found})


def save_model(name: str, trained: TrainedModel, folder: Path | str) -> Path:
    """Write ``name``.safetensors, weights and record, into ``folder``; its path."""
    return write_weights(Path(folder) / f"{name}.safetensors", trained.model, "record", trained.record())
