"""Lighter pictures in the built book; the stored runs keep theirs."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageChops
from sphinx.application import Sphinx

__all__ = ["lighten", "lighter"]

SMALL = 50_000
DRAWING = 2048


def lighter(content: bytes) -> bytes:
    """A shorter PNG of an opaque picture: one channel where all is grey, and a palette for a drawing.

    A drawing has at most 2,048 colours, mostly shades at the edges of lines and letters, or greys beside a few
    colours; its 256 best ones replace them. Photographs in colour stay as they are, less their opacity.
    Returns ``content`` itself where nothing is won.
    """
    with Image.open(io.BytesIO(content)) as picture:
        if picture.mode != "RGBA" or picture.getchannel("A").getextrema() != (255, 255):
            return content
        plain = picture.convert("RGB")
    red, green, blue = plain.split()
    if not (ImageChops.difference(red, green).getbbox() or ImageChops.difference(red, blue).getbbox()):
        plain = red
    elif plain.getcolors(DRAWING):
        plain = plain.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    out = io.BytesIO()
    plain.save(out, "PNG", compress_level=6)      # a tenth heavier than `optimize`, in half the time
    return min(out.getvalue(), content, key=len)


def lighten(app: Sphinx, failure: Exception | None) -> None:
    """Make the larger PNG files of the built pages lighter."""
    if failure is not None or app.builder.format != "html":
        return
    paths = [path for path in Path(app.outdir, "_images").glob("*.png") if path.stat().st_size > SMALL]
    with ThreadPoolExecutor() as pool:      # Pillow computes without holding the interpreter's lock
        list(pool.map(replace, paths))


def replace(path: Path) -> None:
    """Write the lighter picture over ``path``, if there is one."""
    content = path.read_bytes()
    if (smaller := lighter(content)) is not content:
        path.write_bytes(smaller)


def setup(app: Sphinx) -> None:
    """Connect the hook; it runs when all is written."""
    app.connect("build-finished", lighten)
