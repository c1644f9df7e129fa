"""What ``_toc.yml`` says of chapters."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from companion.documents import read_document

__all__ = ["captions"]


def captions(root: Path) -> dict[str, str]:
    """Return folder below ``book/`` -> caption of its part in the table of contents, in the order of the book."""
    path = root / "_toc.yml"
    return _captions(path, path.stat().st_mtime_ns) if path.is_file() else {}


@lru_cache(maxsize=4)
def _captions(path: Path, mtime: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in read_document(path, path.name).data.get("parts", ()):
        for page in part.get("chapters", ()):
            folder = str(page.get("file", "")).removeprefix("book/").rpartition("/")[0]
            if folder:
                found.setdefault(folder, part.get("caption", folder))
    return found
