"""Which modules change something elsewhere when they are imported: registries filled by decorators or calls."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from companion.freshness.code.canonical import Emitter
from companion.freshness.code.modules import Module, Modules
from companion.freshness.code.names import ModuleNames
from companion.freshness.code.tokens import Symbol

__all__ = ["Effects"]

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
SETTERS = ("set", "register", "use", "filterwarnings", "simplefilter", "seed", "manual_seed")
"""How the names of functions of other libraries begin that change a state of theirs."""
_LATER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Effects:
    """Follows what definitions call when their modules are imported."""

    def __init__(self, modules: Modules, references: Callable[[Symbol], list[Symbol]]) -> None:
        self.modules, self.references = modules, references
        self._registers: dict[str, bool] = {}
        self._traits: dict[tuple[Symbol, object], bool] = {}

    def registers(self, module: Module) -> bool:
        """Tell whether a definition of ``module`` may change something elsewhere when the module is imported."""
        if module.name not in self._registers:
            self._registers[module.name] = any(
                self._effective(module, *part)
                for statements in module.definitions.values()
                for statement in statements
                for part in at_import(statement)
            )
        return self._registers[module.name]

    def _effective(self, module: Module, part: ast.expr, called: bool) -> bool:
        emitter = Emitter(ModuleNames(self.modules, module.name))
        emitter.emit(part)
        for token in emitter.out:
            if isinstance(token, Symbol):
                if self._leads_to(token, writes if called else hooks):
                    return True
            elif token[:1] == "<" and "." in token and token.strip("<>").rpartition(".")[2].startswith(SETTERS):
                return True
        return False

    def _leads_to(self, start: Symbol, trait: Callable[[Module, Symbol], bool]) -> bool:
        """Tell whether a symbol, or one that it refers to directly or through others, has a trait."""
        key = (start, trait)
        if key not in self._traits:
            pending, seen = [start], {start}
            self._traits[key] = False
            while pending and not self._traits[key]:
                symbol = pending.pop()
                module = self.modules.get(symbol.module)
                self._traits[key] = module is not None and trait(module, symbol)
                fresh = [other for other in self.references(symbol) if other not in seen]
                seen.update(fresh)
                pending += fresh
        return self._traits[key]


def at_import(statement: ast.stmt) -> Iterator[tuple[ast.expr, bool]]:
    """Yield what a definition makes use of when its module is imported, and whether it is called: decorators and
    calls in values are, the bases of classes are not.
    """
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield from ((part, True) for part in statement.decorator_list)
    if isinstance(statement, ast.ClassDef):
        yield from ((part, False) for part in statement.bases)
        yield from ((keyword.value, True) for keyword in statement.keywords)
        for inner in statement.body:
            yield from at_import(inner)
        return
    pending: list[ast.AST] = [] if isinstance(statement, _LATER) else [statement]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Call):
            yield node.func, True
        pending += [child for child in ast.iter_child_nodes(node) if not isinstance(child, _LATER)]


def writes(module: Module, symbol: Symbol) -> bool:
    """Tell whether running a definition may change what a name of its module, or of another one, refers to.

    Local variables of the same name are taken for the module's: rather too much than too little.
    """
    names = {*module.definitions, *module.scope.imports, *module.rest_names}
    for statement in module.definitions.get(symbol.name, ()):
        for node in ast.walk(statement):
            if isinstance(node, ast.Global):
                return True
            if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
                if _root(node) in names:
                    return True
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                root, called = _root(node.func), node.func.attr
                if (called in MUTATORS and root in names) or (
                    called.startswith(SETTERS) and root in module.scope.imports
                ):
                    return True
    return False


def hooks(module: Module, symbol: Symbol) -> bool:
    """Tell whether deriving from a class runs code of its own: ``__init_subclass__`` or a metaclass."""
    return any(
        (isinstance(node, ast.FunctionDef) and node.name == "__init_subclass__")
        or (isinstance(node, ast.ClassDef) and any(keyword.arg == "metaclass" for keyword in node.keywords))
        for statement in module.definitions.get(symbol.name, ())
        for node in ast.walk(statement)
    )


def _root(node: ast.AST) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
