"""What the cells of a page may not do: put something else in the place of the library, or of what ``check`` shows.

A page that assigned to ``contdepth.schemes.ForwardEuler.step`` would run something else under the scheme's name,
and no file of the library would show it. These rules look at the text of the cells;
``companion.rerun.untouched`` looks at the library in the kernel that ran them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from companion.book.library_names import LibraryNames, chain, root_name, written
from companion.book.pages import Page
from companion.book.sourcecode import PYTHON_CELLS, PYTHON_LINES, parse_cell

__all__ = ["breaches", "cell_breaches"]

GIVEN = ("begin", "check", "note")
"""What a page takes from ``companion``, by these names."""
MAGICS = ("matplotlib", *PYTHON_LINES, *PYTHON_CELLS)
"""Magics that a page may use: those that run no code of their own."""
CODE = {
    "exec": "runs text as code",
    "eval": "runs text as code",
    "compile": "makes code from text",
    "__import__": "imports by a text",
    "globals": "reaches the names of the page as a mapping",
    "__builtins__": "reaches Python's own functions",
}
"""Names of Python that a page may not use, and what they do."""
MODULES = {"builtins", "ctypes", "gc", "importlib", "mock", "pytest", "unittest", "pkgutil", "runpy", "imp"}
"""Modules that a page may not import: they reach or replace what other modules hold."""
OF_SYS = {"modules", "path", "meta_path", "path_hooks", "_getframe", "settrace", "setprofile"}
SETTERS = {"setattr", "delattr"}
CHANGES = {
    "append",
    "extend",
    "insert",
    "remove",
    "pop",
    "popitem",
    "clear",
    "update",
    "setdefault",
    "discard",
    "add",
    "sort",
    "reverse",
    "__setitem__",
    "__delitem__",
}
"""Methods that change a list, a mapping or a set."""
SHOWN = {"display", "publish", "publish_display_data", "update_display", "update"}
SHOWS_ITSELF = {"_repr_mimebundle_", "_ipython_display_"}


def breaches(page: Page) -> list[str]:
    """Return one sentence for each place of a page's code cells that breaks a rule; raise :class:`SyntaxError` for
    a cell that is no Python.
    """
    return [f"page {page.id}, {line}" for line in cell_breaches([cell.source for cell in page.cells()])]


def cell_breaches(sources: list[str]) -> list[str]:
    """Return the same for the sources of code cells, without the page's name."""
    trees = [parse_cell(source) for source in sources]
    names = LibraryNames(trees)
    found = []
    for number, tree in enumerate(trees, 1):
        for line, said in sorted(dict.fromkeys(_of_cell(tree, names))):
            found.append(
                f"code cell {number} line {line}: expected the library and what check shows as they are, "
                f"found that it {said}"
            )
    return found


def _of_cell(tree: ast.Module, names: LibraryNames) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        for rule in (_writes, _imports, _calls, _reaches, _shows):
            yield from ((getattr(node, "lineno", 1), said) for said in rule(node, names))
    for name, line in written(tree):
        if name in GIVEN:
            yield line, f"gives the name {name} to something else"


def _writes(node: ast.AST, names: LibraryNames) -> Iterator[str]:
    """Assignments to attributes and items of the library, of imported modules, of classes behind an object."""
    if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
        how = "assigns to" if isinstance(node.ctx, ast.Store) else "deletes"
        if names.imported(node.value):
            yield f"{how} {chain(node)}, an attribute of something imported"
        elif _is_dunder(node.attr):
            yield f"{how} {chain(node)}, which belongs to Python"
        elif names.behind(node.value):
            yield f"{how} {chain(node)}, an attribute of a class or a mapping behind an object"
    elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        if names.of_library(node.value):
            yield f"assigns to an item of {chain(node.value)}, which the library holds"
        elif names.behind(node.value):
            yield f"assigns to an item of {chain(node.value)}, the mapping behind an object"


def _imports(node: ast.AST, names: LibraryNames) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            first = alias.name.partition(".")[0]
            if first in MODULES or first == "companion":
                yield f"imports {alias.name}"
    elif isinstance(node, ast.ImportFrom):
        first = (node.module or "").partition(".")[0]
        taken = [alias.name for alias in node.names]
        if first in MODULES:
            yield f"imports {node.module}"
        elif first == "companion":
            if node.module != "companion" or set(taken) - set(GIVEN):
                yield f"imports {', '.join(taken)} from {node.module}, of which pages take {', '.join(GIVEN)}"
        elif first == "sys" and set(taken) & OF_SYS:
            yield f"imports {', '.join(sorted(set(taken) & OF_SYS))} from sys"


def _calls(node: ast.AST, names: LibraryNames) -> Iterator[str]:
    """Calls that set attributes or change what the library holds."""
    if not isinstance(node, ast.Call):
        return
    function, first = node.func, node.args[0] if node.args else None
    called = chain(function)
    if called in SETTERS and first is not None and (names.imported(first) or names.behind(first)):
        yield f"calls {called} on {chain(first)}"
    elif isinstance(function, ast.Attribute) and function.attr in ("__setattr__", "__delattr__"):
        yield f"calls {called}"
    elif (
        isinstance(function, ast.Attribute)
        and function.attr in CHANGES
        and (names.of_library(function.value) or names.behind(function.value))
    ):
        yield f"calls {called}, which changes what the library holds"
    elif called in ("vars", "locals") and (first is None or names.imported(first) or names.behind(first)):
        yield f"reaches the names of {chain(first) if first is not None else 'the page'} as a mapping"


def _reaches(node: ast.AST, names: LibraryNames) -> Iterator[str]:
    """Names by which everything else can be reached."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        if node.id in CODE:
            yield f"uses {node.id}, which {CODE[node.id]}"
        elif node.id == "get_ipython" and not names.is_magic(node, MAGICS):
            yield "uses get_ipython, which can run any code"
    elif isinstance(node, ast.Attribute):
        root = names.module(root_name(node))
        if root == "sys" and node.attr in OF_SYS:
            yield f"uses sys.{node.attr}"
        elif node.attr == "__dict__" and (names.imported(node.value) or names.behind(node.value)):
            yield f"reaches the names of {chain(node.value)} as a mapping"
        elif root == "companion" and isinstance(node.value, ast.Name):
            yield f"uses {chain(node)}"


def _shows(node: ast.AST, names: LibraryNames) -> Iterator[str]:
    """Outputs that could pass for those of ``check`` and ``note``."""
    if isinstance(node, ast.Call) and (chain(node.func).rpartition(".")[2] in SHOWN):
        if any(keyword.arg in ("metadata", None) for keyword in node.keywords):
            yield f"calls {chain(node.func)} with metadata of its own"
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        if node.value == "companion":
            yield "names the metadata of check"
        elif node.value.startswith("COMPANION_"):
            yield f"names {node.value}, which tells a run from a reader's"
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in SHOWS_ITSELF:
        yield f"defines {node.name}, by which an object shows whatever it likes"


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
