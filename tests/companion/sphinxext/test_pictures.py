"""Pictures of the built pages in fewer bytes."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from companion.sphinxext.pages.pictures import lighter


def png(pixels: np.ndarray) -> bytes:
    """The bytes of a PNG."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def pixels(content: bytes) -> np.ndarray:
    """Its pixels as RGBA."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA")).astype(int)


def opaque(colours: np.ndarray) -> np.ndarray:
    """RGB with full opacity."""
    return np.dstack([colours, np.full(colours.shape[:2], 255)]).astype(np.uint8)


def test_grey_and_photographs_keep_every_pixel():
    draw = np.random.default_rng(0)
    grey = opaque(np.repeat(draw.integers(0, 256, (60, 80, 1)), 3, axis=2))
    photograph = opaque(draw.integers(0, 256, (60, 80, 3)))
    for given in (grey, photograph):
        found = lighter(png(given))
        assert len(found) < len(png(given)) and np.array_equal(pixels(found), given)


def test_a_drawing_gets_a_palette_and_looks_the_same():
    ramp = np.linspace(0, 255, 900).astype(int)
    rows = np.stack([ramp, np.full(900, 40), 255 - ramp], axis=1)
    given = opaque(rows[np.random.default_rng(0).integers(0, 900, (60, 80))])
    found = lighter(png(given))
    assert Image.open(io.BytesIO(found)).mode == "P" and np.abs(pixels(found) - given).max() <= 6


def test_transparent_pictures_are_left_alone():
    content = png(np.random.default_rng(0).integers(0, 256, (20, 20, 4)).astype(np.uint8))
    assert lighter(content) is content
