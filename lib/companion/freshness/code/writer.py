"""Nodes written as tokens, whatever they mean: statements that say something, constants and f-strings."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from companion.freshness.code.scopes import Scope, is_type_checking
from companion.freshness.code.tokens import Piece, Resolver, Token, literal

__all__ = ["Writer", "silent"]

SKIPPED = ("ctx", "type_comment", "kind", "annotation", "returns")
STATEMENTS = ("body", "orelse", "finalbody")


class Writer:
    """Writes nodes as tokens into ``out``; with ``pieces`` set, each statement as a piece of its own."""

    def __init__(self, resolver: Resolver, own: str | None = None, *, shows: bool = False) -> None:
        self.resolver, self.own, self.shows = resolver, own, shows
        self.out: list[Token] = []
        self.scopes: list[Scope] = []
        self.pieces: list[Piece] | None = None

    def statements(self, body: Iterable[ast.stmt]) -> None:
        """Emit statements, less those that say nothing to the interpreter."""
        for node in body:
            if is_type_checking(node):
                self.statements(node.orelse)
            elif not silent(node, at_level=self._level()):
                self.statement(node)

    def _level(self) -> str:
        return self.scopes[-1].kind if self.scopes else "cell" if self.shows else "module"

    def statement(self, node: ast.AST) -> None:
        """Emit one statement, where pieces are kept as one of them."""
        if self.pieces is None:
            self.emit(node)
            return
        piece = Piece(node, [], sum(scope.kind == "function" for scope in self.scopes))
        self.pieces.append(piece)
        around, self.out = self.out, piece.tokens
        self.emit(node)
        self.out = around

    def emit(self, node: object) -> None:
        """Emit a node, or a list or value among its fields."""
        if isinstance(node, ast.AST):
            method = getattr(self, f"_{type(node).__name__}", None)
            method(node) if method else self._generic(node)
        elif isinstance(node, list):
            self.out.append("[")
            for item in node:
                self.emit(item)
            self.out.append("]")
        else:
            self.out.append("-" if node is None else literal(node))

    def _generic(self, node: ast.AST) -> None:
        self.out.append(f"({type(node).__name__}")
        for field in node._fields:
            value = getattr(node, field, None)
            if value is None or value == [] or field in SKIPPED:
                continue
            self.out.append(field)
            if field in STATEMENTS and isinstance(value, list):
                self.statements(value)
            elif field in ("handlers", "cases"):
                for part in value:
                    self.statement(part)
            else:
                self.emit(value)
        self.out.append(")")

    def _Constant(self, node: ast.Constant) -> None:
        self.out.append(literal(node.value))

    def _JoinedStr(self, node: ast.JoinedStr) -> None:
        parts: list[ast.expr | str] = []
        for value in node.values:
            if isinstance(value, ast.Constant):
                text = str(value.value)
                if parts and isinstance(parts[-1], str):
                    text = f"{parts.pop()}{text}"
                if text:
                    parts.append(text)
            else:
                parts.append(value)
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) == len(parts):
            self.out.append(literal("".join(texts)))
            return
        self.out.append("(f")
        for part in parts:
            self.emit(part)
        self.out.append(")")

    def _FormattedValue(self, node: ast.FormattedValue) -> None:
        self.out.append(f"({{{node.conversion}")
        self.emit(node.value)
        if getattr(node.format_spec, "values", None):
            self.emit(node.format_spec)
        self.out.append(")")


def silent(node: ast.stmt, *, at_level: str) -> bool:
    """Tell whether a statement says nothing: imports, docstrings, annotations without a value, ``pass``.

    ``at_level`` is class, function, module or cell; the last line of a cell shows a constant, and a class body's
    annotations may be fields.
    """
    if is_type_checking(node) and not node.orelse:
        return True
    if isinstance(node, ast.AnnAssign) and node.value is None:
        return at_level != "class"
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return at_level != "cell"
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass))
