"""What a scope of Python binds: the names it imports, and the names it gives a value in any other way."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeGuard

__all__ = [
    "COMPREHENSIONS",
    "FUNCTIONS",
    "Scope",
    "Target",
    "bound_names",
    "is_type_checking",
    "scope_of",
    "targets",
]

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_OWN = (*FUNCTIONS, *COMPREHENSIONS, ast.ClassDef)


@dataclass(frozen=True)
class Target:
    """What an import binds a name to: the module ``module``, or ``name`` out of it; ``level`` counts leading dots.

    ``loads`` is the dotted module that the statement executes, where that is more than ``module``.
    """

    module: str
    name: str | None = None
    level: int = 0
    loads: str = ""


@dataclass
class Scope:
    """One scope: ``kind`` is module, class, function or comprehension."""

    kind: str
    imports: dict[str, list[Target]] = field(default_factory=dict)
    bound: set[str] = field(default_factory=set)
    outer: set[str] = field(default_factory=set)
    """Names declared ``global``."""
    nonlocals: set[str] = field(default_factory=set)
    stars: list[Target] = field(default_factory=list)


def is_type_checking(node: ast.AST) -> TypeGuard[ast.If]:
    """Tell whether ``node`` is an ``if`` whose body only a type checker reads."""
    return isinstance(node, ast.If) and (
        (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING")
        or (isinstance(node.test, ast.Attribute) and node.test.attr == "TYPE_CHECKING")
    )


def targets(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Target]]:
    """Yield each name that an import binds (``*`` for a star) with what it is bound to."""
    if isinstance(node, ast.Import):
        for item in node.names:
            top = item.name.partition(".")[0]
            yield (item.asname, Target(item.name)) if item.asname else (top, Target(top, loads=item.name))
    elif node.module != "__future__":
        for item in node.names:
            yield item.asname or item.name, Target(node.module or "", item.name, node.level)


@lru_cache(maxsize=32768)
def scope_of(node: Any) -> Scope:
    """Return the scope that a module, class, function, lambda or comprehension opens; not to be changed."""
    if isinstance(node, COMPREHENSIONS):
        scope = Scope("comprehension")
        for part in node.generators:
            scope.bound |= _stored(part.target)
        return scope
    if isinstance(node, FUNCTIONS):
        scope = Scope("function")
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        scope.bound |= {argument.arg for argument in every if argument is not None}
        _collect([node.body] if isinstance(node, ast.Lambda) else node.body, scope)
    else:
        scope = Scope("class" if isinstance(node, ast.ClassDef) else "module")
        _collect(node.body, scope)
    for parameter in getattr(node, "type_params", ()):
        scope.bound.add(parameter.name)
    scope.bound -= scope.outer | scope.nonlocals
    return scope


def bound_names(statement: ast.stmt) -> set[str]:
    """Return the names that a statement binds in its own scope, imports left out."""
    scope = Scope("module")
    _collect([statement], scope)
    return scope.bound


def _stored(node: ast.AST) -> set[str]:
    names = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
    return {part.id for part in names if not isinstance(part.ctx, ast.Load)}


def _collect(nodes: Iterable[ast.AST], scope: Scope) -> None:
    """Add to ``scope`` what ``nodes`` bind in it, without entering the scopes that they open."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if is_type_checking(node):
            pending += node.orelse
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for name, target in targets(node):
                if name == "*":
                    scope.stars.append(target)
                else:
                    scope.imports.setdefault(name, []).append(target)
            continue
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            scope.bound.add(node.name)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            scope.bound.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            scope.bound.add(node.name)
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
            scope.bound.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            scope.bound.add(node.rest)
        elif isinstance(node, ast.Global):
            scope.outer.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            scope.nonlocals.update(node.names)
        pending += _outside(node) if isinstance(node, _OWN) else ast.iter_child_nodes(node)


def _outside(node: Any) -> list[ast.AST]:
    """Return the parts of a node that opens a scope which the scope around it evaluates, and the walrus targets in
    comprehensions, which are bound around it.
    """
    if isinstance(node, COMPREHENSIONS):
        walrus = [part.target for part in _same_function(node) if isinstance(part, ast.NamedExpr)]
        return [node.generators[0].iter, *walrus]
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)]
    defaults = [*node.args.defaults, *(value for value in node.args.kw_defaults if value is not None)]
    return [*getattr(node, "decorator_list", ()), *defaults]


def _same_function(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below ``node`` that are not inside a function or class of their own."""
    pending = list(ast.iter_child_nodes(node))
    while pending:
        part = pending.pop()
        if not isinstance(part, (*FUNCTIONS, ast.ClassDef)):
            yield part
            pending += ast.iter_child_nodes(part)
