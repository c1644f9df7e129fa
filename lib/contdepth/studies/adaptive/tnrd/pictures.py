"""Pictures to learn from and to be judged by: dead leaves, and crops of photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contdepth import checks
from contdepth.data import pictures
from contdepth.restoration import photos
from contdepth.restoration.degrade import gaussian, to_tensor
from contdepth.seeds import derive, generator

__all__ = ["Pictures", "dead_leaves", "leaves", "real", "shown_picture"]

LEAVES = 150
"""Discs a picture; with the radii below they cover it several times."""


@dataclass(frozen=True)
class Pictures:
    """``clean`` ``(n, 1, h, w)`` in [0, 1] and ``noisy`` with noise of ``level`` in grey levels of 255."""

    clean: Tensor
    noisy: Tensor
    level: float


def dead_leaves(count: int, side: int, seed: int) -> Tensor:
    """Discs of random grey that fall on one another: ``(count, 1, side, side)``, float32 in [0, 1].

    Radii have the density r^-3 between 2 and ``side``/2 pixels, which makes the model nearly scale invariant, as
    Lee, Mumford & Huang (2001, IJCV 41) have it; greys are uniform.
    """
    draw = np.random.default_rng(derive(seed, "dead leaves"))
    rows, columns = np.mgrid[:side, :side]
    out = np.empty((count, side, side), dtype=np.float32)
    low, high = 2.0**-2, (side / 2) ** -2
    for picture in out:
        picture[:] = 0.5
        radii = (low + draw.random(LEAVES) * (high - low)) ** -0.5
        places = draw.random((LEAVES, 2)) * 1.4 * side - 0.2 * side
        for (y, x), radius, grey in zip(places, radii, draw.random(LEAVES), strict=True):
            picture[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = grey
    return torch.from_numpy(out)[:, None]


def leaves(count: int, side: int, level: float, seed: int, use: str) -> Pictures:
    """Dead leaves with noise; ``use``, ``"learn"`` or ``"judge"``, keeps the streams apart."""
    number = derive(seed, f"leaves to {checks.one_of('use', use, ('learn', 'judge'))}")
    clean = dead_leaves(count, side, number)
    return Pictures(clean, gaussian(clean, level, generator(number, "noise")), level)


def real(name: str, count: int, side: int, level: float, seed: int) -> Pictures:
    """One crop of each of ``count`` pictures of a set, at a place that the seed draws, with noise.

    ``name``: ``"train400"``, ``"bsd68"``, or of the wheels ``"photos-learn"`` and ``"photos-judge"``, which are
    few and give several crops each. Pictures are taken evenly over the set.
    """
    if name.startswith("photos"):
        names = photos.TRAIN if name == "photos-learn" else photos.TEST
        pixels = [photos.photo(one) for one in names]
    else:
        pixels = [one.pixels for one in pictures(name)]
    source = generator(seed, f"crops of {name}")
    shares = torch.rand(count, 2, generator=source).tolist()
    crops = []
    for k, (down, right) in enumerate(shares):
        picture = pixels[k * len(pixels) // count] if count <= len(pixels) else pixels[k % len(pixels)]
        top, left = (int(s * (n - side + 1)) for s, n in zip((down, right), picture.shape, strict=True))
        crops.append(to_tensor(picture[top : top + side, left : left + side].copy()))
    clean = torch.cat(crops)
    return Pictures(clean, gaussian(clean, level, source), level)


def shown_picture(name: str, number: int, top: int, left: int, side: int, level: float) -> Pictures:
    """One crop of picture ``number`` of a set (or of the test photographs), for a figure."""
    found = (
        [photos.photo(one) for one in photos.TEST]
        if name.startswith("photos")
        else [one.pixels for one in pictures(name)]
    )
    clean = to_tensor(found[number % len(found)][top : top + side, left : left + side].copy())
    return Pictures(clean, gaussian(clean, level, generator(number, "shown")), level)
