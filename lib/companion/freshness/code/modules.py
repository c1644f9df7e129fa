"""The modules of the library as their sources say it: what each defines, imports and does when it is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from companion.errors import CompanionError
from companion.freshness.code.scopes import Scope, Target, bound_names, is_type_checking, scope_of, targets
from companion.text import read_text

__all__ = ["PACKAGE", "Module", "Modules", "imports_of"]

PACKAGE = "contdepth"
"""The library whose definitions enter the fingerprint."""

FACES = f"{PACKAGE}.faces"
"""The module by which a package loads the names of its stub, ``__init__.pyi``, when they are first asked for."""


@dataclass(frozen=True)
class Module:
    """One file: ``definitions`` maps names to the statements that bind them, ``rest`` holds all but imports."""

    name: str
    path: Path
    is_package: bool
    scope: Scope
    definitions: Mapping[str, tuple[ast.stmt, ...]]
    rest: tuple[ast.stmt, ...]
    rest_names: frozenset[str]
    loads: tuple[Target, ...] = field(default=())
    """What importing the module imports, at its own level."""


@lru_cache(maxsize=2048)
def _read(name: str, path: Path, state: tuple[tuple[int, int], ...]) -> Module:
    tree, scope = _parse(path), None
    if name != FACES and path.name == "__init__.py":
        shown = [node for node in tree.body if _uses_face(node, tree)]
        tree.body = [node for node in tree.body if node not in shown]
        if shown and path.with_suffix(".pyi").is_file():
            scope = _with_stub(scope_of(tree), scope_of(_parse(path.with_suffix(".pyi"))))
    scope = scope or scope_of(tree)
    definitions: dict[str, tuple[ast.stmt, ...]] = {}
    rest: list[ast.stmt] = []
    for node in tree.body:
        names = _defined(node)
        for one in names:
            definitions[one] = (*definitions.get(one, ()), node)
        if not names and not _silent(node):
            rest.append(node)
    return Module(
        name,
        path,
        path.name == "__init__.py",
        scope,
        definitions,
        tuple(rest),
        frozenset(one for node in rest for one in bound_names(node)),
        tuple(imports_of(tree, inner=False)),
    )


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(read_text(path))
    except SyntaxError as error:
        raise CompanionError(
            f"{path.parent.name}/{path.name} line {error.lineno}: expected Python, found {error.msg}"
        ) from None


def _uses_face(node: ast.stmt, tree: ast.Module) -> bool:
    """Tell whether a statement of a package sets up its face, that is, imports or calls what ``FACES`` has."""
    if isinstance(node, ast.ImportFrom):
        return node.module == FACES
    names = {
        item.asname or item.name
        for one in tree.body
        if isinstance(one, ast.ImportFrom) and one.module == FACES
        for item in one.names
    }
    value = getattr(node, "value", None) if isinstance(node, (ast.Assign, ast.Expr)) else None
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in names


def _with_stub(scope: Scope, stub: Scope) -> Scope:
    """Return the scope of a package with the names that its stub says it loads from modules."""
    names = {name: [target for target in targets if target.module] for name, targets in stub.imports.items()}
    names = {name: targets for name, targets in names.items() if targets} | scope.imports
    return Scope(scope.kind, names, scope.bound, scope.outer, scope.nonlocals, scope.stars)


def _defined(node: ast.stmt) -> list[str]:
    """Return the names that a statement defines and does nothing else; nothing for all other statements."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    if not isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) or node.value is None:
        return []
    pending: list[ast.expr] = [*(node.targets if isinstance(node, ast.Assign) else [node.target])]
    names = []
    while pending:
        part = pending.pop()
        if isinstance(part, (ast.Tuple, ast.List)):
            pending += part.elts
        elif isinstance(part, ast.Starred):
            pending.append(part.value)
        elif isinstance(part, ast.Name):
            names.append(part.id)
        else:
            return []
    return names


def _silent(node: ast.stmt) -> bool:
    """Tell whether a statement does nothing when the module is imported, apart from what it imports."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass)):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.AnnAssign):
        return node.value is None
    if isinstance(node, ast.If) and not node.orelse:
        return is_type_checking(node) or "__name__" in ast.unparse(node.test)
    return False


def imports_of(node: ast.AST, *, inner: bool = True) -> Iterator[Target]:
    """Yield what the imports below ``node`` bind and load; without ``inner`` only those at its own level."""
    pending: list[ast.AST] = [node]
    while pending:
        part = pending.pop()
        if is_type_checking(part):
            pending += part.orelse
            continue
        if isinstance(part, (ast.Import, ast.ImportFrom)):
            yield from (target for _, target in targets(part))
        elif (
            isinstance(part, ast.Call)
            and part.args
            and isinstance(part.args[0], ast.Constant)
            and isinstance(part.args[0].value, str)
            and ast.unparse(part.func).endswith(("import_module", "__import__"))
        ):
            yield Target(part.args[0].value)
        for child in ast.iter_child_nodes(part):
            if inner or not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                pending.append(child)


class Modules:
    """The library below ``lib``, each file read when it is first asked for."""

    def __init__(self, lib: Path) -> None:
        self.lib = lib
        self._found: dict[str, Module | None] = {}
        self.has = cache(self._has)

    def get(self, name: str) -> Module | None:
        """Return the module called ``name``, or None where the library has none."""
        if name not in self._found:
            path = self._path(name)
            if path is None:
                self._found[name] = None
            else:
                files = [one for one in (path, path.with_suffix(".pyi")) if one.is_file()]
                states = [one.stat() for one in files]
                self._found[name] = _read(name, path, tuple((one.st_mtime_ns, one.st_size) for one in states))
        return self._found[name]

    def _has(self, name: str) -> bool:
        """Tell whether ``name`` is a module of the library, or a folder of it without ``__init__``."""
        return self._path(name) is not None or self._is_folder(name)

    def inside(self, name: str) -> list[str]:
        """Return the modules in the package ``name``, one level down."""
        folder = self.lib.joinpath(*name.split("."))
        if not folder.is_dir():
            return []
        found = {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}
        found |= {path.name for path in folder.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
        return [f"{name}.{one}" for one in sorted(found)]

    def absolute(self, target: Target, within: str) -> Target:
        """Return an import's target with its leading dots, written in the module ``within``, resolved."""
        if not target.level:
            return target
        module = self.get(within)
        parts = within.split(".")
        base = parts[: len(parts) - target.level + (1 if module is not None and module.is_package else 0)]
        return Target(".".join([*base, *([target.module] if target.module else [])]), target.name)

    def _is_folder(self, name: str) -> bool:
        return name.split(".")[0] == PACKAGE and bool(self.inside(name))

    def _path(self, name: str) -> Path | None:
        if name.split(".")[0] != PACKAGE:
            return None
        base = self.lib.joinpath(*name.split("."))
        for path in (base / "__init__.py", base.with_name(base.name + ".py")):
            if path.is_file():
                return path
        return None
