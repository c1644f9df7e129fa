"""Which modules change something elsewhere when they are imported: registries filled by decorators or calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from companion.freshness.canonical import Symbol
from companion.freshness.modules import Module

__all__ = ["SETTERS", "at_import", "is_subclass_hook", "writes"]

MUTATORS = {
    "append",
    "add",
    "update",
    "setdefault",
    "insert",
    "extend",
    "register",
    "pop",
    "remove",
    "clear",
    "discard",
    "appendleft",
}
"""Methods that change the object they are called on."""
SETTERS = ("set", "register", "use", "filter", "simplefilter", "seed", "manual_seed", "update", "append", "add")
"""How the names of functions of other libraries begin that change a state of theirs."""
_LATER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def at_import(statement: ast.stmt) -> Iterator[ast.expr]:
    """Yield what a definition calls when its module is imported: decorators, bases, calls in values."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield from statement.decorator_list
    if isinstance(statement, ast.ClassDef):
        yield from statement.bases
        yield from (keyword.value for keyword in statement.keywords)
        for inner in statement.body:
            yield from at_import(inner)
        return
    pending: list[ast.AST] = [] if isinstance(statement, _LATER) else [statement]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Call):
            yield node.func
        pending += [child for child in ast.iter_child_nodes(node) if not isinstance(child, _LATER)]


def writes(module: Module, symbol: Symbol) -> bool:
    """Tell whether running a definition may change what a name of its module, or of another one, refers to.

    Local variables of the same name are taken for the module's: rather too much than too little.
    """
    names = {*module.definitions, *module.scope.imports, *module.rest_names}
    for statement in module.definitions.get(symbol.name, ()):
        for node in ast.walk(statement):
            if isinstance(node, ast.Global) or is_subclass_hook(node):
                return True
            if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
                if _root(node) in names:
                    return True
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
                if _root(node.func) in names:
                    return True
    return False


def is_subclass_hook(node: ast.AST) -> bool:
    """Tell whether a node makes classes that derive from its own change something."""
    return (isinstance(node, ast.FunctionDef) and node.name == "__init_subclass__") or (
        isinstance(node, ast.ClassDef) and any(keyword.arg == "metaclass" for keyword in node.keywords)
    )


def _root(node: ast.AST) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
