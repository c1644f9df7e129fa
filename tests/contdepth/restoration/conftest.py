"""Shared by the tests of restoration: one photograph."""

from __future__ import annotations

import pytest
from torch import Tensor

from contdepth.restoration import photos
from contdepth.restoration.degrade import to_tensor


@pytest.fixture(scope="module")
def camera() -> Tensor:
    return to_tensor(photos.photo("camera"))


@pytest.fixture(scope="module")
def crop() -> Tensor:
    return to_tensor(photos.centre_crop(photos.photo("camera"), 256))
