"""What the cells of a page say, and which symbols of the library they use, directly or through others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from companion.book.pages import CodeCell, Page
from companion.book.sourcecode import parse_cell
from companion.errors import PageError
from companion.freshness.code.canonical import Emitter
from companion.freshness.code.modules import imports_of
from companion.freshness.code.names import PageNames
from companion.freshness.code.scopes import scope_of
from companion.freshness.code.symbols import Library, digest_of, library_at
from companion.freshness.code.tokens import Symbol, Token, flat
from companion.freshness.code.writer import silent

__all__ = ["SHORT", "PageSymbols", "page_symbols", "speaks"]

SHORT = 12
"""Number of hexadecimal digits by which a record names the digest of one symbol."""


@dataclass(frozen=True)
class PageSymbols:
    """A page as its fingerprint sees it.

    ``cells`` holds the tokens of every cell that says something, with whether it is the parameters cell;
    ``symbols`` all that they reach.
    """

    library: Library
    cells: tuple[tuple[tuple[Token, ...], bool], ...]
    symbols: tuple[Symbol, ...]

    @property
    def code(self) -> list[list[object]]:
        """The cells without what the library's symbols contain: those stand by their names."""
        return [[flat(tokens), is_parameters] for tokens, is_parameters in self.cells]

    def part(self) -> dict[str, Any]:
        """Return the ``library`` part of a fingerprint: one digest of all, and each symbol's for messages."""
        used = [token for tokens, _ in self.cells for token in tokens if isinstance(token, Symbol)]
        digests = {symbol: self.library.digest(symbol) for symbol in self.symbols}
        names: dict[str, dict[str, str]] = {}
        for symbol, digest in digests.items():
            names.setdefault(symbol.module, {})[symbol.name or f"({symbol.kind})"] = digest[:SHORT]
        order = [digests[symbol] for symbol in used]  # each use: two symbols may have the same name
        return {"digest": digest_of([*order, "", *sorted(set(digests.values()))]), "symbols": names}


def page_symbols(page: Page, profile: str) -> PageSymbols:
    """Return what the cells of ``page`` that are executed at ``profile`` say; raise :class:`PageError` where a
    cell is no Python.
    """
    library, cells = library_at(page.root), page.cells(profile)
    key = (page.id, cells)
    if key not in library.pages:
        library.pages[key] = _page_symbols(page, cells, library)
    return library.pages[key]


def _page_symbols(page: Page, cells: Sequence[CodeCell], library: Library) -> PageSymbols:
    trees = []
    for number, cell in enumerate(cells, 1):
        try:
            trees.append(parse_cell(cell.source))
        except SyntaxError as error:
            raise PageError(
                f"page {page.id}, code cell {number} line {error.lineno}: expected Python, found {error.msg}"
            ) from None
    names = PageNames(library.modules, [scope_of(tree) for tree in trees])
    found: list[tuple[tuple[Token, ...], bool]] = []
    for tree, cell in zip(trees, cells, strict=True):
        emitter = Emitter(names, shows=True)
        emitter.statements(tree.body)
        if emitter.out or cell.is_parameters:
            found.append((tuple(emitter.out), cell.is_parameters))
    loads = [target for tree in trees for target in imports_of(tree)]
    used = [token for tokens, _ in found for token in tokens if isinstance(token, Symbol)]
    return PageSymbols(library, tuple(found), tuple(library.closure(used, loads)))


def speaks(source: Sequence[str] | str) -> bool:
    """Tell whether a cell says anything besides imports, comments and type annotations."""
    text = source if isinstance(source, str) else "".join(source)
    try:
        return any(not silent(node, at_level="cell") for node in parse_cell(text).body)
    except SyntaxError:
        return True
