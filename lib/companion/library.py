"""Which modules of the library a page reaches by import, found without importing anything."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

from companion.errors import CompanionError
from companion.sourcecode import Import, import_only, imports, source_hash, without_magics

__all__ = ["PACKAGE", "reached", "reached_modules", "reached_names"]

PACKAGE = "contdepth"
"""The library whose modules enter the fingerprint."""


def reached_modules(root: Path, cells: Iterable[str]) -> dict[str, str]:
    """Return ``{module: hash}`` of the library's modules that the code ``cells`` reach, directly or through
    others.

    ``from contdepth.schemes import ForwardEuler`` follows the re-exports of an import-only ``__init__`` to
    the one module that defines the name; importing a package as a whole reaches all of it. An ``__init__``
    that holds code counts as a module, one that holds only imports does not.
    """
    return reached(root, cells)[0]


def reached_names(root: Path, cells: Iterable[str]) -> dict[str, str]:
    """Return what the names mean that the code ``cells`` take, directly or through modules, from import-only
    packages: ``{"contdepth.schemes:HEUN2": "contdepth.schemes.runge_kutta.HEUN2"}``.
    """
    return reached(root, cells)[1]


def reached(root: Path, cells: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what :func:`reached_modules` and :func:`reached_names` say, in one walk along the imports."""
    walk = _Walk(root / "lib")
    for cell in cells:
        for item in imports(without_magics(cell)):
            walk.follow(item, "")
    walk.finish()
    modules = {name: walk.facts(path).hash for name, path in sorted(walk.reached.items())}
    return modules, dict(sorted(walk.names.items()))


class _Facts:
    """A module's source, read once: its hash, its imports, whether it holds only imports."""

    def __init__(self, path: Path) -> None:
        source = path.read_text(encoding="utf-8")
        try:
            self.imports = tuple(imports(source))
        except SyntaxError as error:
            raise CompanionError(
                f"{path.parent.name}/{path.name} line {error.lineno}: expected Python, found {error.msg}"
            ) from None
        self.hash = source_hash(source)
        self.import_only = path.name == "__init__.py" and import_only(source)


@lru_cache(maxsize=1024)
def _facts_of(path: Path, mtime: int, size: int) -> _Facts:
    return _Facts(path)


def _facts(path: Path) -> _Facts:
    status = path.stat()
    return _facts_of(path, status.st_mtime_ns, status.st_size)


class _Walk:
    """One walk; what it asks of the disk it asks once, since nothing changes while it lasts."""

    def __init__(self, lib: Path) -> None:
        self.lib = lib
        self.reached: dict[str, Path] = {}
        self.names: dict[str, str] = {}
        self.pending: list[str] = []
        self.facts = cache(_facts)
        self.path = cache(self._path)

    def _path(self, module: str) -> Path | None:
        """Return the file of ``module``, or None where it is not of the library."""
        if module.split(".")[0] != PACKAGE:
            return None
        base = self.lib.joinpath(*module.split("."))
        for path in (base / "__init__.py", base.with_name(base.name + ".py")):
            if path.is_file():
                return path
        return None

    def finish(self) -> None:
        """Follow the imports of reached modules until nothing new is found."""
        while self.pending:
            module = self.pending.pop()
            for item in self.facts(self.reached[module]).imports:
                self.follow(item, module)

    def follow(self, item: Import, within: str) -> None:
        """Reach what ``item``, written in the module ``within``, makes use of."""
        module = self.absolute(item, within)
        if module.split(".")[0] != PACKAGE:
            return
        if item.name is not None:
            self.reach_name(module, item.name)
        elif item.alias:
            self.reach_all(module)
        else:  # import a.b.c binds a: anything below a.b may be used
            self.reach_all(module if self.is_package(module) else module.rpartition(".")[0])

    def absolute(self, item: Import, within: str) -> str:
        if not item.level:
            return item.module
        parts = within.split(".") if self.is_package(within) else within.split(".")[:-1]
        base = parts[: len(parts) - item.level + 1]
        return ".".join([*base, *([item.module] if item.module else [])])

    def is_package(self, module: str) -> bool:
        path = self.path(module)
        return path is not None and path.name == "__init__.py"

    def reach_module(self, module: str) -> None:
        """Reach one file, and the ``__init__`` files above it that hold code."""
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            name = ".".join(parts[:end])
            path = self.path(name)
            if path is not None and name not in self.reached and not self.facts(path).import_only:
                if end == len(parts) or path.name == "__init__.py":
                    self.reached[name] = path
                    self.pending.append(name)

    def reach_all(self, module: str) -> None:
        """Reach a module, or a package with everything below it."""
        path = self.path(module)
        if path is None:
            return
        self.reach_module(module)
        if path.name == "__init__.py":
            for file in sorted(path.parent.rglob("*.py")):
                parts = file.relative_to(self.lib).with_suffix("").parts
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                self.reach_module(name)
                for item in self.facts(file).imports if file.name == "__init__.py" else ():
                    self.keep_name(item, name)
            for item in self.facts(path).imports:
                self.follow_outside(item, module)

    def follow_outside(self, item: Import, package: str) -> None:
        """Follow a re-export of ``package`` that comes from another part of the library."""
        if not f"{self.absolute(item, package)}.".startswith(f"{package}."):
            self.follow(item, package)

    def keep_name(self, item: Import, package: str) -> None:
        """Keep what a re-export of the import-only ``package`` means."""
        path = self.path(package)
        if item.name is not None and path is not None and self.facts(path).import_only:
            self.names[f"{package}:{item.bound}"] = f"{self.absolute(item, package)}.{item.name}"

    def reach_name(self, module: str, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> None:
        """Reach the module that defines ``name`` as imported from ``module``."""
        path = self.path(module)
        if path is None:
            return
        if path.name != "__init__.py":
            self.reach_module(module)
            return
        self.reach_module(module)  # only if it holds code
        if name == "*" or (module, name) in seen:
            self.reach_all(module)
            return
        sources = [item for item in self.facts(path).imports if item.name is not None and item.bound == name]
        if sources:
            for item in sources:
                self.keep_name(item, module)
                self.reach_name(self.absolute(item, module), item.name, seen | {(module, name)})
        elif self.path(f"{module}.{name}") is not None:
            self.reach_all(f"{module}.{name}")
        elif self.facts(path).import_only and not (name.startswith("__") and name.endswith("__")):
            self.reach_all(module)  # cannot be told: rather too much than too little
