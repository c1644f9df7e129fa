"""Training patches: each step's draw depends on the seed and the number of the step alone."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from contdepth import checks
from contdepth.data import pictures
from contdepth.restoration.degrade import gaussian, jpeg, to_tensor
from contdepth.restoration.photos import TRAIN, photo
from contdepth.restoration.training.plan import TrainingPlan
from contdepth.seeds import generator

__all__ = ["Patches"]


class Patches:
    """Degraded and clean patches of a plan's images.

    ``draw(step)`` returns observations and clean patches ``(batch, 1, patch, patch)`` and the positions
    ``(batch,)`` of their levels; every level has as many patches. Places and the eight symmetries of the square
    are drawn; noise is added after them. JPEG images are coded whole, once for each quality, and are not
    turned, since the grid of 8 × 8 blocks has no such symmetry with its quantisation tables.
    """

    def __init__(self, plan: TrainingPlan) -> None:
        self.plan = plan
        self.images = training_images(plan.data)
        shortest = min(min(image.shape) for image in self.images)
        if plan.patch > shortest:
            checks.fail("patch", f"at most the images' {shortest} pixels", plan.patch)
        self.checksum = hashlib.sha256(b"".join(i.tobytes() for i in self.images)).hexdigest()[:16]
        self.coded: list[list[Tensor]] | None = None
        if plan.degradation == "jpeg":
            self.coded = [[jpeg(to_tensor(i), int(q)) for q in plan.levels] for i in self.images]

    def draw(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """The batch of training step ``step``."""
        plan, source = self.plan, generator(self.plan.seed, f"patches/{step}")
        index = torch.arange(plan.batch) % len(plan.levels)
        picks = torch.randint(len(self.images), (plan.batch,), generator=source).tolist()
        places = torch.rand(plan.batch, 2, generator=source).tolist()
        turns = torch.randint(8, (plan.batch,), generator=source).tolist()
        originals: list[Tensor] = []
        coded: list[Tensor] = []
        for level, pick, place, turn in zip(index.tolist(), picks, places, turns, strict=True):
            image = self.images[pick]
            rows, columns = (int(p * (n - plan.patch + 1)) for p, n in zip(place, image.shape, strict=True))
            window = np.s_[rows : rows + plan.patch, columns : columns + plan.patch]
            if self.coded is None:
                originals.append(to_tensor(symmetry(image[window], turn)))
            else:
                originals.append(to_tensor(image[window]))
                coded.append(self.coded[pick][level][:, :, window[0], window[1]])
        clean = torch.cat(originals)
        if self.coded is not None:
            return torch.cat(coded), clean, index
        return gaussian(clean, torch.tensor(plan.levels, dtype=torch.float32)[index], source), clean, index


def training_images(name: str) -> list[np.ndarray]:
    """Grey uint8 images ``(h, w)`` of a training set: ``"train400"``, or ``"photos"`` inside the wheels."""
    if name == "photos":
        return [photo(n) for n in TRAIN]
    return [p.pixels for p in pictures(name)]


def symmetry(image: np.ndarray, turn: int) -> np.ndarray:
    """One of the eight symmetries of the square."""
    image = np.rot90(image, turn % 4)
    return np.ascontiguousarray(image[:, ::-1] if turn >= 4 else image)
