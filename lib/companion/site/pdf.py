"""The whole book as one tagged PDF: ``python -m companion.site.pdf [--html FOLDER] [--out FILE] [--keep]``."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from companion.errors import CompanionError
from companion.root import find_root
from companion.site.browser import chromium, served
from companion.site.printing import print_page

__all__ = ["main", "make_pdf"]

PRINT = "print.html"
MINUTES = 10
WIDTH = 658
"""CSS pixels between the margins of print.css: 174 mm."""

FIT = """async width => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  for (const item of (window.MathJax && MathJax.startup && MathJax.startup.document.math) || []) {
    item.typesetRoot.setAttribute("role", "img");
    item.typesetRoot.setAttribute("aria-label", item.math.trim());
  }
  await document.fonts.ready;
  await Promise.all([...document.images].map(image => image.decode().catch(() => null)));
  const lost = [...document.images].filter(image => !image.naturalWidth).map(image => image.getAttribute("src"));
  const kinds = "main table, main mjx-container[display=true], main svg:not(mjx-container *)";
  for (const wide of document.querySelectorAll(kinds)) {
    const room = wide.parentElement.getBoundingClientRect().width || width;
    const needs = Math.max(wide.scrollWidth || 0, wide.getBoundingClientRect().width,
                           ...[...wide.children].map(child => child.getBoundingClientRect().width));
    if (needs > room + 1) wide.style.zoom = Math.max(0.4, Math.floor(98 * room / needs) / 100);
  }
  return lost;
}"""
"""Wait for mathematics, fonts and pictures, and shrink what is wider than the paper; give the lost pictures."""


def make_pdf(root: Path, folder: Path, out: Path, *, keep: bool = False, browser: Any = None) -> None:
    """Print the book built in ``folder`` into the file ``out``, with a browser of its own where none is given.

    Raises :class:`CompanionError` where no browser can be had, a page is not built, or a picture is lost.
    """
    printed = folder / PRINT
    printed.write_text(print_page(root, folder), encoding="utf-8")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with served(folder) as host, nullcontext(browser) if browser else chromium() as running:
            page = running.new_page(viewport={"width": WIDTH, "height": 932})
            page.set_default_timeout(60_000 * MINUTES)
            page.emulate_media(media="print", color_scheme="light")
            page.goto(f"{host}/{PRINT}", wait_until="load")
            if lost := page.evaluate(FIT, WIDTH):
                raise CompanionError(f"expected every picture of the book, and the browser cannot load {lost[0]}")
            page.pdf(path=out, tagged=True, outline=True, prefer_css_page_size=True, print_background=True)
            page.close()
    finally:
        if not keep:
            printed.unlink()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m companion.site.pdf", description="Make one tagged PDF of the built book."
    )
    parser.add_argument("--html", type=Path, help="the built book (default: _build/html)")
    parser.add_argument("--out", type=Path, help="the file to write (default: _build/contdepth.pdf)")
    parser.add_argument("--keep", action="store_true", help=f"leave {PRINT} in the built book, to look at")
    options = parser.parse_args()
    start = time.monotonic()
    try:
        root = find_root()
        out = options.out or root / "_build" / "contdepth.pdf"
        make_pdf(root, options.html or root / "_build" / "html", out, keep=options.keep)
    except CompanionError as error:
        print(f"companion.site.pdf: {error}", file=sys.stderr)
        return 2
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB in {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
