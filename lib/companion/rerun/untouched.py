"""Is the library in this process the one of its files? Asked in a kernel after the last cell of a page, it finds
what the cells put in the place of functions, methods, classes and constants.

Needs nothing but Python, so that its text can be run where nothing of the library is trusted.
"""

from __future__ import annotations

import ast
import enum
import sys
import sysconfig
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["PACKAGES", "altered"]

PACKAGES = ("contdepth", "companion")
"""The packages that are looked at, as far as they are loaded."""
_WRAPS = ("__wrapped__", "__func__", "fget", "fset", "fdel", "func", "py_func", "dispatcher")
"""Where descriptors and wrappers keep what they were made from."""
_ABSENT = object()


def altered(lib: Path | None = None) -> list[str]:
    """Return one sentence for each thing of a loaded module below ``lib`` (default: the folder of this
    package) that is not what its file defines; empty when all are.

    Functions are compared by their compiled code, without names of files and numbers of lines, and by defaults
    that are written out; constants of modules and classes where the file gives them as literals; names that are
    imported from the library, and modules, by what they stand for. What a module changes itself by ``global``, and
    what fills an empty container, is left out.
    """
    lib = (lib or Path(__file__).resolve().parents[2]).resolve()
    sources = _Sources(lib)
    found: list[str] = []
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] in PACKAGES and file and Path(file).resolve().is_relative_to(lib):
            try:
                found += _Look(name, sources).module(module)
            except (OSError, SyntaxError, ValueError) as error:
                found.append(f"{name} cannot be compared with its file: {error}")
    return found


class _Sources:
    """The files below a folder, parsed and compiled once."""

    def __init__(self, lib: Path) -> None:
        self.lib = lib
        self.installed = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
        self._found: dict[str, tuple[ast.Module, dict[str, list[Any]]]] = {}

    def of(self, file: str) -> tuple[ast.Module, dict[str, list[Any]]]:
        """Return the syntax tree of a file, and qualified name -> the shapes of its code objects."""
        if file not in self._found:
            tree = ast.parse(Path(file).read_bytes(), file)
            codes: dict[str, list[Any]] = {}
            pending = [compile(tree, file, "exec", dont_inherit=True)]
            while pending:
                code = pending.pop()
                codes.setdefault(code.co_qualname, []).append(_shape(code))
                pending += [const for const in code.co_consts if isinstance(const, types.CodeType)]
            self._found[file] = tree, codes
        return self._found[file]

    def has(self, code: types.CodeType) -> bool:
        """Tell whether a file holds this code: one of the library, or one that is installed beside it."""
        if Path(code.co_filename).is_relative_to(self.lib):
            return _shape(code) in self.of(code.co_filename)[1].get(code.co_qualname, [])
        return code.co_filename.startswith(self.installed) and Path(code.co_filename).is_file()


class _Look:
    """Compares one module with its file."""

    def __init__(self, name: str, sources: _Sources) -> None:
        self.name, self.sources = name, sources

    def module(self, module: types.ModuleType) -> Iterator[str]:
        """Yield a sentence for each difference."""
        file = Path(str(module.__file__)).resolve()
        self.tree, self.codes = self.sources.of(str(file))
        bound, own = _bound(self.tree)
        yield from self._names(self.tree.body, vars(module), "", skip=own)
        yield from self._imports(self.tree, vars(module), own)
        if (stub := file.with_suffix(".pyi")).is_file():  # names that the module gets when they are asked for
            face = ast.parse(stub.read_bytes())
            bound |= _bound(face)[0]
            yield from self._imports(face, vars(module), _bound(face)[0] - vars(module).keys(), late=True)
        for name, value in list(vars(module).items()):
            inner = isinstance(value, types.ModuleType) and value.__name__ == f"{self.name}.{name}"
            if name not in bound and not inner and not _dunder(name):
                yield f"{self.name}.{name} is not in its file"

    def _names(
        self,
        body: list[ast.stmt],
        space: Mapping[str, Any],
        within: str,
        skip: set[str],
        owner: type | None = None,
    ) -> Iterator[str]:
        """Yield what differs in the definitions and constants of a body: a module's or a class's."""
        statements = list(_flat(body))
        bound = [name for node in statements for name in _targets(node)]
        for node in statements:
            for name in set(_targets(node)):
                here = f"{within}{name}"
                if name in skip or (bound.count(name) > 1 and not isinstance(node, ast.FunctionDef)):
                    continue
                real = (
                    f"_{owner.__name__.lstrip('_')}{name}"
                    if (owner and name.startswith("__") and not name.endswith("__"))
                    else name
                )
                live = space.get(real, _ABSENT)
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    plain = not node.decorator_list and bound.count(name) == 1
                    if not self._is_function(live, here, plain):
                        yield f"{self.name}.{here} is not the function of its file"
                    elif plain and not _same_defaults(live, node):
                        yield f"{self.name}.{here} has not the defaults of its file"
                elif isinstance(node, ast.ClassDef):
                    if not isinstance(live, type) or (live.__module__, live.__qualname__) != (self.name, here):
                        yield f"{self.name}.{here} is not the class of its file"
                    else:
                        yield from self._class(node, live, here)
                elif not self._is_constant(live, node, owner):
                    yield f"{self.name}.{here} has not the value of its file"

    def _class(self, node: ast.ClassDef, live: type, here: str) -> Iterator[str]:
        yield from self._names(node.body, vars(live), f"{here}.", set(), live)
        known = {name for inner in _flat(node.body) for name in _targets(inner)}
        known |= {
            name.target.id
            for name in _flat(node.body)
            if isinstance(name, ast.AnnAssign) and isinstance(name.target, ast.Name)
        }
        for name, value in list(vars(live).items()):
            if name in known or name in getattr(live, "__slots__", ()):
                continue
            for code in _layers(value):
                made = code.co_filename == "<string>" and _dunder(name)  # by dataclass, by namedtuple
                if not made and not self.sources.has(code):
                    yield f"{self.name}.{here}.{name} is not in its file"
                    break

    def _is_function(self, live: Any, here: str, plain: bool) -> bool:
        """Tell whether ``live`` is, or wraps, the file's function of that name, and nothing foreign wraps it."""
        wanted = self.codes.get(here, [])
        if plain and not isinstance(live, (types.FunctionType, staticmethod, classmethod)):
            return False
        layers = list(_layers(live))
        if plain:
            layers = layers[:1] if isinstance(live, types.FunctionType) else layers
            return bool(layers) and all(_shape(code) in wanted for code in layers)
        return any(_shape(code) in wanted for code in layers) and all(
            _shape(code) in wanted or self.sources.has(code) for code in layers
        )

    def _is_constant(self, live: Any, node: ast.stmt, owner: type | None) -> bool:
        """Tell whether a name has the literal that its file gives it; true where the file gives no literal."""
        given = getattr(node, "value", None)
        if isinstance(node, ast.AugAssign) or given is None:
            return True
        try:
            value = ast.literal_eval(given)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return True
        several = any(isinstance(one, (ast.Tuple, ast.List)) for one in getattr(node, "targets", ()))
        if several or (not value and isinstance(value, (list, dict, set))):
            return True
        if owner is not None:
            if live is _ABSENT or isinstance(live, types.MemberDescriptorType) or issubclass(owner, tuple):
                return hasattr(owner, "__dataclass_fields__") or issubclass(owner, tuple)
            live = live.value if isinstance(live, enum.Enum) else live
        return _plain(live) == _plain(value)

    def _imports(
        self, tree: ast.Module, space: Mapping[str, Any], skip: set[str], late: bool = False
    ) -> Iterator[str]:
        """Yield the names that imports at the own level of ``tree`` bind, and that stand for something else now;
        a ``late`` one has come with the module that it comes from.
        """
        for node in tree.body:
            if not isinstance(node, (ast.Import, ast.ImportFrom)):
                continue
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                if name in skip or alias.name == "*" or getattr(node, "module", "") == "__future__":
                    continue
                meant = self._meant(node, alias)
                if (late or meant is not _ABSENT) and space.get(name, _ABSENT) is not meant:
                    yield f"{self.name}.{name} is not what its file imports"

    def _meant(self, node: ast.Import | ast.ImportFrom, alias: ast.alias) -> Any:
        """Return what an import binds a name to, as far as the modules that are loaded tell."""
        if isinstance(node, ast.Import):
            return sys.modules.get(alias.name if alias.asname else alias.name.partition(".")[0], _ABSENT)
        source = node.module or ""
        if node.level:
            package = (
                self.name
                if Path(str(sys.modules[self.name].__file__)).name == "__init__.py"
                else self.name.rpartition(".")[0]
            )
            for _ in range(node.level - 1):
                package = package.rpartition(".")[0]
            source = f"{package}.{source}" if source else package
        if source.partition(".")[0] not in PACKAGES or source not in sys.modules:
            return _ABSENT  # others may give out names as they like
        return getattr(sys.modules[source], alias.name, sys.modules.get(f"{source}.{alias.name}", _ABSENT))


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements with those inside of conditions, loops and handlers, but not of definitions; what only a
    type checker reads is left out.
    """
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING":
            yield from _flat(node.orelse)
            continue
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for part in ("body", "orelse", "finalbody"):
                yield from _flat(getattr(node, part, []))
            for handler in getattr(node, "handlers", ()):
                yield from _flat(handler.body)


def _targets(node: ast.stmt) -> list[str]:
    """Return the names that a statement defines or assigns."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    targets = (
        node.targets
        if isinstance(node, (ast.Assign, ast.Delete))
        else ([node.target] if isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.For)) else [])
    )
    if isinstance(node, ast.AnnAssign) and node.value is None:
        return []
    return [
        inner.id
        for target in targets
        for inner in ast.walk(target)
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load)
    ]


def _bound(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return every name that a module may bind, and those that its functions bind by ``global``."""
    bound: set[str] = set()
    own: set[str] = set()
    node: Any  # its type is looked at once: most of the work of an audit is done here
    for node in ast.walk(tree):
        kind = type(node)
        if kind is ast.Name:
            if type(node.ctx) is not ast.Load:
                bound.add(node.id)
        elif kind in (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef):
            bound.add(node.name)
        elif kind in (ast.Import, ast.ImportFrom):
            bound |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif kind is ast.Global:
            own |= {*node.names}
        elif kind is ast.ExceptHandler and node.name:
            bound.add(node.name)
    return bound | own, own


def _layers(live: Any) -> Iterator[types.CodeType]:
    """Yield the code of a function and of all that it, or a descriptor, wraps."""
    pending, seen = [live], set()
    while pending:
        one = pending.pop(0)
        if id(one) in seen or isinstance(one, type):
            continue
        seen.add(id(one))
        if isinstance(one, types.FunctionType):
            yield one.__code__
            cells = [cell for cell in one.__closure__ or () if "__wrapped__" not in vars(one)]
            for cell in cells:
                try:
                    content = cell.cell_contents
                except ValueError:
                    continue  # not filled yet
                pending += [content] if isinstance(content, types.FunctionType) else []
        pending += [inner for name in _WRAPS if (inner := _attribute(one, name)) is not None]


def _attribute(one: Any, name: str) -> Any:
    try:
        return getattr(one, name, None) if callable(one) or hasattr(type(one), "__get__") else None
    except Exception:  # an object may refuse in any way
        return None


def _shape(code: types.CodeType) -> tuple[Any, ...]:
    """Return a code object without its places: two of the same shape do the same."""
    consts = tuple(_shape(c) if isinstance(c, types.CodeType) else _plain(c) for c in code.co_consts)
    return (
        code.co_qualname,
        code.co_code,
        consts,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags,
        code.co_exceptiontable,
    )


def _plain(value: Any) -> Any:
    """Return a value with its type: ``1``, ``1.0`` and ``True`` are three values."""
    if isinstance(value, (tuple, list)):
        return type(value), tuple(map(_plain, value))
    if isinstance(value, (set, frozenset)):
        return type(value), frozenset(map(_plain, value))
    if isinstance(value, dict):
        return dict, tuple((_plain(key), _plain(item)) for key, item in value.items())
    return type(value), repr(value) if isinstance(value, (float, complex)) else value


def _same_defaults(live: Any, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether a function has the defaults that its definition writes out as literals."""
    function = getattr(live, "__func__", live)
    given = function.__defaults__ or ()
    named = function.__kwdefaults__ or {}
    written = [
        (inner.arg, value)
        for inner, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        if value is not None
    ]
    if len(given) != len(node.args.defaults) or set(named) != {name for name, _ in written}:
        return False
    pairs = [*zip(node.args.defaults, given, strict=True), *((value, named[name]) for name, value in written)]
    for text, value in pairs:
        try:
            wanted = ast.literal_eval(text)
        except (ValueError, TypeError, SyntaxError):
            continue
        if _plain(wanted) != _plain(value):
            return False
    return True


def _dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
