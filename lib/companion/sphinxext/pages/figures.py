"""Computed figures on the page: each in a frame that may scroll on a phone, linked to itself at full size.

Nothing is drawn again. The figures of the stored runs are wide, so that their letters get too small where a screen
is narrow; there ``widgets.css`` keeps their width and lets the frame scroll, never the page.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

from companion.sphinxext.element import el
from companion.sphinxext.stored.audit import is_output

__all__ = ["frame", "setup", "sized"]

TITLE = "Open the figure at full size"
PICTURE = re.compile(r'<img (?![^>]*\bwidth=)([^>]*\bsrc="(?:\.\./)*_images/([^"]+\.(?:png|jpe?g|webp))"[^>]*)>')


def frame(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put each picture that a cell drew into a link to its file, and the link into a frame."""
    if app.builder.format != "html":
        return
    page = app.builder.get_target_uri(docname)
    for image in list(doctree.findall(nodes.image)):
        known = app.env.images.get(image.get("candidates", {}).get("*", image["uri"]))
        if known is None or not is_output(image):
            continue
        address = relative_uri(page, f"{app.builder.imagedir}/{known[1]}")
        link = el("a", {"class": "companion-enlarge", "href": address, "title": TITLE})
        box = el("div", {"class": "companion-frame"}, link)
        image.parent.replace(image, box)
        link += image


def sized(body: str, sizes: dict[str, tuple[int, int]]) -> str:
    """Give the pictures of a page their width and height, so that text does not jump when they arrive.

    Args:
        body: the page's HTML.
        sizes: file name in ``_images`` to width and height in pixels.
    """

    def one(match: re.Match[str]) -> str:
        size = sizes.get(match[2])
        return f'<img width="{size[0]}" height="{size[1]}" {match[1]}>' if size else match[0]

    return PICTURE.sub(one, body)


def size_of(path: Path) -> tuple[int, int] | None:
    """Return width and height of a picture in pixels; ``None`` where the file is no picture."""
    try:
        with Image.open(path) as picture:
            return picture.size
    except OSError:
        return None


def give_sizes(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Write the sizes of its pictures into a page."""
    body = context.get("body", "")
    if doctree is None or "_images/" not in body:
        return
    shown = {match[2] for match in PICTURE.finditer(body)}
    paths = {name: Path(app.srcdir, source) for source, name in app.builder.images.items() if name in shown}
    context["body"] = sized(body, {name: size for name, path in paths.items() if (size := size_of(path))})


def setup(app: Sphinx) -> None:
    """Frame pictures when a page is put together, and size them when it is written."""
    app.connect("doctree-resolved", frame, priority=800)
    app.connect("html-page-context", give_sizes)
