"""A piece of Python as tokens that only its meaning decides: the same on every Python, whatever the formatting.

Comments, docstrings, annotations and import lines leave no trace. A name that an import or a definition of the
module binds stands for what it resolves to: a :class:`Symbol` of the library, or a dotted name outside of it.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from companion.freshness.modules import PACKAGE
from companion.freshness.scopes import COMPREHENSIONS, Scope, Target, is_type_checking, scope_of

__all__ = ["Emitter", "Outside", "Package", "Piece", "Resolver", "Symbol", "Token", "flat", "silent"]


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


SKIPPED = ("ctx", "type_comment", "kind", "annotation", "returns")
STATEMENTS = ("body", "orelse", "finalbody")
FIELD_WORDS = ("ClassVar", "InitVar", "KW_ONLY")
"""Annotations that decide what a class body's line means."""
DYNAMIC = ("globals", "eval", "exec")
"""Built-in functions through which code reaches its module's names by text; ``vars()`` and ``dir()`` too."""
IMPORTERS = ("importlib.import_module", "__import__")


class Emitter:
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
            self.out.append("-" if node is None else _literal(node))

    def _generic(self, node: ast.AST, skip: Sequence[str] = ()) -> None:
        self.out.append(f"({type(node).__name__}")
        for field in node._fields:
            value = getattr(node, field, None)
            if value is None or value == [] or field in SKIPPED or field in skip:
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

    def _meaning(self, name: str) -> tuple[bool, list[Meaning]]:
        """Return whether ``name`` may be a plain variable here, and what else it may stand for."""
        plain, found = False, []
        for depth, scope in enumerate(reversed(self.scopes)):
            if scope.kind == "class" and depth:
                continue
            if name in scope.outer:
                break
            if name not in scope.bound and name not in scope.imports:
                continue
            plain = plain or name in scope.bound
            found += [self.resolver.target(target) for target in scope.imports.get(name, ())]
            if scope.kind != "class":  # a class body looks further out where it has not bound the name yet
                return plain, found
        around, more = self.resolver.names(name)
        return plain or around, [*found, *more]

    def _mean(self, item: Meaning) -> None:
        if isinstance(item, Outside):
            self.out.append(f"<{item.dotted}>")
        else:
            self.out.append(Symbol("whole", item.module) if isinstance(item, Package) else item)

    def _Name(self, node: ast.Name) -> None:
        if self.own is not None and not self.scopes and not isinstance(node.ctx, ast.Load):
            self.out.append("own" if node.id == self.own else "other")
            return
        if self.scopes and self.scopes[-1].kind == "class" and isinstance(node.ctx, ast.Store):
            self.out.append(f"n:{node.id}")
            return
        plain, found = self._meaning(node.id)
        if len(found) == 1 and not plain:
            self._mean(found[0])
        elif not found:
            self.out.append(f"n:{node.id}")
        else:
            self.out += ["(either", f"n:{node.id}"]
            for item in found:
                self._mean(item)
            self.out.append(")")
        if not plain and not found and node.id in DYNAMIC:
            self.out.append(self.resolver.everything())

    def _Attribute(self, node: ast.Attribute) -> None:
        chain, root = [node.attr], node.value
        while isinstance(root, ast.Attribute):
            chain.append(root.attr)
            root = root.value
        plain, found = self._meaning(root.id) if isinstance(root, ast.Name) else (True, [])
        if plain or len(found) != 1 or isinstance(found[0], Symbol):
            self.out.append("(Attribute")
            self.emit(node.value)
            self.out += [f"a:{node.attr}", ")"]
            self._subclasses([node.attr])
            return
        item, names = found[0], chain[::-1]
        while names and isinstance(item, Package):
            inside = self.resolver.attribute(item, names[0])
            if len(inside) != 1:
                self._mean(item)
                for other in inside:
                    self._mean(other)
                break
            item = inside[0]
            names.pop(0)
        else:
            if isinstance(item, Outside):
                item, names = Outside(".".join([item.dotted, *names])), []
            self._mean(item)
            if item == Outside("sys.modules"):
                self.out.append(self.resolver.everything())
        self.out += [f"a:{name}" for name in names]
        self._subclasses(chain)

    def _subclasses(self, chain: Sequence[str]) -> None:
        """A class asked for those that derive from it may find any of the library's."""
        if "__subclasses__" in chain:
            self.out.append(Symbol("whole", PACKAGE))

    def _Call(self, node: ast.Call) -> None:
        self._generic(node)
        first = node.args[0] if node.args else None
        if first is None and isinstance(node.func, ast.Name) and node.func.id in ("vars", "dir"):
            self.out.append(self.resolver.everything())
        name = _dotted(node.func)
        root = name.partition(".")[0]
        plain, found = self._meaning(root) if root else (True, [])
        if plain or len(found) > 1 or (found and not isinstance(found[0], Outside)):
            return
        full = found[0].dotted + name[len(root) :] if found else name
        if full in IMPORTERS:
            named = isinstance(first, ast.Constant) and isinstance(first.value, str)
            item = self.resolver.target(Target(first.value)) if named else None
            self._mean(item if item is not None else self.resolver.everything())

    def _Constant(self, node: ast.Constant) -> None:
        self.out.append(_literal(node.value))

    def _JoinedStr(self, node: ast.JoinedStr) -> None:
        parts: list[ast.expr | str] = []
        for value in node.values:
            if isinstance(value, ast.Constant):
                text = str(value.value)
                if parts and isinstance(parts[-1], str):
                    text = parts.pop() + text
                if text:
                    parts.append(text)
            else:
                parts.append(value)
        if all(isinstance(part, str) for part in parts):
            self.out.append(_literal("".join(parts)))
            return
        self.out.append("(f")
        for part in parts:
            self.emit(part)
        self.out.append(")")

    def _FormattedValue(self, node: ast.FormattedValue) -> None:
        self.out.append(f"({{{node.conversion}")
        self.emit(node.value)
        if node.format_spec is not None and node.format_spec.values:
            self.emit(node.format_spec)
        self.out.append(")")

    def _AnnAssign(self, node: ast.AnnAssign) -> None:
        if not (self.scopes and self.scopes[-1].kind == "class"):
            self.emit(ast.Assign([node.target], node.value))
            return
        words = [
            part.id if isinstance(part, ast.Name) else part.attr
            for part in ast.walk(node.annotation)
            if isinstance(part, (ast.Name, ast.Attribute))
        ]
        said = ast.unparse(node.annotation) if isinstance(node.annotation, ast.Constant) else ""
        self.out += ["(field", *[word for word in FIELD_WORDS if word in words or word in said]]
        self.emit(node.target)
        if node.value is not None:
            self.emit(node.value)
        self.out.append(")")

    def _Delete(self, node: ast.Delete) -> None:
        """Emit ``del (a, b)`` as ``del a, b``."""
        found: list[ast.expr] = []
        for target in node.targets:
            found += target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
        self.out.append("(Delete")
        self.emit(found)
        self.out.append(")")

    def _Global(self, node: ast.Global | ast.Nonlocal) -> None:
        self.out.append(f"({type(node).__name__}")
        for name in sorted(node.names):
            self._Name(ast.Name(name, ast.Load()))
        self.out.append(")")

    _Nonlocal = _Global

    def _FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.out += [f"({type(node).__name__}", f"d:{node.name}"]
        self.emit(node.decorator_list)
        registers = any(
            isinstance(part, ast.Attribute) and part.attr == "register"
            for item in node.decorator_list
            for part in ast.walk(item)
        )
        self._arguments(node.args, annotated=registers)
        self._inside(node, node.body)
        self.out.append(")")

    _AsyncFunctionDef = _FunctionDef

    def _Lambda(self, node: ast.Lambda) -> None:
        self.out.append("(Lambda")
        self._arguments(node.args)
        self.scopes.append(scope_of(node))
        self.emit(node.body)
        self.scopes.pop()
        self.out.append(")")

    def _arguments(self, node: ast.arguments, *, annotated: bool = False) -> None:
        """Emit names and defaults; annotations only where a decorator dispatches on them."""
        self.out.append("(args")
        for field in ("posonlyargs", "args", "kwonlyargs"):
            self.out += [field, *(f"n:{item.arg}" for item in getattr(node, field))]
        for field in ("vararg", "kwarg"):
            if getattr(node, field) is not None:
                self.out += [field, f"n:{getattr(node, field).arg}"]
        self.emit(node.defaults)
        self.emit(node.kw_defaults)
        for item in [*node.posonlyargs, *node.args] if annotated else ():
            self.emit(item.annotation)
        self.out.append(")")

    def _ClassDef(self, node: ast.ClassDef) -> None:
        self.out += ["(ClassDef", f"d:{node.name}"]
        for part in (node.decorator_list, node.bases, node.keywords):
            self.emit(part)
        self._inside(node, node.body)
        self.out.append(")")

    def _inside(self, node: ast.AST, body: list[ast.stmt]) -> None:
        self.scopes.append(scope_of(node))
        self.statements(body)
        self.scopes.pop()

    def _comprehension(self, node: ast.AST) -> None:
        """Emit a comprehension: its first iterable belongs to the scope around it."""
        self.out.append(f"({type(node).__name__}")
        self.emit(node.generators[0].iter)
        self.scopes.append(scope_of(node))
        for number, part in enumerate(node.generators):
            self.emit(part.target)
            if number:
                self.emit(part.iter)
            self.emit(part.ifs)
            self.out.append(f"async:{part.is_async}")
        for field in ("key", "value", "elt"):
            if getattr(node, field, None) is not None:
                self.emit(getattr(node, field))
        self.scopes.pop()
        self.out.append(")")


for _kind in COMPREHENSIONS:
    setattr(Emitter, f"_{_kind.__name__}", Emitter._comprehension)


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


def flat(tokens: Iterable[Token]) -> str:
    """Return tokens as one text, in which a symbol stands by its own name."""
    return " ".join(token if isinstance(token, str) else f"@{token.name or token.kind}" for token in tokens)


def _dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` for a chain of attributes of a name, else an empty text."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else ""


def _literal(value: object) -> str:
    """Return a constant as text with its type; strings without blank space outside of quotes."""
    if isinstance(value, str):
        return "s:" + json.dumps(value)
    if isinstance(value, bytes):
        return "b:" + value.hex()
    if isinstance(value, bool) or value is None or value is Ellipsis:
        return f"c:{value}"
    return f"i:{value:x}" if isinstance(value, int) else f"{type(value).__name__}:{value!r}"
