"""Further trainings of the stored models: other seeds, and opponents with more time; for experiments, not for use.

They stand apart from ``load_model``, so that a page's fingerprint knows the weights it ran on and no others.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from contdepth import checks
from contdepth.restoration.models.stored import StoredModel, checked_folder, load_file, load_model

__all__ = ["OPPONENTS", "TRAININGS", "load_opponent", "load_training"]

TRAININGS: dict[str, str] = {
    "gaussian-1": "817c4d0bebddb01df56fe1c315ece0037690b4186733f4ba9fc429ab42d4e47c",
    "gaussian-2": "eb9d33a21c28477b0c88d749bfab86f82195fa5ffd3917aa1a3f16a29a0cc03d",
}
"""Name → SHA-256 of its file: other seeds of a unit."""

OPPONENTS: dict[str, str] = {
    "dncnn-long": "9670a61a0d73d43e21d5f10a5c50ec51f2224e7b10f081d9fba0ae02bc58066c",
}
"""Name → SHA-256 of its file: opponents with more time than those for use."""


def load_training(name: str, folder: Path | str = "") -> StoredModel:
    """Another seed of a unit that comes with this package, or what ``load_model`` finds under ``name``.

    ``"gaussian-1"`` is the plan of ``"gaussian"`` from seed 1.

    Raises:
        ValueError: no such name.
        StoredModelError: the file is missing, damaged, or another one than was stored.
    """
    checked_folder(folder)
    if folder or name not in tuple(TRAININGS):
        return load_model(name, folder)
    return load_file(Path(str(files("contdepth.restoration.weights") / f"{name}.safetensors")), TRAININGS[name])


def load_opponent(name: str) -> StoredModel:
    """A network that the units are compared with: ``"dncnn-long"`` is the plan of ``"dncnn"`` with more steps.

    Raises:
        ValueError: no such name.
        StoredModelError: the file is missing, damaged, or another one than was stored.
    """
    checks.one_of("name", name, tuple(OPPONENTS))
    return load_file(Path(str(files("contdepth.restoration.weights") / f"{name}.safetensors")), OPPONENTS[name])
