"""Tables of a page as HTML: rows in groups, a caption, the best number of a column in bold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from contdepth import checks

__all__ = ["table"]


def table(
    caption: str,
    columns: Sequence[str],
    groups: Mapping[str, Mapping[str, Sequence[str]]],
    *,
    smallest: Sequence[int] = (),
) -> str:
    """HTML of a table whose rows stand in groups.

    In the columns named by ``smallest`` the smallest number of each group is bold. What is compared is what is
    printed, so that equal figures are bold together; a group of one row has no best.

    Args:
        caption: what the table shows, as text.
        columns: heads, the first for the names of the rows; text.
        groups: name of a group → name of a row → its cells, one for each column but the first. A group named ""
            has no line of its own. Names may hold HTML, cells are text.
        smallest: numbers of columns, the first column of cells being 1.

    Raises:
        ValueError: a row has another number of cells than there are columns, or a cell of a column of
            ``smallest`` is no number.
    """
    for column in smallest:
        checks.integer("smallest", column, at_least=1)
    body = "".join(_group(name, rows, len(columns), smallest) for name, rows in groups.items())
    head = "".join(f'<th scope="col"{_kind(index)}>{escape(column)}</th>' for index, column in enumerate(columns))
    words = escape(caption)
    return (
        f'<div class="companion-scroll" role="region" tabindex="0" aria-label="{words}">'
        f'<table class="companion-table"><caption><span class="companion-caption">{words}</span></caption>'
        f"<thead><tr>{head}</tr></thead>{body}</table></div>"
    )


def _kind(column: int) -> str:
    return ' class="number"' if column else ""


def _group(name: str, rows: Mapping[str, Sequence[str]], width: int, smallest: Sequence[int]) -> str:
    for row, cells in rows.items():
        if len(cells) != width - 1:
            checks.fail("groups", f"{width - 1} cells in each row", f"{len(cells)} in the row {row!r}")
    best = {}
    if len(rows) > 1:
        for column in smallest:
            best[column] = min(_number(row, cells[column - 1]) for row, cells in rows.items())
    lines = [f'<tr><th scope="rowgroup" colspan="{width}"><em>{name}</em></th></tr>'] if name else []
    for row, cells in rows.items():
        shown = (
            f"<td{_kind(column)}>{_bold(escape(cell), column in best and float(cell) == best[column])}</td>"
            for column, cell in enumerate(cells, 1)
        )
        lines.append(f'<tr><th scope="row">{row}</th>{"".join(shown)}</tr>')
    return f"<tbody>{''.join(lines)}</tbody>"


def _bold(cell: str, best: bool) -> str:
    return f"<strong>{cell}</strong>" if best else cell


def _number(row: str, cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        checks.fail("groups", f"a number in each row of a column of smallest, such as {row!r}", repr(cell))
