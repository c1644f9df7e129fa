"""Large images piece by piece, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from contdepth import checks

__all__ = ["tiled"]


def tiled(function: Callable[[Tensor], Tensor], y: Tensor, tile: int = 256, overlap: int = 32) -> Tensor:
    """``function(y)`` computed on windows of at most ``tile + 2 overlap`` pixels a side.

    ``y``: ``(n, c, h, w)`` of any size; ``function`` maps ``(n, c, a, b)`` to ``(…, a, b)`` for any a and b, and
    an output pixel depends on input pixels at most r away. The image is divided into tiles of ``tile`` pixels;
    each is computed with ``overlap`` pixels of the image around it as context, thrown away afterwards. A window
    ends where the image ends, so that padding acts at the true border alone. Where ``overlap >= r`` this is
    the result of the whole image, up to rounding; no window weights would make that better, and blending would
    hide a context that is too short. A function that iterates a unit N times has N times its r. For one with
    strides, or with pixel unshuffling, ``tile`` and ``overlap`` have to be multiples of the stride.

    Memory: ``y``, the result, and what ``function`` needs for n windows. No gradients.

    Raises:
        TypeError, ValueError: ``y`` is not a floating-point ``(n, c, h, w)`` with pixels; ``tile`` below 1 or
            ``overlap`` below 0; ``function`` returns no tensor or another height or width.
    """
    checks.floating("y", y, ndim=4, hint="images are (n, c, h, w)")
    if y.numel() == 0:
        checks.fail("y", "at least one image with pixels", f"shape {tuple(y.shape)}")
    checks.integer("tile", tile, at_least=1)
    checks.integer("overlap", overlap, at_least=0)
    height, width = y.shape[-2:]
    out: Tensor | None = None
    with torch.no_grad():
        for rows, keep_rows, place_rows in cuts(height, tile, overlap):
            for columns, keep_columns, place_columns in cuts(width, tile, overlap):
                window = y[..., rows, columns]
                piece = checks.tensor("function(y)", function(window))
                if piece.shape[-2:] != window.shape[-2:]:
                    expected = f"height and width {tuple(window.shape[-2:])} as the window"
                    checks.fail("function(y)", expected, f"shape {tuple(piece.shape)}")
                if out is None:
                    out = piece.new_empty((*piece.shape[:-2], height, width))
                out[..., place_rows, place_columns] = piece[..., keep_rows, keep_columns]
    return out  # type: ignore[return-value]  # an image with pixels has a tile


def cuts(length: int, tile: int, overlap: int) -> list[tuple[slice, slice, slice]]:
    """For every tile of one axis: its window in the image, the part of the window to keep, and its place."""
    out = []
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        first, last = max(start - overlap, 0), min(stop + overlap, length)
        out.append((slice(first, last), slice(start - first, stop - first), slice(start, stop)))
    return out
