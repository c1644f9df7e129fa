"""``python -m contdepth.restoration photo.png``: restore a picture file with a stored model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from contdepth import checks
from contdepth.files import write_atomically
from contdepth.restoration.restorer import DURR, POLICY_OF


def main(arguments: list[str] | None = None) -> int:
    """Restore a picture: white noise or JPEG blocks, as many steps as the policy wants."""
    parser = argparse.ArgumentParser(prog="python -m contdepth.restoration", description=main.__doc__)
    parser.add_argument("picture", type=Path, help="PNG, JPEG, TIFF, …; colour with 8 bits, grey with 8 or 16")
    parser.add_argument("--model", choices=tuple(POLICY_OF), default="gaussian", help="what to remove")
    parser.add_argument("--out", type=Path, help="where to write (default: NAME-restored.png beside the picture)")
    parser.add_argument("--reference", type=Path, help="the clean picture, for a PSNR of every step")
    parser.add_argument("--steps", type=int, help="take this many steps instead of the policy's choice")
    asked = parser.parse_args(arguments)
    out = asked.out or asked.picture.with_name(f"{asked.picture.stem}-restored.png")
    try:
        if out.suffix.lower() not in (".png", ".tif", ".tiff"):
            checks.fail("--out", "a .png or .tif file, which lose nothing", out.name)
        reference = None if asked.reference is None else opened("--reference", asked.reference)
        found = DURR.load(asked.model).restore(
            opened("picture", asked.picture), reference=reference, steps=asked.steps
        )
        kind = "PNG" if out.suffix.lower() == ".png" else "TIFF"
        how = {"compression": "tiff_deflate"} if kind == "TIFF" else {}
        write_atomically(out, lambda stream: found.image.save(stream, format=kind, **how))
    except (ValueError, TypeError, OSError, RuntimeError) as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 2
    print(f"{out}: {found.steps} steps")
    if found.psnr is not None:
        print("PSNR by step (dB): " + " ".join(f"{value:.2f}" for value in found.psnr))
    return 0


def opened(argument: str, path: Path) -> Image.Image:
    """The picture file, read completely and turned the way its camera was held."""
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image)
    except FileNotFoundError:
        checks.fail(argument, "a picture file", f"no file {path}")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError) as reason:
        checks.fail(argument, "a picture file that Pillow can read", f"{path} ({type(reason).__name__})")


if __name__ == "__main__":
    sys.exit(main())
