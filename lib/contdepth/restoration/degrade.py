"""Degradations of grey images: Gaussian noise, JPEG compression, and the luma they are measured on."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from contdepth import checks
from contdepth.restoration.metrics import grey, unit_range

__all__ = ["blind", "gaussian", "jpeg", "luma", "noise_levels", "to_tensor"]


def noise_levels(argument: str, level: float | Tensor, count: int) -> Tensor:
    """``level`` (one number, or ``(count,)``) as float32 ``(count,)``, in grey levels of 255.

    Raises:
        TypeError, ValueError: negative, not finite, or neither one number nor one for each image.
    """
    if not isinstance(level, Tensor):
        level = torch.full((count,), checks.real(argument, level, at_least=0, at_most=1e30))
    if level.is_complex() or level.dtype == torch.bool:
        checks.fail(argument, "real numbers", f"dtype {level.dtype}", error=TypeError)
    level = level.detach().cpu().float()
    if level.ndim == 0:
        level = level.expand(count)
    checks.same_shape(argument, level, (count,), hint="one number for all images, or one for each")
    checks.finite(argument, level)
    if (level < 0).any():
        checks.fail(argument, "noise levels >= 0", float(level.min()))
    return level


def gaussian(clean: Tensor, level: float | Tensor, generator: torch.Generator) -> Tensor:
    """``clean`` plus white Gaussian noise, ``(n, 1, h, w)``; not clipped, not rounded.

    ``level``: standard deviation in grey levels of 255, a number or ``(n,)``. The noise is drawn in
    float32 on the device of ``generator`` and moved to that of ``clean``: from a CPU generator every device gets
    the same numbers.

    Raises:
        TypeError, ValueError: ``clean`` is not grey images in [0, 1]; a bad level.
    """
    unit_range("clean", grey("clean", clean))
    explicit(generator)
    sigma = noise_levels("level", level, len(clean)) / 255
    where = generator.device
    noise = torch.randn(clean.shape, generator=generator, device=where) * sigma.to(where).view(-1, 1, 1, 1)
    return clean + noise.to(clean.device, clean.dtype)


def blind(clean: Tensor, low: float, high: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Gaussian noise with a level of its own for every image, uniform in [low, high]: (noisy, levels ``(n,)``).

    Raises:
        TypeError, ValueError: as ``gaussian``; ``high`` below ``low``.
    """
    low = checks.real("low", low, at_least=0)
    high = checks.real("high", high, at_least=low)
    where = explicit(generator).device
    levels = low + (high - low) * torch.rand(len(grey("clean", clean)), generator=generator, device=where)
    return gaussian(clean, levels, generator), levels.to(clean.device)


def jpeg(clean: Tensor, quality: int | Sequence[int] | np.ndarray | Tensor) -> Tensor:
    """``clean`` rounded to 8 bits, JPEG encoded and decoded as an 8-bit grey picture: ``(n, 1, h, w)``.

    ``quality``: libjpeg's 1…100, one for all images or one for each.

    Raises:
        TypeError, ValueError: ``clean`` is not grey images in [0, 1]; a quality out of range or a wrong count.
    """
    unit_range("clean", grey("clean", clean))
    if np.ndim(quality) > 1:
        checks.fail("quality", "one value, or one for each image", f"{np.ndim(quality)} dimensions")
    one = not isinstance(quality, Sequence | np.ndarray | Tensor) or np.ndim(quality) == 0
    values: list[Any] = [quality] * len(clean) if one else list(quality)  # type: ignore[arg-type]
    if len(values) != len(clean):
        checks.fail("quality", f"one value or {len(clean)}, one for each image", f"{len(values)} values")
    values = [v.item() if isinstance(v, Tensor) else v for v in values]
    values = [checks.integer("quality", v, at_least=1, at_most=100) for v in values]
    pixels = (clean.detach().float() * 255).round().to(torch.uint8).cpu().numpy()
    out = np.stack([coded(image[0], q) for image, q in zip(pixels, values, strict=True)])
    return (torch.from_numpy(out)[:, None].float() / 255).to(clean.device, clean.dtype)


def explicit(generator: object) -> torch.Generator:
    """``generator`` if it is one: noise never comes from global state."""
    if not isinstance(generator, torch.Generator):
        hint = "contdepth.seeds.generator(seed, purpose) makes one"
        checks.fail("generator", "a torch.Generator", type(generator).__name__, hint, error=TypeError)
    return generator


def coded(pixels: np.ndarray, quality: int) -> np.ndarray:
    """uint8 ``(h, w)`` through one JPEG file in memory."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as picture:
        return np.asarray(picture)


def luma(rgb: np.ndarray) -> np.ndarray:
    """Y of ITU-R BT.601 for digital video, 16…235, as MATLAB's ``rgb2ycbcr``: uint8 ``(h, w)``.

    The published deblocking tables are on this luma: the narrower range makes JPEG's PSNR 0.75 dB higher than on
    full-range luma. ``rgb``: uint8 ``(h, w, 3)``.

    Raises:
        TypeError, ValueError: another type or shape.
    """
    rgb = eight_bit("rgb", rgb)
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        checks.fail("rgb", "shape (h, w, 3)", f"shape {rgb.shape}")
    return np.round(16 + rgb @ (np.array([65.481, 128.553, 24.966]) / 255)).astype(np.uint8)


def to_tensor(pixels: np.ndarray) -> Tensor:
    """uint8 ``(h, w)`` as a grey image ``(1, 1, h, w)``, float32 in [0, 1].

    Raises:
        TypeError, ValueError: another type or shape.
    """
    pixels = eight_bit("pixels", pixels)
    if pixels.ndim != 2:
        checks.fail("pixels", "shape (h, w)", f"shape {pixels.shape}", "luma() makes one channel of three")
    return torch.from_numpy(pixels.astype(np.float32) / 255)[None, None]


def eight_bit(argument: str, pixels: object) -> np.ndarray:
    """``pixels`` if it is a uint8 array with at least one entry."""
    if not isinstance(pixels, np.ndarray):
        checks.fail(argument, "a NumPy array", type(pixels).__name__, error=TypeError)
    if pixels.dtype != np.uint8:
        checks.fail(argument, "dtype uint8", pixels.dtype, error=TypeError)
    if pixels.size == 0:
        checks.fail(argument, "at least one pixel", f"shape {pixels.shape}")
    return pixels
