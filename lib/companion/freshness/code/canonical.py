"""A piece of Python as tokens that only its meaning decides: the same on every Python, whatever the formatting.

Comments, docstrings, annotations and import lines leave no trace. A name that an import or a definition of the
module binds stands for what it resolves to: a :class:`Symbol` of the library, or a dotted name outside of it.
"""

from __future__ import annotations

import ast

from companion.freshness.code.meanings import Meanings
from companion.freshness.code.scopes import COMPREHENSIONS, scope_of

__all__ = ["Emitter"]

FIELD_WORDS = ("ClassVar", "InitVar", "KW_ONLY")
"""Annotations that decide what a class body's line means."""


class Emitter(Meanings):
    """Writes nodes as tokens into ``out``; with ``pieces`` set, each statement as a piece of its own."""

    def _AnnAssign(self, node: ast.AnnAssign) -> None:
        if not (self.scopes and self.scopes[-1].kind == "class"):
            self.emit(ast.Assign([node.target], node.value))  # type: ignore[arg-type]
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

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
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
