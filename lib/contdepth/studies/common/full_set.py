"""The pictures of a whole test set, uncut, each with a damage of its own that every piece draws alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from contdepth import checks
from contdepth.data import pictures
from contdepth.files import write_atomically
from contdepth.restoration.degrade import gaussian, jpeg, luma, to_tensor
from contdepth.restoration.photos import test_crops
from contdepth.seeds import generator

__all__ = ["damaged", "one_by_one", "test_pictures"]

SETS = ("bsd68", "live1", "photos")


def test_pictures(dataset: str, limit: int | None = None) -> list[Tensor]:
    """Clean grey pictures ``(1, 1, h, w)``: ``"bsd68"``, the luma of ``"live1"``, or ``"photos"``, 64 × 64 each.

    ``limit``: the first so many. The photographs come inside the wheels and serve for tests.

    Raises:
        ValueError: another set.
        DataError: the pictures cannot be had.
    """
    if checks.one_of("dataset", dataset, SETS) == "photos":
        return list(test_crops(64)[1][:, None][:limit])
    found = [picture.pixels for picture in pictures(dataset, limit)]
    return [to_tensor(luma(pixels) if pixels.ndim == 3 else pixels.copy()) for pixels in found]


def damaged(task: str, clean: Tensor, levels: Sequence[float], number: int) -> Tensor:
    """``clean`` ``(1, 1, h, w)``, picture ``number`` of its set, at each of ``levels``: ``(levels, 1, h, w)``.

    ``task``: ``"gaussian"``, one draw of the noise for all levels, the same on every device and for every method,
    another for every picture; or ``"jpeg"``, where levels are qualities.
    """
    if checks.one_of("task", task, ("gaussian", "jpeg")) == "jpeg":
        return torch.cat([jpeg(clean, int(quality)) for quality in levels])
    return torch.cat([gaussian(clean, float(level), generator(number, "test noise")) for level in levels])


def one_by_one(
    items: Sequence[Any], entry: Callable[[int, Any], dict[str, Any]], path: Path | None
) -> list[dict[str, Any]]:
    """``entry(number, item)`` of every item, plain data; what was done before a stop is read from ``path``."""
    done = json.loads(path.read_text()) if path is not None and path.exists() else []
    for number, item in list(enumerate(items))[len(done) :]:
        done.append(entry(number, item))
        if path is not None:
            write_atomically(path, partial(written, json.dumps(done).encode()))
    return done


def written(content: bytes, stream: BinaryIO) -> None:
    """Write ``content``, all of it."""
    stream.write(content)


test_pictures.__test__ = False  # type: ignore[attr-defined]
