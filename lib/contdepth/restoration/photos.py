"""Photographs that come inside the wheels of scikit-image and scikit-learn: nothing is downloaded."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from contdepth import checks
from contdepth.data import pictures
from contdepth.data.picture_sets import Picture
from contdepth.restoration.degrade import eight_bit, to_tensor

__all__ = ["TEST", "TRAIN", "centre_crop", "photo", "standard", "test_crops"]

FILES = {
    "astronaut": ("skimage.data", "astronaut.png"),
    "brick": ("skimage.data", "brick.png"),
    "camera": ("skimage.data", "camera.png"),
    "chelsea": ("skimage.data", "chelsea.png"),
    "china": ("sklearn.datasets.images", "china.jpg"),
    "clock": ("skimage.data", "clock_motion.png"),
    "coffee": ("skimage.data", "coffee.png"),
    "coins": ("skimage.data", "coins.png"),
    "flower": ("sklearn.datasets.images", "flower.jpg"),
    "grass": ("skimage.data", "grass.png"),
    "gravel": ("skimage.data", "gravel.png"),
    "hubble": ("skimage.data", "hubble_deep_field.jpg"),
    "ihc": ("skimage.data", "ihc.png"),
    "moon": ("skimage.data", "moon.png"),
    "motorcycle": ("skimage.data", "motorcycle_left.png"),
    "retina": ("skimage.data", "retina.jpg"),
    "rocket": ("skimage.data", "rocket.jpg"),
}
TEST = ("camera", "chelsea", "coffee", "motorcycle")
TRAIN = tuple(name for name in FILES if name not in TEST)
LEFT_OUT = {"set12": "08", "classic5": "lena"}


def photo(name: str) -> np.ndarray:
    """One photograph, uint8 ``(h, w)``: Rec. 601 luma of full range for those in colour.

    ``name``: of ``TEST`` or ``TRAIN``. The right view of the motorcycle's stereo pair is not offered: it would
    leak the test picture into training.

    Raises:
        ValueError: an unknown name.
    """
    package, file = FILES[checks.one_of("name", name, tuple(FILES))]
    with files(package).joinpath(file).open("rb") as source, Image.open(source) as picture:
        return np.asarray(picture.convert("L"))


def centre_crop(pixels: np.ndarray, size: int) -> np.ndarray:
    """The ``size`` × ``size`` middle of uint8 ``(h, w)``; of an odd remainder the larger part is right and below.

    Raises:
        TypeError, ValueError: not uint8, not ``(h, w)``, or a side shorter than ``size``.
    """
    pixels = eight_bit("pixels", pixels)
    if pixels.ndim != 2:
        checks.fail("pixels", "shape (h, w)", f"shape {pixels.shape}")
    size = checks.integer("size", size, at_least=1, at_most=min(pixels.shape))
    top, left = ((side - size) // 2 for side in pixels.shape)
    return pixels[top : top + size, left : left + size]


def test_crops(size: int = 256) -> tuple[tuple[str, ...], Tensor]:
    """The names of ``TEST`` and their centre crops, float32 ``(4, 1, size, size)`` in [0, 1]."""
    return TEST, torch.cat([to_tensor(centre_crop(photo(name), size)) for name in TEST])


test_crops.__test__ = False  # type: ignore[attr-defined]


def standard(name: str) -> list[Picture]:
    """``contdepth.data.pictures(name)`` without Lena: 11 pictures of ``set12``, 4 of ``classic5``, others whole.

    Published means over those two sets include her, so a mean over these pictures is not comparable with them.
    """
    return [p for p in pictures(name) if p.name != LEFT_OUT.get(name)]
