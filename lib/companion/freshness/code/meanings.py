"""Names, attributes and calls written as what they resolve to, by the rules of Python's scopes."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from companion.freshness.code.modules import PACKAGE
from companion.freshness.code.scopes import Target
from companion.freshness.code.tokens import Meaning, Outside, Package, Symbol
from companion.freshness.code.writer import Writer

__all__ = ["Meanings"]

DYNAMIC = ("globals", "eval", "exec")
"""Built-in functions through which code reaches its module's names by text; ``vars()`` and ``dir()`` too."""
IMPORTERS = ("importlib.import_module", "__import__")


class Meanings(Writer):
    """A writer to whom the names that a module or an import binds stand for what they are bound to."""

    def _meaning(self, name: str) -> tuple[bool, list[Meaning]]:
        """Return whether ``name`` may be a plain variable here, and what else it may stand for."""
        plain, found = False, []
        for depth, scope in enumerate(reversed(self.scopes)):
            if scope.kind == "class" and depth:
                continue
            if name in scope.outer:
                break
            if name not in scope.bound and name not in scope.imports:
                continue
            plain = plain or name in scope.bound
            found += [self.resolver.target(target) for target in scope.imports.get(name, ())]
            if scope.kind != "class":  # a class body looks further out where it has not bound the name yet
                return plain, found
        around, more = self.resolver.names(name)
        return plain or around, [*found, *more]

    def _mean(self, item: Meaning) -> None:
        if isinstance(item, Outside):
            self.out.append(f"<{item.dotted}>")
        else:
            self.out.append(Symbol("whole", item.module) if isinstance(item, Package) else item)

    def _Name(self, node: ast.Name) -> None:
        if self.own is not None and not self.scopes and not isinstance(node.ctx, ast.Load):
            self.out.append("own" if node.id == self.own else "other")
            return
        if self.scopes and self.scopes[-1].kind == "class" and isinstance(node.ctx, ast.Store):
            self.out.append(f"n:{node.id}")
            return
        plain, found = self._meaning(node.id)
        if len(found) == 1 and not plain:
            self._mean(found[0])
        elif not found:
            self.out.append(f"n:{node.id}")
        else:
            self.out += ["(either", f"n:{node.id}"]
            for item in found:
                self._mean(item)
            self.out.append(")")
        if not plain and not found and node.id in DYNAMIC:
            self.out.append(self.resolver.everything())

    def _Attribute(self, node: ast.Attribute) -> None:
        chain, root = [node.attr], node.value
        while isinstance(root, ast.Attribute):
            chain.append(root.attr)
            root = root.value
        plain, found = self._meaning(root.id) if isinstance(root, ast.Name) else (True, [])
        if plain or len(found) != 1 or isinstance(found[0], Symbol):
            self.out.append("(Attribute")
            self.emit(node.value)
            self.out += [f"a:{node.attr}", ")"]
            self._subclasses([node.attr])
            return
        item: Meaning = found[0]
        names = chain[::-1]
        while names and isinstance(item, Package):
            inside = self.resolver.attribute(item, names[0])
            if len(inside) != 1:
                self._mean(item)
                for other in inside:
                    self._mean(other)
                break
            item = inside[0]
            names.pop(0)
        else:
            if isinstance(item, Outside):
                item, names = Outside(".".join([item.dotted, *names])), []
            self._mean(item)
            if item == Outside("sys.modules"):
                self.out.append(self.resolver.everything())
        self.out += [f"a:{name}" for name in names]
        self._subclasses(chain)

    def _subclasses(self, chain: Sequence[str]) -> None:
        """A class asked for those that derive from it may find any of the library's."""
        if "__subclasses__" in chain:
            self.out.append(Symbol("whole", PACKAGE))

    def _Call(self, node: ast.Call) -> None:
        self._generic(node)
        first = node.args[0] if node.args else None
        if first is None and isinstance(node.func, ast.Name) and node.func.id in ("vars", "dir"):
            self.out.append(self.resolver.everything())
        name = _dotted(node.func)
        root = name.partition(".")[0]
        plain, found = self._meaning(root) if root else (True, [])
        outside = [item for item in found if isinstance(item, Outside)]
        if plain or len(found) > 1 or len(outside) < len(found):
            return
        full = outside[0].dotted + name[len(root) :] if outside else name
        if full in IMPORTERS:
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                self._mean(self.resolver.target(Target(first.value)))
            else:
                self._mean(self.resolver.everything())


def _dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` for a chain of attributes of a name, else an empty text."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else ""
