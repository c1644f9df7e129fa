"""Which files of the checkout and of installed packages travel: what runs one piece, and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from companion.errors import CompanionError
from companion.freshness.code.scopes import is_type_checking
from companion.freshness.code.symbols import library_at
from companion.freshness.code.tokens import Symbol

__all__ = ["PURE", "STARTED", "code_files", "companion_modules"]

PURE = ("lazy-loader", "platformdirs", "torchdiffeq", "tqdm")
"""Distributions in pure Python that the library imports: their modules travel, as installed."""
STARTED = (
    "companion.pieces.bare.work",
    "companion.pieces.bare.child",
    "companion.pieces.bare.tensors",
    "companion.pieces.bare.estimators",
)
"""Modules that a bundle starts, and those that stand-ins load by name."""
TEXTS = (".py", ".pyi", ".json")


def code_files(root: Path, lib: Path, functions: Iterable[str]) -> dict[str, Path]:
    """Return name in the bundle -> file: the library of ``root``, what is needed of companion in ``lib``, and the
    packages of ``PURE``.

    Files of weights travel where ``functions`` (``module:name``) reach a module beside them.
    """
    found: dict[str, Path] = {}
    reached = {module.rpartition(".")[0] for module in _reached(root, functions)}
    library = root / "lib" / "contdepth"
    for path in sorted(library.rglob("*")):
        folder = ".".join(path.relative_to(root / "lib").parent.parts)
        if path.is_file() and (path.suffix in TEXTS or (folder in reached and path.suffix != ".pyc")):
            found[f"code/{path.relative_to(root / 'lib').as_posix()}"] = path
    for path in companion_modules(lib, STARTED):
        found[f"code/{path.relative_to(lib).as_posix()}"] = path
    for name in PURE:
        found |= {f"code/{place}": path for place, path in _installed(name)}
    return found


def companion_modules(lib: Path, start: Iterable[str]) -> list[Path]:
    """Return the files of the modules of companion that those called ``start`` import, anywhere in them."""
    pending, found = list(start), {}
    while pending:
        name = pending.pop()
        for module in [name.rsplit(".", cut)[0] for cut in range(name.count(".") + 1)]:
            place = lib.joinpath(*module.split("."))
            path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            if module not in found and path.is_file():
                found[module] = path
                pending += [one for one in _imports(path) if one.partition(".")[0] == "companion"]
    return sorted(found.values())


def _imports(path: Path) -> Iterator[str]:
    """Yield the names of modules that a file imports, and of what it takes from them."""
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and is_type_checking(node):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        pending += ast.iter_child_nodes(node)


def _reached(root: Path, functions: Iterable[str]) -> set[str]:
    """Return the modules of the library that hold what ``functions`` reach."""
    library = library_at(root)
    start = [Symbol("def", *function.split(":")) for function in functions]
    return {symbol.module for symbol in library.closure(start, ())}


def _installed(name: str) -> Iterator[tuple[str, Path]]:
    """Yield place and file of everything in Python, the metadata and the licence of a distribution."""
    try:
        files = distribution(name).files or ()
    except PackageNotFoundError:
        raise CompanionError(f"bundle: expected {name}, found that it is not installed; make env") from None
    for file in files:
        wanted = file.suffix == ".py" or file.name == "METADATA" or "licen" in file.name.lower()
        if wanted and ".." not in file.parts:
            yield file.as_posix(), Path(str(file.locate()))
