"""``python -m contdepth.restoration photo.png``: restore a picture file with a stored model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image, ImageOps

from contdepth import checks, devices
from contdepth.files import write_atomically
from contdepth.restoration.picture import lost
from contdepth.restoration.restorer import DURR, POLICY_OF

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM")
"""Of these Pillow says how many bits and frames a file has; of JPEG 2000 and AVIF it drops bits without a word."""


def main(arguments: list[str] | None = None) -> int:
    """Restore a picture: white noise or JPEG blocks, as many steps as the policy wants; none without damage."""
    parser = argparse.ArgumentParser(prog="python -m contdepth.restoration", description=main.__doc__)
    parser.add_argument("picture", type=Path, help=f"{', '.join(FORMATS)}; colour with 8 bits, grey with 8 or 16")
    parser.add_argument("--model", choices=tuple(POLICY_OF), default="gaussian", help="what to remove")
    parser.add_argument("--out", type=Path, help="where to write (default: NAME-restored.png beside the picture)")
    parser.add_argument("--reference", type=Path, help="the clean picture, for a PSNR of every step")
    parser.add_argument("--steps", type=int, help="take this many steps instead of the policy's choice")
    parser.add_argument("--device", default="cpu", help="where to compute, such as cuda (default: cpu)")
    asked = parser.parse_args(arguments)
    try:
        picture = opened("picture", asked.picture)
        out = asked.out or asked.picture.with_name(f"{asked.picture.stem}-restored.png")
        if out.suffix.lower() not in (".png", ".tif", ".tiff"):
            checks.fail("--out", "a .png or .tif file, which lose nothing", out.name or out)
        if out.is_dir():
            checks.fail("--out", "a file to write", f"the folder {out}")
        reference = None if asked.reference is None else opened("--reference", asked.reference)
        restorer = DURR.load(asked.model, device=devices.named("--device", asked.device))
        found = restorer.restore(picture, reference=reference, steps=asked.steps)
        kind = "PNG" if out.suffix.lower() == ".png" else "TIFF"
        how = {"compression": "tiff_deflate"} if kind == "TIFF" else {}
        try:
            write_atomically(out, lambda stream: found.image.save(stream, format=kind, **how))
        except OSError as reason:
            checks.fail("--out", "a place to write", f"{out} ({type(reason).__name__})")
    except (ValueError, TypeError, OSError, RuntimeError) as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 2
    untouched = found.steps == 0 and asked.steps is None
    print(f"{out}: {found.steps} steps" + (", nothing to do: the picture as it came" if untouched else ""))
    if found.psnr is not None:
        print("PSNR by step (dB): " + " ".join(f"{value:.2f}" for value in found.psnr))
    return 0


def opened(argument: str, path: Path) -> Image.Image:
    """The picture file, read completely and turned the way its camera was held.

    Raises:
        ValueError: no file, a folder or a pipe; not a picture of ``FORMATS``; or Pillow would show a part of it.
    """
    if not path.is_file():
        found = f"the folder {path}" if path.is_dir() else f"no file {path}"
        checks.fail(argument, "a picture file", found)
    try:
        with Image.open(path, formats=FORMATS) as image:
            missing = lost(image)
            turned = image if missing else ImageOps.exif_transpose(image)
    except Exception as reason:  # whatever a decoder meets in damaged bytes
        expected = f"a picture file that Pillow can read ({', '.join(FORMATS)})"
        checks.fail(argument, expected, f"{path} ({type(reason).__name__})")
    if missing:
        checks.fail(argument, *missing)
    return turned


if __name__ == "__main__":
    sys.exit(main())
