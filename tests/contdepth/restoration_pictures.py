"""Noise, files and test data that several tests of restoration share."""

from __future__ import annotations

import os
from importlib.resources import files

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

LEVELS = (25, 35, 45, 55, 65, 75)
data = pytest.mark.skipif(not os.environ.get("CONTDEPTH_DATA"), reason="CONTDEPTH_DATA is not set")


def legacy_noise(level: float) -> Tensor:
    """The noise of the published figures of this chapter's baselines: NumPy's seed 0 at every level."""
    return torch.from_numpy(np.random.default_rng(0).standard_normal((256, 256)).astype(np.float32) * level / 255)


def bundled(file: str) -> np.ndarray:
    """The pixels of a file of scikit-image."""
    with files("skimage.data").joinpath(file).open("rb") as source, Image.open(source) as picture:
        return np.asarray(picture)
