"""Images with pixels in [0, 1]."""

from __future__ import annotations

import torch

from contdepth.data.unit_range import pixels


def test_pixels_lie_in_the_unit_interval_and_shrink():
    images, labels = pixels("digits", "train", 20)
    assert images.shape == (20, 1, 8, 8) and float(images.min()) == 0 and float(images.max()) == 1
    small, again = pixels("digits", "train", 20, 2)
    assert small.shape == (20, 1, 4, 4) and torch.equal(labels, again) and float(small.max()) <= 1
