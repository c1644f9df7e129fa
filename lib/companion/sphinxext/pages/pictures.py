"""Lighter pictures in the built book; the stored runs keep theirs."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageChops
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from companion.sphinxext.build import kept

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
    plain.save(out, "PNG", compress_level=6)  # a tenth heavier than `optimize`, in half the time
    return min(out.getvalue(), content, key=len)


def begin(app: Sphinx, env: BuildEnvironment) -> None:
    """Start on the larger PNG files while pages are written; Pillow computes beside Python, on another core."""
    if app.builder.format != "html":
        return
    pool = ThreadPoolExecutor(max_workers=1)
    waiting = {
        name: pool.submit(lightened, Path(app.srcdir, source))
        for source, (_, name) in env.images.items()
        if source.endswith(".png")
    }
    kept(app)["pictures"] = pool, waiting


def lightened(path: Path) -> bytes | None:
    """Return the lighter picture at ``path``, or ``None`` where it is light enough or not to be made lighter."""
    content = path.read_bytes() if path.is_file() else b""
    smaller = lighter(content) if len(content) > SMALL else content
    return None if smaller is content else smaller


def lighten(app: Sphinx, failure: Exception | None) -> None:
    """Put the lighter pictures in the place of the copies."""
    pool, waiting = kept(app).get("pictures", (None, {}))
    for name, found in waiting.items():
        target = Path(app.outdir, "_images", name)
        if failure is None and target.is_file() and (content := found.result()) is not None:
            target.write_bytes(content)
    if pool is not None:
        pool.shutdown(cancel_futures=True)


def setup(app: Sphinx) -> None:
    """Connect the hooks: one when all pages are read, one when all is written."""
    app.connect("env-updated", begin)
    app.connect("build-finished", lighten)
