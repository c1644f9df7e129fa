"""What names mean: from a name or an import to a definition of the library, or to a dotted name outside of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from companion.freshness.code.modules import PACKAGE, Modules
from companion.freshness.code.scopes import Scope, Target
from companion.freshness.code.tokens import Meaning, Outside, Package, Symbol

__all__ = ["ModuleNames", "PageNames"]


class _Names:
    """The resolver of a piece of code in the module ``within`` (empty for a page)."""

    def __init__(self, modules: Modules, within: str = "") -> None:
        self.modules, self.within = modules, within

    def target(self, target: Target) -> Meaning:
        """Return what an import binds a name to; the whole of a package where that cannot be told."""
        return self._target(target, self.within, frozenset())

    def attribute(self, package: Package, name: str) -> Sequence[Meaning]:
        """Return what ``name`` is in a module of the library; nothing where that cannot be told."""
        return self._attribute(package.module, name, frozenset())

    def _target(self, target: Target, within: str, seen: frozenset[tuple[str, str]]) -> Meaning:
        found = self.modules.absolute(target, within)
        if found.module.partition(".")[0] != PACKAGE:
            return Outside(found.module if found.name is None else f"{found.module}.{found.name}")
        if not self.modules.has(found.module):
            return Symbol("whole", PACKAGE)
        if found.name is None or found.name == "*":
            return Package(found.module)
        inside = self._attribute(found.module, found.name, seen)
        return inside[0] if len(inside) == 1 else Symbol("whole", found.module)

    def _attribute(self, module: str, name: str, seen: frozenset[tuple[str, str]]) -> list[Meaning]:
        if (module, name) in seen:
            return [Symbol("whole", module)]
        seen |= {(module, name)}
        found = self._bound(module, name, seen)
        if not found and self.modules.has(f"{module}.{name}"):
            found = [Package(f"{module}.{name}")]
        return found or [
            inner
            for star in self._stars(module, seen)
            if isinstance(star, Package)
            for inner in self._attribute(star.module, name, seen)
        ]

    def _bound(self, module: str, name: str, seen: frozenset[tuple[str, str]]) -> list[Meaning]:
        """Return what definitions, imports and other statements of a module bind ``name`` to."""
        facts = self.modules.get(module)
        if facts is None:
            return []
        found: list[Meaning] = [Symbol("def", module, name)] if name in facts.definitions else []
        if name in facts.rest_names:
            found.append(Symbol("rest", module))
        found += [self._target(target, module, seen) for target in facts.scope.imports.get(name, ())]
        return list(dict.fromkeys(found))

    def _stars(self, module: str, seen: frozenset[tuple[str, str]] = frozenset()) -> list[Meaning]:
        facts = self.modules.get(module)
        return [self._target(star, module, seen) for star in facts.scope.stars] if facts is not None else []


class ModuleNames(_Names):
    """The names of a module of the library."""

    def names(self, name: str) -> tuple[bool, Sequence[Meaning]]:
        """Return what ``name`` stands for at the level of the module."""
        found = self._bound(self.within, name, frozenset())
        if found:
            return False, found
        return False, _from_stars(self._stars(self.within), name)

    def everything(self) -> Symbol:
        """Return the symbol of the whole module."""
        return Symbol("whole", self.within)


class PageNames(_Names):
    """The names of a page, whose cells share one scope."""

    def __init__(self, modules: Modules, scopes: Iterable[Scope]) -> None:
        super().__init__(modules)
        self.bound: set[str] = set()
        self.imports: dict[str, list[Target]] = {}
        self.stars: list[Target] = []
        for scope in scopes:
            self.bound |= scope.bound
            self.stars += scope.stars
            for name, targets in scope.imports.items():
                self.imports.setdefault(name, []).extend(targets)

    def names(self, name: str) -> tuple[bool, Sequence[Meaning]]:
        """Return what ``name`` stands for in the cells."""
        found = list(dict.fromkeys(self.target(target) for target in self.imports.get(name, ())))
        if found or name in self.bound:
            return name in self.bound, found
        return False, _from_stars([self.target(star) for star in self.stars], name)

    def everything(self) -> Symbol:
        """Return the symbol of the whole library: text that is executed may reach any part."""
        return Symbol("whole", PACKAGE)


def _from_stars(stars: Iterable[Meaning], name: str) -> list[Meaning]:
    """Return what ``name`` may stand for where ``from … import *`` may have bound it."""
    return [Outside(f"{star.dotted}{name}") if isinstance(star, Outside) else star for star in stars]
