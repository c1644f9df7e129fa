"""What the function of a piece says: the digest of its definition with all of the library that it reaches."""

from __future__ import annotations

import ast
from pathlib import Path

from companion.errors import DocumentError, nearest
from companion.freshness.code.names import PageNames
from companion.freshness.code.scopes import Target
from companion.freshness.code.symbols import Library, digest_of, library_at
from companion.freshness.code.tokens import Symbol

__all__ = ["code_digest", "definition", "digest_in", "parameters"]


def code_digest(root: Path, function: str) -> str:
    """Return the digest of ``function`` (``module:name``) in the library of ``root``.

    As with pages it knows nothing of paths, formatting, annotations and prose. Raises :class:`DocumentError` where
    the library has no such function.
    """
    return digest_in(library_at(root), function)


def digest_in(library: Library, function: str) -> str:
    """Return the same for a state of the library, looked for once in each."""
    known = ("piece", function)
    if known not in library.pages:
        symbol, target = _symbol(library, function), _target(function)
        reached = library.closure([symbol], [target])
        digests = sorted({library.digest(one) for one in reached})
        library.pages[known] = digest_of([library.digest(symbol), "", *digests])
    return library.pages[known]


def definition(library: Library, function: str) -> ast.FunctionDef:
    """Return the ``def`` statement of ``function``; raise :class:`DocumentError` where there is none."""
    symbol = _symbol(library, function)
    module = library.modules.get(symbol.module)
    found = module.definitions.get(symbol.name, ()) if module is not None else ()
    if len(found) != 1 or not isinstance(found[0], ast.FunctionDef):
        raise DocumentError([f"function {function}: expected one def statement, found something else"])
    return found[0]


def parameters(library: Library, function: str) -> dict[str, bool]:
    """Return the names that ``function`` takes by keyword, with whether each has a default."""
    given = definition(library, function).args
    plain = [*given.posonlyargs, *given.args]
    found = {one.arg: place >= len(plain) - len(given.defaults) for place, one in enumerate(plain)}
    found |= {one.arg: value is not None for one, value in zip(given.kwonlyargs, given.kw_defaults, strict=True)}
    for one in given.posonlyargs:
        del found[one.arg]
    return found


def _target(function: str) -> Target:
    module, _, name = function.partition(":")
    return Target(module, name)


def _symbol(library: Library, function: str) -> Symbol:
    target = _target(function)
    module = library.modules.get(target.module)
    if module is None:
        raise DocumentError([f"function {function}: expected a module of the library, found none of that name"])
    meaning = PageNames(library.modules, ()).target(target)
    if not isinstance(meaning, Symbol) or meaning.kind != "def":
        known = nearest(target.name or "", module.definitions)
        raise DocumentError([f"function {function}: expected a function of {target.module}, found none{known}"])
    return meaning
