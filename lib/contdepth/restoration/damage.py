"""Is there anything to restore? How much white noise, and how much blocking, a picture shows."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from contdepth.restoration.classical import arrays

__all__ = ["BLOCKS", "SMALLEST", "blocking", "calm_noise"]

SMALLEST = 32
"""The shorter side, in pixels, of pictures that can be judged."""
BLOCKS = 1.55
"""``blocking`` below which there is nothing to do.

On 200 pictures of Train400 it is at most 1.36 clean and 1.51 as JPEG of quality 95, where one step of the stored
unit ``"jpeg"`` loses 3 dB; the step gains from quality 85 downwards. 12 % of the pictures lie above at quality 80,
62 % at 60, 90 % at 40: a mild loss is left rather than a clean picture touched.
"""
GRID, CLIPPED, MOSTLY = 8, 0.1, 0.9


def calm_noise(planes: Tensor, seen: np.ndarray | None = None) -> Tensor:
    """Level of white noise that is at most in each of ``planes`` ``(n, 1, h, w)``: ``(n,)``, grey levels of 255.

    White noise is everywhere, texture is not, and texture only adds: of 8 × 8 tiles (none below 32 pixels) the
    calmest speaks, by the median absolute deviation of its finest diagonal wavelet coefficients, which
    ``noise_level`` takes of the whole. A periodic pattern may be in every tile; its 8 × 8 patches lie in few
    dimensions, and the root of the median eigenvalue of their covariance is the second bound. The smaller counts.
    Left out are tiles of which a tenth is clipped to black or white, where noise is cut off, or not ``seen``
    ``(h, w)``; strong noise is clipped everywhere, and if none is left, those of nine tenths. Then the level is 0.

    On 100 pictures of Train400 it is at most 7.9 clean and 8.9 as JPEG of quality 95, where ``noise_level`` gives
    up to 14; at σ = 15 it lies between 11.7 and 16.8, since the calmest of many tiles is a little too calm.
    """
    import pywt

    levels = []
    for image in arrays(planes):
        left_out = (image == 0) | (image == 1)
        if seen is not None:
            left_out |= ~seen
        details = pieces(np.abs(pywt.dwt2(image, "db2")[1][2]), image.shape)
        shares = [part.mean() for part in pieces(left_out, image.shape)]
        most = CLIPPED if min(shares) < CLIPPED else MOSTLY
        found = [np.median(part) / 0.6745 for part, share in zip(details, shares, strict=True) if share < most]
        levels.append(255 * min([*found, spread_everywhere(image, seen)] if found else [0.0]))
    return planes.new_tensor(levels)


def pieces(values: np.ndarray, shape: tuple[int, ...]) -> list[np.ndarray]:
    """``values`` of a picture of ``shape``, at whatever resolution, in at most 8 × 8 tiles."""
    rows, columns = (min(GRID, max(1, side // SMALLEST)) for side in shape)
    return [part for strip in np.array_split(values, rows) for part in np.array_split(strip, columns, axis=1)]


def spread_everywhere(image: np.ndarray, seen: np.ndarray | None, size: int = 8, most: int = 4096) -> float:
    """Root of the median eigenvalue of the covariance of the patches ``size`` × ``size``; inf if there are few."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size))
    step = math.ceil(math.sqrt(windows.shape[0] * windows.shape[1] / most))
    patches = windows[::step, ::step].reshape(-1, size * size)
    if seen is not None:
        whole = np.lib.stride_tricks.sliding_window_view(seen, (size, size))[::step, ::step].all(axis=(2, 3))
        patches = patches[whole.ravel()]
    if len(patches) < 4 * size * size:
        return math.inf
    return math.sqrt(max(float(np.median(np.linalg.eigvalsh(np.cov(patches, rowvar=False)))), 0.0))


def blocking(plane: Tensor) -> float:
    """How much larger jumps are along the grid of 8 × 8 blocks than elsewhere; 1 without blocks.

    ``plane``: ``(1, 1, h, w)``. A jump is a difference of neighbours less the mean of the differences on both
    sides of it. Of the eight places that a grid can have after cropping, the one with the largest jumps is
    compared with the largest of the others, its neighbours apart, which see half of its jumps. Where those are all
    flat the picture is drawn, not coded, and the answer is 1.
    """
    jumps = np.zeros(8)
    for image in (arrays(plane)[0], arrays(plane)[0].T):
        steps = np.diff(image, axis=1)
        sizes = np.abs(steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2).mean(axis=0)
        jumps += [sizes[k::8].mean() for k in range(8)]
    jumps = np.roll(jumps, -jumps.argmax())
    others = jumps[2:7].max()
    return float(jumps[0] / others) if others > 1e-6 else 1.0
