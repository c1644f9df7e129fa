"""Which names in the cells of a page stand for imported modules, for things of the library, or for what lies
behind an object (its class, its mapping of attributes).
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence

__all__ = ["LIBRARY", "LibraryNames", "chain", "root_name", "written"]

LIBRARY = ("contdepth", "companion")
"""The packages whose objects no page may change."""
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def chain(node: ast.AST) -> str:
    """Return ``a.b.c`` for a chain of attributes; what is no name in it stands as it is written."""
    return (
        f"{chain(node.value)}.{node.attr}"
        if isinstance(node, ast.Attribute)
        else (node.id if isinstance(node, ast.Name) else ast.unparse(node) if isinstance(node, ast.expr) else "")
    )


def root_name(node: ast.AST) -> str | None:
    """Return the name that a chain of attributes and items begins with, or None."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def written(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the names that a cell binds at its own level, or as ``global``, and the line; the library's imports by
    their own names are left out.
    """
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name, node.lineno
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id, node.lineno
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            ours = isinstance(node, ast.ImportFrom) and node.module == "companion"
            yield from (
                (alias.asname or alias.name, node.lineno)
                for alias in node.names
                if not (ours and alias.asname in (None, alias.name))
            )
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            yield node.name, node.lineno
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest, node.lineno
        if isinstance(node, _SCOPES):
            yield from (
                (name, inner.lineno)
                for inner in ast.walk(node)
                if isinstance(inner, ast.Global)
                for name in inner.names
            )
        else:
            pending += ast.iter_child_nodes(node)


class LibraryNames:
    """The imports of all cells of a page, and the names that its assignments and loops give to imported things."""

    def __init__(self, trees: Sequence[ast.Module]) -> None:
        self._modules: dict[str, str] = {}
        self._library: set[str] = set()
        self._behind: set[str] = set()
        self._magic = {
            id(node.func.value.func): node
            for tree in trees
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Call)
        }
        nodes = [node for tree in trees for node in ast.walk(tree)]
        for node in nodes:
            self._import(node)
        known = -1
        while known != (known := len(self._modules) + len(self._library) + len(self._behind)):
            for node in nodes:  # until names of names are known too
                for target, value in _bindings(node):
                    self._bind(target, value)

    def module(self, name: str | None) -> str | None:
        """Return the module or package that an imported name comes from, or None."""
        return self._modules.get(name or "")

    def imported(self, node: ast.AST) -> bool:
        """Tell whether an expression is something imported, or an attribute or item of it."""
        return root_name(node) in {*self._modules, *self._library}

    def of_library(self, node: ast.AST) -> bool:
        """Tell whether an expression is something of the library, or an attribute or item of it."""
        return root_name(node) in self._library

    def behind(self, node: ast.AST) -> bool:
        """Tell whether an expression leads through the class of an object, or its mapping of attributes."""
        while not isinstance(node, ast.Name):
            if isinstance(node, ast.Call):
                if chain(node.func) in ("type", "vars", "super"):
                    return True
                if chain(node.func) != "getattr" or not node.args:
                    return False
                if self.imported(node.args[0]):
                    return True
                node = node.args[0]
            elif isinstance(node, ast.Attribute) and node.attr in (
                "__class__",
                "__dict__",
                "__mro__",
                "__bases__",
                "__globals__",
                "__func__",
                "__wrapped__",
            ):
                return True
            elif isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
                node = node.value
            else:
                return False
        return node.id in self._behind

    def is_magic(self, name: ast.Name, allowed: Collection[str]) -> bool:
        """Tell whether ``get_ipython`` stands in the call of an allowed magic."""
        call = self._magic.get(id(name))
        first = call.args[0] if call is not None and call.args else None
        return (
            call is not None
            and isinstance(first, ast.Constant)
            and first.value in allowed
            and getattr(call.func, "attr", None) in ("run_line_magic", "run_cell_magic")
        )

    def _import(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._imported(alias.asname or alias.name.partition(".")[0], alias.name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                self._imported(alias.asname or alias.name, node.module or "")

    def _imported(self, name: str, module: str) -> None:
        package = module.partition(".")[0]
        self._modules[name] = package
        if package in LIBRARY:
            self._library.add(name)

    def _bind(self, target: ast.AST, value: ast.AST) -> None:
        """Let names stand for what an assignment gives them, item by item where both sides are lists of items."""
        if isinstance(target, (ast.Tuple, ast.List)):
            items = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
            several = len(items) == len(target.elts)
            for number, part in enumerate(target.elts):
                self._bind(part, items[number] if several else value)
        elif isinstance(target, ast.Name):
            plain = isinstance(value, (ast.Name, ast.Attribute))
            if isinstance(value, ast.IfExp):
                self._bind(target, value.body)
                self._bind(target, value.orelse)
                return
            begun = isinstance(value, ast.Call) and chain(value.func) == "begin"
            if begun or (plain and self.of_library(value)):
                self._library.add(target.id)
            elif self.behind(value):
                self._behind.add(target.id)


def _bindings(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Yield targets with the values they get; a loop over a written list gives each of its items."""
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
        yield node.target, node.value
    elif isinstance(node, (ast.For, ast.comprehension)) and isinstance(node.iter, (ast.Tuple, ast.List, ast.Set)):
        yield from ((node.target, item) for item in node.iter.elts)
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield node.optional_vars, node.context_expr
