"""Figures of a fresh run against the stored ones: by their bytes' hash, on another machine by their looks."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from companion.evidence.notebook_text import PICTURE, text_of
from companion.run.tidy import picture_bytes

__all__ = ["BRIGHTNESS", "SIZE", "figure_difference"]

SIZE = (48, 36)
"""Width and height, in pixels, to which two figures are reduced before their looks are compared."""
BRIGHTNESS = 24
"""Largest difference of brightness, of 255, at any of these pixels: rounding moves none by more than a few,
another curve or label moves some by more.
"""


def figure_difference(
    stored: Sequence[Mapping[str, Any]], fresh: Sequence[Mapping[str, Any]], *, exact: bool
) -> tuple[int, str | None]:
    """Return how many figures of a cell were compared, and how the first differing one does, or None.

    With ``exact`` the hashes of the bytes must be equal. Else figures of which both sides hold the bytes must look
    the same: their sizes equal, and their brightness at any of ``SIZE`` pixels within ``BRIGHTNESS``; figures of
    which only a hash is stored are not compared.
    """
    before, now = list(_figures(stored)), list(_figures(fresh))
    if len(before) != len(now):
        return 0, f"stored {len(before)} figures, found {len(now)}"
    count = 0
    for number, (old, new) in enumerate(zip(before, now, strict=True), 1):
        if old[0] != new[0]:
            return count, f"figure {number}: stored {old[0]}, found {new[0]}"
        if old[1] != new[1]:
            if exact:
                return count, f"figure {number}: stored a figure of other bytes than the page draws"
            if old[2] is None or new[2] is None or old[0] not in ("image/png", "image/jpeg"):
                continue
            if line := _looks(old[2], new[2]):
                return count, f"figure {number}: {line}"
        count += 1
    return count, None


def _figures(outputs: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, bytes | None]]:
    """Yield type, hash and bytes of each picture; a picture that was removed has no bytes."""
    for output in outputs:
        removed = output.get("metadata", {}).get("companion", {}).get("pictures", {})
        held = {
            kind: picture_bytes(kind, text_of(value))
            for kind, value in output.get("data", {}).items()
            if kind.startswith(PICTURE)
        }
        for kind in sorted({*removed, *held}):
            content = held.get(kind)
            yield kind, removed[kind] if content is None else hashlib.sha256(content).hexdigest(), content


def _looks(stored: bytes, fresh: bytes) -> str | None:
    from PIL import Image, ImageChops

    before, now = (Image.open(io.BytesIO(content)) for content in (stored, fresh))
    if before.size != now.size:
        return "stored {} × {} pixels, found {} × {}".format(*before.size, *now.size)
    small = [picture.convert("RGBA").convert("L").resize(SIZE, Image.Resampling.BOX) for picture in (before, now)]
    _, most = cast(tuple[int, int], ImageChops.difference(*small).getextrema())  # of one channel
    return (
        f"it looks other than the stored one (by {most} of 255 where most, {BRIGHTNESS} allowed)"
        if most > BRIGHTNESS
        else None
    )
