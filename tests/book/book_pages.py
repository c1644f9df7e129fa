"""The pages of the book by their addresses, known before it is built."""

from __future__ import annotations

from pathlib import Path

from companion.book.toc import listed

ROOT = Path(__file__).resolve().parents[2]
OTHER_PAGES = ("genindex.html", "prf-prf.html", "search.html")
"""Pages that Sphinx adds by itself."""


def book_pages() -> list[str]:
    """Return the addresses of all pages below the book's folder: the table of contents, then Sphinx's own."""
    return [*(f"{page.name}.html" for page in listed(ROOT)), *OTHER_PAGES]
