"""The library as a graph of symbols, and a digest for each: its own tokens and, recursively, what it refers to.

A digest knows nothing of paths: neither the module in which a definition stands, nor the name under which it is
imported. Definitions that refer to each other in a circle get theirs together.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from companion.freshness.code.canonical import Emitter
from companion.freshness.code.components import components
from companion.freshness.code.effects import Effects
from companion.freshness.code.modules import PACKAGE, Modules, imports_of
from companion.freshness.code.names import ModuleNames
from companion.freshness.code.scopes import Target
from companion.freshness.code.tokens import Outside, Symbol, Token

__all__ = ["Library", "digest_of", "library_at"]


class Library:
    """The symbols of the library below ``lib`` as its files are now."""

    def __init__(self, lib: Path) -> None:
        self.modules = Modules(lib)
        self.pages: dict[object, Any] = {}
        """What is known of pages that use this state of the library."""
        self._tokens: dict[Symbol, list[Token]] = {}
        self._references: dict[Symbol, list[Symbol]] = {}
        self._loads: dict[Symbol, list[Target]] = {}
        self._digests: dict[Symbol, str] = {}
        self._effects = Effects(self.modules, self.references)

    def tokens(self, symbol: Symbol) -> list[Token]:
        """Return what a symbol says, with what it refers to in the places where it does."""
        if symbol not in self._tokens:
            self._tokens[symbol] = self._whole(symbol.module) if symbol.kind == "whole" else self._own(symbol)
        return self._tokens[symbol]

    def emit(self, symbol: Symbol, emitter: Emitter) -> None:
        """Emit the statements of a ``def`` or ``rest`` symbol."""
        module = self.modules.get(symbol.module)
        if module is not None and symbol.kind == "rest":
            emitter.statements(module.rest)
        elif module is not None:
            for statement in module.definitions.get(symbol.name, ()):
                emitter.statement(statement)

    def emitter(self, symbol: Symbol) -> Emitter:
        """Return an emitter that knows the names of the symbol's module."""
        return Emitter(ModuleNames(self.modules, symbol.module), symbol.name if symbol.kind == "def" else None)

    def references(self, symbol: Symbol) -> list[Symbol]:
        """Return the symbols that a symbol refers to, each once, in order."""
        if symbol not in self._references:
            self._references[symbol] = list(
                dict.fromkeys(token for token in self.tokens(symbol) if isinstance(token, Symbol))
            )
        return self._references[symbol]

    def digest(self, symbol: Symbol) -> str:
        """Return the digest of a symbol."""
        if symbol not in self._digests:
            for group in components([symbol], self.references, self._digests):
                self._settle(group)
        return self._digests[symbol]

    def closure(self, start: Iterable[Symbol], loads: Iterable[Target]) -> list[Symbol]:
        """Return every symbol that ``start`` reaches, with what importing the modules on the way does.

        ``loads`` are the imports of whoever uses ``start``.
        """
        reached: dict[Symbol, None] = {}
        executed: set[str] = set()
        pending = [*start, *self._executed(loads, "", executed)]
        while pending:
            symbol = pending.pop()
            if symbol in reached:
                continue
            reached[symbol] = None
            pending += self.references(symbol)
            pending += self._executed(self._loads_of(symbol), symbol.module, executed)
        return sorted(reached)

    def _loads_of(self, symbol: Symbol) -> list[Target]:
        """Return the module of a symbol, and what its own statements import when they run."""
        if symbol not in self._loads:
            module = self.modules.get(symbol.module)
            statements = module.definitions.get(symbol.name, ()) if module is not None else ()
            self._loads[symbol] = [
                Target(symbol.module),
                *(
                    self.modules.absolute(target, symbol.module)
                    for statement in statements
                    for target in _imports(statement)
                ),
            ]
        return self._loads[symbol]

    def _own(self, symbol: Symbol) -> list[Token]:
        emitter = self.emitter(symbol)
        self.emit(symbol, emitter)
        return emitter.out

    def _whole(self, name: str) -> list[Token]:
        """Return everything in a module by name: definitions, imports, the rest, and the modules below it."""
        tokens: list[Token] = ["(module"]
        module = self.modules.get(name)
        if module is not None:
            names = ModuleNames(self.modules, name)
            for one in sorted({*module.definitions, *module.scope.imports}):
                if one.startswith("__") and one.endswith("__") and one != "__getattr__":
                    continue
                tokens.append(f"k:{one}")
                for item in names.names(one)[1]:
                    if isinstance(item, Outside):
                        tokens.append(f"<{item.dotted}>")
                    else:
                        tokens.append(item if isinstance(item, Symbol) else Symbol("whole", item.module))
            for star in module.scope.stars:
                item = names.target(star)
                tokens.append(f"<{item.dotted}>" if isinstance(item, Outside) else Symbol("whole", item.module))
            if module.rest:
                tokens.append(Symbol("rest", name))
        for inner in self.modules.inside(name):
            tokens += [f"m:{inner.rpartition('.')[2]}", Symbol("whole", inner)]
        return [*tokens, ")"]

    def _executed(self, loads: Iterable[Target], within: str, executed: set[str]) -> list[Symbol]:
        """Add the modules that imports execute to ``executed``; return the symbols for what those do besides
        defining names.
        """
        found, pending = [], [(target, within) for target in loads]
        while pending:
            target, place = pending.pop()
            target = self.modules.absolute(target, place)
            for name in self._files(target):
                if name in executed:
                    continue
                executed.add(name)
                module = self.modules.get(name)
                if module is None:
                    continue
                if self._effects.registers(module):
                    found.append(Symbol("whole", name))
                elif module.rest:
                    found.append(Symbol("rest", name))
                pending += [(inner, name) for inner in module.loads]
        return found

    def _files(self, target: Target) -> list[str]:
        """Return the modules that an import executes: the module with all packages above it, and a module that
        it names.
        """
        full = target.loads or target.module
        if full.partition(".")[0] != PACKAGE:
            return []
        parts = full.split(".")
        names = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
        if target.name is not None and target.name != "*":
            names.append(f"{full}.{target.name}")
        return [name for name in names if self.modules.get(name) is not None]

    def _settle(self, group: Sequence[Symbol]) -> None:
        """Give the symbols of one component, all of whose outer references have digests, theirs."""
        inner = set(group)

        def own(symbol: Symbol) -> str:
            return digest_of(
                [
                    token
                    if isinstance(token, str)
                    else f"@{token.name or token.kind}"
                    if token in inner
                    else f"#{self._digests[token]}"
                    for token in self.tokens(symbol)
                ]
            )

        first = {symbol: own(symbol) for symbol in group}
        if len(group) == 1 and group[0] not in self.references(group[0]):
            self._digests[group[0]] = first[group[0]]
            return
        second = {
            symbol: digest_of([first[symbol], *(first[one] for one in self.references(symbol) if one in inner)])
            for symbol in group
        }
        together = digest_of(sorted(second.values()))
        for symbol in group:
            self._digests[symbol] = digest_of([together, second[symbol]])


@lru_cache(maxsize=8192)
def _imports(statement: ast.stmt) -> tuple[Target, ...]:
    """Return what a statement of a module imports when it runs; a module is read once, so its statements last."""
    return tuple(imports_of(statement))


def digest_of(parts: Iterable[str]) -> str:
    """Return the SHA-256 of texts that hold no NUL, in order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def library_at(root: Path) -> Library:
    """Return the library of the repository at ``root``; the same object as long as no file of it changes."""
    lib = root / "lib"
    files = []
    for path in sorted((lib / PACKAGE).rglob("*.py*")):
        if path.suffix not in (".py", ".pyi"):
            continue
        status = path.stat()
        files.append((str(path), status.st_mtime_ns, status.st_size))
    return _library(lib, tuple(files))


@lru_cache(maxsize=8)
def _library(lib: Path, files: tuple[tuple[str, int, int], ...]) -> Library:
    return Library(lib)
