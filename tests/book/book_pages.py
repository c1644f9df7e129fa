"""The pages of the book by their addresses, known before it is built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
OTHER_PAGES = ("genindex.html", "prf-prf.html", "search.html")
"""Pages that Sphinx adds by itself."""


def book_pages() -> list[str]:
    """Return the addresses of all pages below the book's folder: the table of contents, then Sphinx's own."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))

    def files(entry: Any) -> Iterator[str]:
        if isinstance(entry, dict):
            yield from (value for key, value in entry.items() if key in ("root", "file"))
            entry = list(entry.values())
        if isinstance(entry, list):
            for part in entry:
                yield from files(part)

    return [*(f"{name}.html" for name in files(toc)), *OTHER_PAGES]
