"""The computed figures of built pages: each needs a number, a caption and words for those who cannot see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from companion.site.checks import Site

__all__ = ["Drawn", "computed_figures", "figure_faults"]

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


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


@dataclass
class Reader(HTMLParser):
    """Collects the pictures among the outputs of cells, less those that an output's own HTML shows."""

    drawn: list[Drawn] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[tuple[str, str]] = []
        self._figure: dict[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where we are, and each picture."""
        given = {name: value or "" for name, value in attrs}
        if tag == "figure":
            self._figure = {"id": given.get("id", ""), "number": "", "text": ""}
        if tag == "img" and "_images/" in given.get("src", "") and self._inside("cell_output"):
            self.drawn.append(Drawn(given["src"], given.get("alt", "").strip(), self._figure))
        if tag not in VOID:
            self._open.append((tag, given.get("class", "")))

    def handle_endtag(self, tag: str) -> None:
        """Leave the tag and what was left open in it."""
        if tag == "figure":
            self._figure = None
        for place in range(len(self._open) - 1, -1, -1):
            if self._open[place][0] == tag:
                del self._open[place:]
                break

    def handle_data(self, data: str) -> None:
        """Collect the number and the text of a caption."""
        if self._figure is not None:
            for kind in ("number", "text"):
                if self._inside(f"caption-{kind}"):
                    self._figure[kind] += data

    def _inside(self, name: str) -> bool:
        return any(name in classes.split() for _, classes in self._open)


def computed_figures(html: str) -> list[Drawn]:
    """Return the pictures that cells of a page drew, in their order."""
    reader = Reader()
    reader.feed(html)
    return reader.drawn


def figure_faults(site: Site) -> list[str]:
    """Return the computed figures without number, caption, name or alt text."""
    return [
        f"{page.name}: the computed figure {drawn.source.rsplit('/', 1)[-1]} has {fault}"
        for page in site.written
        for drawn in computed_figures((site.folder / page.name).read_text(encoding="utf-8"))
        for fault in drawn.faults()
    ]
