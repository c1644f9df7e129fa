"""Labelled images, and the first so many of them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from contdepth import checks

__all__ = ["Labelled", "cut"]


class Labelled(NamedTuple):
    """``images`` uint8 (N, C, H, W) and ``labels`` int64 (N,), 0…9; unpacks as a pair."""

    images: Tensor
    labels: Tensor


def cut(data: Labelled, limit: int | None) -> Labelled:
    """The first ``limit`` images in the set's own order; asking for more than there are is an error."""
    if limit is None:
        return data
    checks.integer("limit", limit, at_least=1, at_most=len(data.labels))
    return Labelled(data.images[:limit], data.labels[:limit])
