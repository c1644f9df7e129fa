"""A user's own picture: planes to restore out of it, and the same kind of picture back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn.functional import avg_pool2d

from contdepth import checks
from contdepth.restoration.classical import noise_level

__all__ = ["PicturePlanes", "lost", "read_picture"]

MODES = ("L", "LA", "RGB", "RGBA", "I;16", "I;16B")
KEEPS = {
    "1": 'call .convert("L")',
    "I": "np.asarray(image).astype(np.uint16) keeps values of 0…65535",
    "F": "np.asarray(image) keeps the values; divide them by that of white",
    "I;16L": "np.asarray(image) keeps the values",
    "I;16N": "np.asarray(image) keeps the values",
    "PA": 'call .convert("RGBA")',
    "La": 'call .convert("LA")',
    "RGBa": 'call .convert("RGBA")',
}
"""What keeps the values of modes that are refused; the others keep theirs in RGB."""
BITS_PER_SAMPLE = 258  # the tag of TIFF


@dataclass(frozen=True)
class PicturePlanes:
    """``planes``: one grey plane for each colour channel, ``(channels, 1, h, w)`` float32 in [0, 1].

    R, G and B are separate planes, since no unit here is trained on colour: a departure from colour restorers,
    which use that channels are alike. ``alpha`` is the opacity as it came, or None; where it is 0, the planes hold
    the colour of the nearest pixel that is seen, and ``under`` the colours that came, ``(pixels, channels)``. The
    rest says what ``back`` returns.
    """

    planes: Tensor
    alpha: np.ndarray | None
    shape: tuple[int, ...]
    dtype: np.dtype
    mode: str | None
    info: dict[Any, Any] = field(default_factory=dict)
    under: np.ndarray | None = None

    @property
    def seen(self) -> np.ndarray | None:
        """Where the picture is seen, ``(h, w)``; None if it is everywhere."""
        return None if self.under is None or self.alpha is None else self.alpha != 0

    def back(self, planes: Tensor) -> np.ndarray | Image.Image:
        """``planes`` (of the shape of ``self.planes``) as a picture of the kind, type and shape that came in.

        Clipped to [0, 1]; rounded for uint8 and uint16; opacity, and colours under none, untouched.

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
        if self.under is not None:
            pixels[self.alpha == 0] = self.under
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
    uint8, uint16 (of their full range) or floating point in [0, 1], of which float32 precision is kept; white
    noise may overshoot. PIL images: modes L, LA, RGB, RGBA, I;16; a palette, or one colour marked as transparent,
    becomes RGB, RGBA or LA. A picture is taken as it is stored: an EXIF rotation is not applied. ``argument``: its
    name in error sentences.

    Raises:
        TypeError, ValueError: another type, dtype, mode or shape; no pixels; several frames; more bits in the file
            than in the image; NaN, inf, or floating-point pixels further outside [0, 1] than their noise explains.
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
    under = None
    if alpha is not None and (hidden := alpha == 0).any():
        under = colour[hidden]
        if not hidden.all():
            colour = colour[tuple(distance_transform_edt(hidden, return_distances=False, return_indices=True))]
    if pixels.dtype.kind == "f":
        in_range(colour, argument)
        if alpha is not None and not (0 <= alpha.min() and alpha.max() <= 1):
            checks.fail(argument, "opacity in [0, 1]", f"values from {alpha.min():.6g} to {alpha.max():.6g}")
    values = np.ascontiguousarray(colour.transpose(2, 0, 1), dtype=np.float32) / np.float32(full(pixels.dtype))
    planes = torch.from_numpy(values)[:, None]
    return PicturePlanes(planes, alpha, pixels.shape, pixels.dtype, mode, info, under)


def lost(image: Image.Image) -> tuple[str, str, str] | None:
    """What ``image`` does not show of its file, as expected, found, and what to do; None if it shows all.

    Frames and pages but the first; half of 16 bits in colours, of which Pillow keeps 8. The bits are known until
    the file is loaded, of a TIFF later too; the frames of a GIF until it is closed.
    """
    try:
        several = getattr(image, "is_animated", False)
    except ValueError:  # a GIF that was closed
        several = False
    if several:
        hint = "give one of them: image.seek(k), then image.copy()"
        return "a single picture", f"several frames or pages in a {image.format} file", hint
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return None
    bits = list((getattr(image, "tag_v2", None) or {}).get(BITS_PER_SAMPLE, ()))
    for codec, _, _, arguments in getattr(image, "tile", ()):
        arguments = arguments if isinstance(arguments, tuple) else (arguments,)
        deep = "16" in codec or ";16" in str(arguments[:1]) or (codec.startswith("ppm") and arguments[1] > 255)
        bits.append(16 if deep else 8)
    if max(bits, default=8) <= 8:
        return None
    hint = "another reader gives it as a uint16 array, which DURR.restore takes"
    return "8 bits in each channel, or 16 in a single one", f"{max(bits)}, of which Pillow keeps 8", hint


def opened(image: Image.Image, argument: str) -> Image.Image:
    """``image`` in one of ``MODES``."""
    missing = lost(image)
    if missing:
        checks.fail(argument, *missing)
    clear = "transparency" in image.info
    if image.mode == "P":
        image = image.convert("RGBA" if clear else "RGB")
    elif clear and image.mode in ("L", "RGB"):
        image = image.convert(image.mode + "A")
    if image.mode not in MODES:
        hint = KEEPS.get(image.mode, 'call .convert("RGB")')
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
        hint = hints.get(pixels.dtype.kind, "call .astype(np.uint8) if the values are 0…255, np.uint16 if 0…65535")
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
    return pixels


def in_range(colour: np.ndarray, argument: str) -> None:
    """Floating-point ``colour`` ``(h, w, channels)`` lies in [0, 1], or its own white noise explains the rest.

    Noise takes no pixel further than 6 σ outside and no mean of 8 × 8 pixels further than σ (8 standard deviations
    of it); pictures of another range, as [−1, 1], have such means.
    """
    low, high = float(colour.min()), float(colour.max())
    if 0 <= low and high <= 1:
        return
    levels = high > 1 and bool((colour == np.round(colour)).all())
    if not levels and -2 <= low and high <= 3 and min(colour.shape[:2]) >= 8:
        planes = torch.from_numpy(np.ascontiguousarray(colour.transpose(2, 0, 1), dtype=np.float32))[:, None]
        sigma = noise_level(planes).view(-1, 1, 1, 1) / 255
        ways = ((planes, 6), (avg_pool2d(planes, 8), 1))
        if all(bool(((part >= -k * sigma) & (part <= 1 + k * sigma)).all()) for part, k in ways):
            return
    hint = "divide 0…255 pixels by 255"
    if not levels and high <= 3:
        hint = f"np.clip({argument}, 0, 1) if a little overshoots; else bring black to 0 and white to 1"
    checks.fail(argument, "floating-point pixels in [0, 1]", f"values from {low:.6g} to {high:.6g}", hint)


def full(dtype: np.dtype) -> float:
    """The value of white: 255, 65535, or 1 for floating point."""
    return 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)
