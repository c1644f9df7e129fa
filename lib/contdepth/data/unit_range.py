"""Labelled images as floats in [0, 1], as attacks and robust training take them."""

from __future__ import annotations

from torch import Tensor

from contdepth.data.loading import load
from contdepth.data.standard import shrink

__all__ = ["pixels"]


def pixels(dataset: str, split: str, limit: int, shrink_by: int = 1) -> tuple[Tensor, Tensor]:
    """The first ``limit`` images of a data set as floats in [0, 1], (N, C, H, W), and their labels."""
    images, labels = shrink(load(dataset, split, limit), shrink_by)
    return images.float() / (16 if dataset == "digits" else 255), labels
