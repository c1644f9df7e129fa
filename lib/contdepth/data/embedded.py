"""Data that come with scikit-learn: always there, no download."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits, load_sample_images

from contdepth import checks
from contdepth.data.labelled import Labelled, cut

__all__ = ["digits", "sample_images"]


def digits(split: str, limit: int | None = None) -> Labelled:
    """scikit-learn's digits: images (1348 train or 449 test, 1, 8, 8) with values 0…16.

    Every fourth image is a test image (a fixed rule, so there is nothing to choose). Writers are in both parts.
    """
    checks.one_of("split", split, ("train", "test"))
    bunch = load_digits()
    images = torch.tensor(bunch.images.astype(np.uint8)[:, None])
    labels = torch.tensor(bunch.target, dtype=torch.int64)
    test = torch.arange(len(labels)) % 4 == 3
    chosen = test if split == "test" else ~test
    return cut(Labelled(images[chosen], labels[chosen]), limit)


def sample_images() -> dict[str, np.ndarray]:
    """scikit-learn's two photographs, ``china`` and ``flower``: uint8 (427, 640, 3)."""
    bunch = load_sample_images()
    return {
        name.rsplit(".", 1)[0]: np.asarray(pixels)
        for name, pixels in zip(
            (str(f).replace("\\", "/").rsplit("/", 1)[-1] for f in bunch.filenames), bunch.images, strict=True
        )
    }
