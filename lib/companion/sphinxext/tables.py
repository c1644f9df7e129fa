"""Tables of a page as nodes: plain ones, and those that fold into cards where the page is narrow.

Style sheets that fold a table take away what its elements say of themselves, so parts of cards name their roles.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from companion.sphinxext.element import Element, el

__all__ = ["cards", "cell", "column", "line", "plain_table"]


def column(*head: Any, kind: str | None = None) -> Element:
    """Return the head of a column of cards; ``kind`` is its class."""
    return el("th", {"scope": "col", "role": "columnheader", "class": kind}, *head)


def cell(label: str | None, *children: Any, kind: str | None = None) -> Element:
    """Return a cell that carries its column's name, shown where the table is folded."""
    return el("td", {"role": "cell", "data-label": label, "class": kind}, *children)


def line(head: Any, *cells: Element, id: str | None = None) -> Element:
    """Return a row of cards: its head, then its cells."""
    return el("tr", {"id": id, "role": "row"}, el("th", {"scope": "row", "role": "rowheader"}, head), cells)


def cards(
    caption: str | Element,
    columns: Iterable[Any],
    rows: Iterable[Element],
    *,
    foot: Iterable[Element] = (),
    kind: str = "",
) -> Element:
    """Return a table that folds into cards.

    Args:
        caption: what it shows.
        columns: their heads, as words or made by :func:`column`.
        rows: made by :func:`line`.
        foot: rows below all others.
        kind: more classes of the table.
    """
    heads = [one if isinstance(one, Element) else column(one) for one in columns]
    groups = {"thead": [el("tr", {"role": "row"}, heads)], "tbody": list(rows), "tfoot": list(foot)}
    return el(
        "table",
        {"class": f"companion-cards {kind}".strip(), "role": "table"},
        caption if isinstance(caption, Element) else el("caption", {}, caption),
        [el(tag, {"role": "rowgroup"}, group) for tag, group in groups.items() if group or tag != "tfoot"],
    )


def plain_table(
    kind: str | None, columns: Iterable[Any], body: Any, *, caption: Any = (), numeric: Iterable[int] = ()
) -> Element:
    """Return a table that stays one; ``body`` is its ``tbody`` elements, the ``numeric`` columns are set right."""
    right = set(numeric)
    heads = [
        el("th", {"scope": "col", "class": "number" if i in right else None}, name)
        for i, name in enumerate(columns)
    ]
    return el("table", {"class": kind}, caption, el("thead", {}, el("tr", {}, heads)), body)
