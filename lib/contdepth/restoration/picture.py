"""A user's own picture: planes to restore out of it, and the same kind of picture back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from contdepth import checks

__all__ = ["PicturePlanes", "read_picture"]

MODES = ("L", "LA", "RGB", "RGBA", "I;16", "I;16B")


@dataclass(frozen=True)
class PicturePlanes:
    """``planes``: one grey plane for each colour channel, ``(channels, 1, h, w)`` float32 in [0, 1].

    R, G and B are separate planes, since no unit here is trained on colour: a departure from colour restorers,
    which use that channels are alike. ``alpha`` is the opacity as it came, or None. The rest says what ``back``
    returns.
    """

    planes: Tensor
    alpha: np.ndarray | None
    shape: tuple[int, ...]
    dtype: np.dtype
    mode: str | None
    info: dict[Any, Any] = field(default_factory=dict)

    def back(self, planes: Tensor) -> np.ndarray | Image.Image:
        """``planes`` (of the shape of ``self.planes``) as a picture of the kind, type and shape that came in.

        Clipped to [0, 1]; rounded for uint8 and uint16; opacity untouched.

        Raises:
            TypeError, ValueError: another shape, not real floating point, or NaN or inf among the values.
        """
        planes = checks.floating("planes", planes)
        if planes.is_complex():
            checks.fail("planes", "real numbers", f"dtype {planes.dtype}", error=TypeError)
        checks.same_shape("planes", planes, tuple(self.planes.shape), hint="as in picture.planes")
        planes = checks.finite("planes", planes.detach()).cpu().clamp(0, 1)
        values = planes.to(torch.promote_types(planes.dtype, torch.float32))[:, 0].permute(1, 2, 0).numpy()
        scale = full(self.dtype)
        pixels = (np.round(values * scale) if scale > 1 else values).astype(self.dtype)
        if self.alpha is not None:
            pixels = np.concatenate([pixels, self.alpha[..., None]], axis=2)
        pixels = np.ascontiguousarray(pixels.reshape(self.shape))
        if self.mode is None:
            return pixels
        image = Image.fromarray(pixels)
        image.info = dict(self.info)
        return image


def read_picture(source: np.ndarray | Image.Image, argument: str = "source") -> PicturePlanes:
    """The planes of a picture, and what is needed to give the same kind back.

    NumPy arrays: ``(h, w)``, ``(h, w, 1)``, ``(h, w, 3)`` or ``(h, w, 4)`` (the last channel is opacity), dtype
    uint8, uint16 (of their full range) or floating point in [0, 1], of which float32 precision is kept. PIL
    images: modes L, LA, RGB, RGBA, I;16; a palette, or one colour marked as transparent, becomes RGB, RGBA or LA.
    A picture is taken as it is stored: an EXIF rotation is not applied. ``argument``: its name in error sentences.

    Raises:
        TypeError, ValueError: another type, dtype, mode or shape; no pixels; NaN, inf, or floating-point pixels
            outside [0, 1].
    """
    mode, info = None, {}
    if isinstance(source, Image.Image):
        source = opened(source, argument)
        mode, info = source.mode, {key: value for key, value in source.info.items() if key != "transparency"}
        source = np.asarray(source)
    pixels = checked(source, (1, 3, 4) if mode is None else (2, 3, 4), argument)
    stack = pixels[..., None] if pixels.ndim == 2 else pixels
    alpha = stack[..., -1].copy() if stack.shape[2] in (2, 4) else None
    colour = stack if alpha is None else stack[..., :-1]
    values = np.ascontiguousarray(colour.transpose(2, 0, 1), dtype=np.float32) / np.float32(full(pixels.dtype))
    return PicturePlanes(torch.from_numpy(values)[:, None], alpha, pixels.shape, pixels.dtype, mode, info)


def opened(image: Image.Image, argument: str) -> Image.Image:
    """``image`` in one of ``MODES``."""
    clear = "transparency" in image.info
    if image.mode == "P":
        image = image.convert("RGBA" if clear else "RGB")
    elif clear and image.mode in ("L", "RGB"):
        image = image.convert(image.mode + "A")
    if image.mode not in MODES:
        hint = 'call .convert("L") for grey or .convert("RGB") for colour'
        checks.fail(argument, f"a PIL image of mode {', '.join(MODES)} or P", f"mode {image.mode}", hint)
    return image


def checked(pixels: object, channels: tuple[int, ...], argument: str) -> np.ndarray:
    """``pixels`` if it is an array that can be a picture with one of these numbers of channels, or without any."""
    if not isinstance(pixels, np.ndarray):
        hint = "np.asarray() makes one of a list or a tensor; PIL.Image.open() reads a file"
        checks.fail(argument, "a NumPy array or a PIL image", type(pixels).__name__, hint, error=TypeError)
    if isinstance(pixels, np.ma.MaskedArray):
        checks.fail(argument, "an array without mask", "MaskedArray", "call .filled()", error=TypeError)
    if pixels.dtype.kind != "f" and not (pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2):
        hints = {"b": "two-valued: .astype(np.uint8) * 255 makes grey of it", "c": "take the real part"}
        hint = hints.get(pixels.dtype.kind, "call .astype(np.uint8) if the values are 0…255")
        checks.fail(argument, "dtype uint8, uint16 or floating point", pixels.dtype, hint, error=TypeError)
    shape = f"shape {pixels.shape}"
    if pixels.ndim not in (2, 3):
        checks.fail(argument, "one picture, (h, w) or (h, w, channels)", shape)
    if pixels.ndim == 3 and pixels.shape[2] not in channels:
        last = pixels.shape[0] in (1, 3, 4)
        hint = f"channels come last: np.moveaxis({argument}, 0, -1)" if last else ""
        checks.fail(argument, "1, 3 or 4 channels, (h, w, channels)", shape, hint)
    if pixels.size == 0:
        checks.fail(argument, "at least one pixel", shape)
    if pixels.dtype.kind == "f":
        bad = ~np.isfinite(pixels)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            checks.fail(argument, "finite pixels", f"{pixels[where]} at index {where}")
        low, high = float(pixels.min()), float(pixels.max())
        if low < 0 or high > 1:
            found = f"values from {low:.6g} to {high:.6g}"
            checks.fail(argument, "floating-point pixels in [0, 1]", found, "divide 0…255 pixels by 255")
    return pixels


def full(dtype: np.dtype) -> float:
    """The value of white: 255, 65535, or 1 for floating point."""
    return 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)
