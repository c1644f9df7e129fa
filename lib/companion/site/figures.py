"""The computed figures of built pages: each needs a number, a caption and words for those who cannot see it."""

from __future__ import annotations

from dataclasses import dataclass

from bs4 import BeautifulSoup, Tag

__all__ = ["Drawn", "computed_figures"]


@dataclass
class Drawn:
    """One picture that a cell drew, and what its figure says of it."""

    source: str
    alt: str
    figure: dict[str, str] | None

    def faults(self) -> list[str]:
        """Return what is missing, in words."""
        figure = self.figure or {}
        return [
            words
            for missing, words in (
                (not self.alt, "no alt text"),
                (self.figure is None, "no figure around it: give the cell caption and name under mystnb: figure:"),
                (self.figure is not None and not figure.get("id"), "no name, so nothing can refer to it"),
                (self.figure is not None and not figure.get("number", "").strip(), "no number"),
                (self.figure is not None and not figure.get("text", "").strip(), "no caption"),
            )
            if missing
        ]


def computed_figures(page: BeautifulSoup) -> list[Drawn]:
    """Return the pictures that cells of a page drew, in their order, less those that an output's HTML shows."""

    def said(figure: Tag, part: str) -> str:
        return "".join(found.get_text() for found in figure.select(f".caption-{part}"))

    found = []
    for image in page.select('.cell_output img[src*="_images/"]'):
        words, figure = None, image.find_parent("figure")
        if figure is not None:
            words = {
                "id": str(figure.get("id", "")),
                "number": said(figure, "number"),
                "text": said(figure, "text"),
            }
        found.append(Drawn(str(image["src"]), str(image.get("alt", "")).strip(), words))
    return found
