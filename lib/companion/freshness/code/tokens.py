"""Tokens of canonical code: texts, and symbols of the library in the places where code refers to them."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from companion.freshness.code.scopes import Target

__all__ = ["Meaning", "Outside", "Package", "Piece", "Resolver", "Symbol", "Token", "flat", "literal"]


@dataclass(frozen=True, order=True)
class Symbol:
    """A part of the library that counts by itself.

    ``kind`` is ``def`` (a function, a class or an assigned name), ``rest`` (what else a module does when it is
    imported) or ``whole`` (everything in a module and below it).
    """

    kind: str
    module: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.module}:{self.name or self.kind}"


@dataclass(frozen=True)
class Outside:
    """Something that the library does not define, by its dotted name."""

    dotted: str


@dataclass(frozen=True)
class Package:
    """A module of the library, as a value."""

    module: str


Meaning = Symbol | Outside | Package
Token = str | Symbol


class Resolver(Protocol):
    """What the code around a piece knows: the names of its module, and the modules of the library."""

    def names(self, name: str) -> tuple[bool, Sequence[Meaning]]:
        """Return whether ``name`` is a plain name, and what imports and definitions bind it to."""

    def target(self, target: Target) -> Meaning:
        """Return what an import binds a name to."""

    def attribute(self, package: Package, name: str) -> Sequence[Meaning]:
        """Return what ``name`` is in a module of the library; nothing where that cannot be told."""

    def everything(self) -> Symbol:
        """Return the symbol for the module that holds the piece."""


@dataclass
class Piece:
    """The tokens of one statement without the statements inside it."""

    statement: ast.AST
    tokens: list[Token]
    depth: int
    """How many functions are around it."""


def flat(tokens: Iterable[Token]) -> str:
    """Return tokens as one text, in which a symbol stands by its own name."""
    return " ".join(token if isinstance(token, str) else f"@{token.name or token.kind}" for token in tokens)


def literal(value: object) -> str:
    """Return a constant as text with its type; strings without blank space outside of quotes."""
    if isinstance(value, str):
        return "s:" + json.dumps(value)
    if isinstance(value, bytes):
        return "b:" + value.hex()
    if isinstance(value, bool) or value is None or value is Ellipsis:
        return f"c:{value}"
    return f"i:{value:x}" if isinstance(value, int) else f"{type(value).__name__}:{value!r}"
