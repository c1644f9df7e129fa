"""Load labelled images by name."""

from __future__ import annotations

from contdepth import checks
from contdepth.data.cifar import cifar10
from contdepth.data.embedded import digits
from contdepth.data.labelled import Labelled
from contdepth.data.mnist import mnist

__all__ = ["load"]

LOADERS = {"cifar10": cifar10, "mnist": mnist, "digits": digits}


def load(name: str, split: str, limit: int | None = None) -> Labelled:
    """``(images, labels)`` of ``"cifar10"``, ``"mnist"`` or embedded ``"digits"``; split "train" or "test".

    Images are uint8: (N, 3, 32, 32), (N, 1, 28, 28), (N, 1, 8, 8); labels int64 (N,). ``limit`` takes the first so
    many in the set's own order, which is mixed in all three. Raises ``DataError`` if a file is missing or damaged.
    """
    checks.one_of("name", name, tuple(LOADERS))
    checks.one_of("split", split, ("train", "test"))
    if limit is not None:
        checks.integer("limit", limit, at_least=1)
    return LOADERS[name](split, limit)
