"""Parameters of a page: defaults read from source without running it, values checked against the defaults'
types.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import Any

from companion.book.sourcecode import parse_cell
from companion.errors import PageError, nearest

__all__ = ["merge", "parse_value", "read_defaults"]


def read_defaults(source: str, label: str) -> dict[str, Any]:
    """Return the names and literal values that the parameters cell ``source`` assigns.

    Raises :class:`PageError`, naming ``label``, for anything but assignments of literals to plain names.
    """
    try:
        statements = parse_cell(source).body
    except SyntaxError as error:
        raise PageError(
            f"{label}, parameters cell line {error.lineno}: expected Python, found {error.msg}"
        ) from None
    except (ValueError, MemoryError, RecursionError) as error:
        found = error or type(error).__name__
        raise PageError(f"{label}, parameters cell: expected Python, found {found}") from None
    defaults: dict[str, Any] = {}
    for statement in statements:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue
        try:
            if (
                not isinstance(statement, (ast.Assign, ast.AnnAssign))
                or len(targets) != 1
                or not isinstance(targets[0], ast.Name)
                or statement.value is None
            ):
                raise ValueError
            defaults[targets[0].id] = ast.literal_eval(statement.value)
        except (ValueError, TypeError, RecursionError):
            raise PageError(
                f"{label}, parameters cell line {statement.lineno}: expected name = literal, "
                f"found {ast.unparse(statement)!r}"
            ) from None
    return defaults


def merge(defaults: Mapping[str, Any], values: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Return ``defaults`` updated by ``values``; raise :class:`PageError` for an unknown name, another type, or
    what a record cannot hold: its JSON would show something else.
    """
    for name, value in values.items():
        if name not in defaults:
            raise PageError(
                f"{label}, parameter {name}: expected one of {', '.join(defaults)}, "
                f"found an unknown name{nearest(name, defaults)}"
            )
        if not _fits(value, defaults[name]):
            raise PageError(
                f"{label}, parameter {name}: expected {_kind(defaults[name])} like the default "
                f"{defaults[name]!r}, found {value!r}"
            )
    merged = {**defaults, **values}
    for name, value in merged.items():
        if expected := _unfit(value):
            raise PageError(f"{label}, parameter {name}: expected {expected}, found {value!r:.200}")
    return merged


def parse_value(text: str) -> Any:
    """Return the literal that ``text`` spells (``40``, ``[1, 2]``, ``None``), or the text itself."""
    try:
        repr(value := ast.literal_eval(text))  # fails where a number has too many digits
        return value
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return text


def _unfit(value: Any) -> str | None:
    """Return what was expected in the place of a value that JSON cannot hold as it is, or None."""
    if isinstance(value, (list, tuple)):
        return next(filter(None, map(_unfit, value)), None)
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            return "text as the keys of a mapping"
        return next(filter(None, map(_unfit, [*value, *value.values()])), None)
    if isinstance(value, float):
        return None if math.isfinite(value) else "finite numbers"
    if isinstance(value, str):
        return None if value == value.encode(errors="replace").decode() else "text in UTF-8"
    return None if value is None or isinstance(value, int) else "numbers, text, None, lists and mappings"


def _fits(value: Any, default: Any) -> bool:
    if default is None:
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, float):
        return isinstance(value, (int, float))
    if isinstance(default, (list, tuple)):
        return isinstance(value, (list, tuple)) and (
            not default or all(any(_fits(item, like) for like in default) for item in value)
        )
    return isinstance(value, type(default))


def _kind(default: Any) -> str:
    words = {bool: "True or False", int: "a whole number", float: "a number", str: "text", dict: "a mapping"}
    if isinstance(default, (list, tuple)):
        kinds = " or ".join(dict.fromkeys(map(_kind, default)))
        return "a list" + (f", each {kinds}," if kinds else "")
    return words.get(type(default), type(default).__name__)
