"""Cells that ask for pieces, ``if profile == "paper" and run.ready("…"):``, and which cells a profile executes.

Such a cell does nothing at the other profiles, so it is no part of runs there. At ``paper`` a page that has one is
assembled from pieces: of its other cells only those up to ``begin`` are executed.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import lru_cache

from companion.book.sourcecode import parse_cell

__all__ = ["PAPER", "asked_groups", "cell_problems", "executed_cells", "is_piece_cell"]

PAPER = "paper"
"""The profile at which pages may be assembled from pieces."""


@lru_cache(maxsize=4096)
def is_piece_cell(source: str) -> bool:
    """Tell whether a cell is nothing but ``if profile == "paper" and run.ready("…"):`` without an ``else``."""
    if "run.ready(" not in source:
        return False
    try:
        body = parse_cell(source).body
    except SyntaxError:
        return False  # the fingerprint tells of it
    if len(body) != 1 or not isinstance(body[0], ast.If) or body[0].orelse:
        return False
    test = body[0].test
    if not isinstance(test, ast.BoolOp) or not isinstance(test.op, ast.And) or len(test.values) != 2:
        return False
    return ast.unparse(test.values[0]) == f"profile == {PAPER!r}" and bool(_names(test.values[1]))


def asked_groups(sources: Sequence[str]) -> tuple[str, ...]:
    """Return the groups that cells which ask for pieces name in ``run.ready``, each once, in order."""
    found: list[str] = []
    for source in sources:
        if is_piece_cell(source):
            statement = parse_cell(source).body[0]
            assert isinstance(statement, ast.If) and isinstance(statement.test, ast.BoolOp)
            found += _names(statement.test.values[1])
    return tuple(dict.fromkeys(found))


def cell_problems(sources: Sequence[str]) -> list[str]:
    """Return a sentence for each cell that asks for pieces in another form, and so would run at all profiles."""
    return [
        f'code cell {number}: expected nothing but if profile == "paper" and run.ready("…"): around what asks for '
        "pieces, found another form"
        for number, source in enumerate(sources, 1)
        if any(word in source for word in ("run.ready(", "run.pieces(")) and not is_piece_cell(source)
    ]


def executed_cells(sources: Sequence[str], profile: str) -> list[bool]:
    """Return for each code cell of a page whether it is executed at ``profile``."""
    asks = [is_piece_cell(source) for source in sources]
    if not any(asks):
        return [True] * len(sources)
    if profile != PAPER:
        return [not one for one in asks]
    begins = next((place for place, source in enumerate(sources) if "begin(" in source), len(sources))
    return [one or place <= begins for place, one in enumerate(asks)]


def _names(call: ast.expr) -> list[str]:
    """Return the names in ``run.ready("…", …)``; nothing for any other expression."""
    if not isinstance(call, ast.Call) or ast.unparse(call.func) != "run.ready" or call.keywords:
        return []
    names = [part.value for part in call.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return names if len(names) == len(call.args) else []
