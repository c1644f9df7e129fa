"""What a Python source says to the interpreter: hashed without comments, docstrings and blank space; its
imports.
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Import", "ends_in_semicolon", "essence", "imports", "import_only", "source_hash", "without_magics"]

_FSTRING_START, _FSTRING_END = getattr(tokenize, "FSTRING_START", -1), getattr(tokenize, "FSTRING_END", -1)


PYTHON_CELLS = ("time", "capture", "prun")
"""Cell magics below which the cell is Python; ``timeit`` begins like the first."""


@dataclass(frozen=True)
class Import:
    """One import: ``name`` is None for ``import module``; ``alias`` tells whether an ``as`` name is bound."""

    module: str
    name: str | None = None
    level: int = 0
    bound: str = ""
    alias: bool = False


def source_hash(source: str) -> str:
    """Return a hash that comments, docstrings, blank lines and trailing space do not change, on any Python.
    """
    return hashlib.sha256(essence(source).encode()).hexdigest()


def essence(source: str) -> str:
    """Return ``source`` without comments, docstrings, blank lines and trailing space.

    Text is cut by position, never re-printed from a syntax tree, so that all Python versions agree. Lines
    inside other strings that span lines are kept as they are.
    """
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept, comments = _tokens("\n".join(lines))
    for row, column in comments:
        lines[row] = lines[row][:column]
    docstring_rows = set()
    for first, start, last, end in reversed(_docstrings(ast.parse(source), lines)):
        head, tail = (
            lines[first].encode()[:start].decode(),
            lines[last].encode()[end:].decode() if last > first else lines[first].encode()[end:].decode(),
        )
        lines[first : last + 1] = [head + tail] + [""] * (last - first)
        docstring_rows.update(range(first, last + 1))
    kept -= docstring_rows
    return "\n".join(
        line if row in kept else line.rstrip()
        for row, line in enumerate(lines)
        if row in kept or line.strip()
    )


def _tokens(source: str) -> tuple[set[int], list[tuple[int, int]]]:
    """Return the rows that end inside a string, and the places of the comments (rows from 0)."""
    kept: set[int] = set()
    comments, open_strings = [], []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        row = token.start[0] - 1
        if token.type == _FSTRING_START:
            open_strings.append(row)
        elif token.type == _FSTRING_END:
            kept.update(range(open_strings.pop(), row))
        elif token.type == tokenize.STRING:
            kept.update(range(row, token.end[0] - 1))
        elif token.type == tokenize.COMMENT and not open_strings:
            comments.append((row, token.start[1]))
    return kept, comments


def _docstrings(tree: ast.Module, lines: list[str]) -> list[tuple[int, int, int, int]]:
    """Return first row, first byte, last row, last byte of every docstring, in the order of the file."""
    found = []
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            and ast.get_docstring(node, clean=False) is not None
        ):
            text = node.body[0]
            found.append((text.lineno - 1, text.col_offset, text.end_lineno - 1, text.end_col_offset))
    return sorted(found)


def without_magics(source: str) -> str:
    """Return a cell's source with IPython's magics and shell lines blanked, so that it parses as Python."""
    if source.lstrip().startswith("%%"):
        first, _, rest = source.lstrip().partition("\n")
        if not first.removeprefix("%%").startswith(PYTHON_CELLS):
            return ""
        source = "\n" * source[: source.index("%%")].count("\n") + "pass\n" + rest
    return "\n".join(
        line[: len(line) - len(line.lstrip())] + "pass" if line.lstrip().startswith(("%", "!")) else line
        for line in source.split("\n")
    )


def ends_in_semicolon(source: str) -> bool:
    """Tell whether the last thing a cell says to Python, comments aside, is a semicolon."""
    silent = {"COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT", "ENDMARKER"}
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(without_magics(source)).readline))
    except (tokenize.TokenError, SyntaxError):
        return False  # said elsewhere
    said = [token for token in tokens if tokenize.tok_name[token.type] not in silent]
    return bool(said) and said[-1].string == ";"


def import_only(source: str) -> bool:
    """Tell whether a module holds nothing but a docstring, imports and dunder names set to literals."""
    return all(
        isinstance(node, (ast.Import, ast.ImportFrom))
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (
            isinstance(node, ast.Assign)
            and _literal(node.value)
            and all(
                isinstance(t, ast.Name) and t.id.startswith("__") and t.id.endswith("__")
                for t in node.targets
            )
        )
        for node in ast.parse(source).body
    )


def _literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def imports(source: str) -> Iterator[Import]:
    """Yield every import of ``source``, inside functions too, but not below ``if TYPE_CHECKING``."""
    pending: list[ast.AST] = [ast.parse(source)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            for item in node.names:
                yield Import(
                    item.name, bound=item.asname or item.name.split(".")[0], alias=item.asname is not None
                )
        elif isinstance(node, ast.ImportFrom):
            for item in node.names:
                yield Import(node.module or "", item.name, node.level, item.asname or item.name)
        elif (
            isinstance(node, ast.Call)
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
            and ast.unparse(node.func).endswith(("import_module", "__import__"))
        ):
            yield Import(node.args[0].value, alias=True)
        pending.extend(ast.iter_child_nodes(node))
