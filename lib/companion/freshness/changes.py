"""What differs between two states of the library that a page reaches, statement by statement."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from companion.book.pages import Page
from companion.freshness.code.page_symbols import PageSymbols, page_symbols
from companion.freshness.code.tokens import Piece, Symbol, Token, flat
from companion.text import read_text

__all__ = ["Changes", "Line", "changes"]

_LITERAL = ("i:", "float:", "complex:", "s:", "b:", "c:True", "c:False")
CHECKS = "contdepth.checks"
"""The module whose functions return their argument or raise; those called ``warn`` excepted."""

_PURE = (
    ast.Attribute,
    ast.BinOp,
    ast.BoolOp,
    ast.Compare,
    ast.Constant,
    ast.FormattedValue,
    ast.JoinedStr,
    ast.List,
    ast.Name,
    ast.Starred,
    ast.Subscript,
    ast.Tuple,
    ast.UnaryOp,
    ast.Slice,
    ast.keyword,
    ast.operator,
    ast.boolop,
    ast.unaryop,
    ast.cmpop,
    ast.expr_context,
)
_HARMLESS = ("bool", "isinstance", "issubclass", "hasattr", "len", "list", "max", "min", "tuple", "type")
_LEAVES = (ast.Return, ast.Yield, ast.YieldFrom, ast.Break, ast.Continue)


@dataclass(frozen=True)
class Line:
    """A statement, without the statements inside it, that one of the two states has and the other has not.

    ``kind`` is ``runs`` (inside a function), ``imports`` (run when its module is imported: assignments, class
    bodies, heads of functions) or ``raises`` (inside a function, where it can do nothing but lead to an exception:
    by a ``raise``, by a call of a function of the library that is annotated ``NoReturn``, or by a check, that is,
    a call of ``contdepth.checks`` whose value goes nowhere) or ``check`` (inside a function of that module which
    the other state has not). ``path`` is relative to ``lib/``; ``first`` and ``last`` count lines from 1.
    """

    symbol: str
    path: str
    first: int
    last: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.symbol}, {self.path}:{self.first}: {self.text}"


@dataclass(frozen=True)
class Changes:
    """The changed statements of the old and of the new state.

    ``symbols`` names what changed, is new or is gone; ``values`` has a sentence for each constant that only
    statements run at import have on one side: a run need not use it, so that no run shows that it makes no
    difference. There is none for what one of the states alone reaches, such as a new constant or a new function
    with its defaults, as long as only statements inside functions lead there: those are compared by execution.
    """

    symbols: tuple[str, ...] = ()
    old: tuple[Line, ...] = ()
    new: tuple[Line, ...] = ()
    values: tuple[str, ...] = ()


def changes(old_root: Path, new_root: Path, old_page: Page, new_page: Page, profile: str = "smoke") -> Changes:
    """Return what differs between the symbols that ``old_page`` reaches below ``old_root`` and those that
    ``new_page`` reaches below ``new_root``, by their cells at ``profile``.
    """
    sides = _Side(old_root, page_symbols(old_page, profile)), _Side(new_root, page_symbols(new_page, profile))
    pairs = _pairs(*sides)
    lines: tuple[list[tuple[Line, Piece]], list[tuple[Line, Piece]]] = ([], [])
    names: set[str] = set()
    values: list[str] = []
    for one, other in pairs:
        found = _compare(sides, one, other, pairs)
        for side, symbol, numbers, mine in zip(sides, (one, other), found, lines, strict=True):
            if symbol is not None:
                alone = None in (one, other) and _is_check(symbol)
                mine += [(side.line(symbol, number, alone), side.pieces(symbol)[number]) for number in numbers]
        if any(found):
            names |= {str(symbol) for symbol in (one, other) if symbol is not None}
        if "whole" in (getattr(one, "kind", ""), getattr(other, "kind", "")) and _names_differ(sides, one, other):
            values.append(f"{one or other}: taken as a whole, and what it holds is called otherwise")
    values += _values(*lines, _through_functions(sides, pairs, lines))
    old, new = (tuple(line for line, _ in mine) for mine in lines)
    return Changes(tuple(sorted(names)), old, new, tuple(values))


class _Side:
    """One state: symbols that the other state has not, and their statements."""

    def __init__(self, root: Path, symbols: PageSymbols) -> None:
        self.root, self.library = root, symbols.library
        self.digests = {symbol: self.library.digest(symbol) for symbol in symbols.symbols}
        self._pieces: dict[Symbol, list[Piece]] = {}
        self._raising: dict[Symbol, set[int]] = {}

    def pieces(self, symbol: Symbol | None) -> list[Piece]:
        """Return the statements of a symbol; none for a module as a whole, whose definitions count themselves."""
        if symbol is None or symbol.kind == "whole":
            return []
        if symbol not in self._pieces:
            emitter = self.library.emitter(symbol)
            emitter.pieces = []
            self.library.emit(symbol, emitter)
            self._pieces[symbol] = emitter.pieces
        return self._pieces[symbol]

    def line(self, symbol: Symbol, number: int, alone: bool = False) -> Line:
        """Return where the statement ``number`` of a symbol stands, and what kind it is.

        ``alone``: the symbol is a check that the other state has not.
        """
        piece = self.pieces(symbol)[number]
        module = self.library.modules.get(symbol.module)
        assert module is not None  # its statements have been read
        raises = id(piece.statement) in self._raises(symbol)
        kind = "imports" if piece.depth == 0 else "raises" if raises else "check" if alone else "runs"
        first, last = _span(piece.statement)
        text = read_text(module.path).splitlines()[first - 1].strip()
        return Line(str(symbol), module.path.relative_to(self.root / "lib").as_posix(), first, last, kind, text)

    def _raises(self, symbol: Symbol) -> set[int]:
        """Return the ids of the statements of a symbol that can do nothing but lead to an exception."""
        if symbol not in self._raising:
            pieces, calls = self.pieces(symbol), self._calls(symbol)
            ends = {id(one.statement) for one in pieces if self._ends(one)}
            roots = [one.statement for one in pieces if one.depth == 0]
            found = {id(node) for root in roots for node in _raising(root, ends)}
            found |= {id(node) for root in roots for node in _checking(root, calls, found)}
            self._raising[symbol] = found
        return self._raising[symbol]

    def _ends(self, piece: Piece) -> bool:
        """Tell whether a statement cannot be followed by the next: a ``raise``, or a call that never returns."""
        statement = piece.statement
        if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
            return isinstance(statement, ast.Raise)
        called = ast.unparse(statement.value.func).rpartition(".")[2]
        return any(
            isinstance(token, Symbol) and token.name == called and self._never_returns(token)
            for token in piece.tokens
        )

    def _calls(self, symbol: Symbol) -> set[str]:
        """Return how the statements of a symbol call the functions of ``CHECKS``."""
        tokens = [token for one in self.pieces(symbol) for token in one.tokens if isinstance(token, Symbol)]
        names = {token.name for token in tokens if _is_check(token)}
        return {f"{prefix}{name}" for name in names for prefix in ("", f"{CHECKS.rpartition('.')[2]}.")}

    def _never_returns(self, symbol: Symbol) -> bool:
        module = self.library.modules.get(symbol.module)
        definitions = module.definitions.get(symbol.name, ()) if module is not None else ()
        return len(definitions) == 1 and (
            isinstance(definitions[0], ast.FunctionDef)
            and definitions[0].returns is not None
            and ast.unparse(definitions[0].returns).rpartition(".")[2] in ("NoReturn", "Never")
        )


def _pairs(old: _Side, new: _Side) -> list[tuple[Symbol | None, Symbol | None]]:
    """Return the symbols that differ: with the one that took their place where there is one, by name and module,
    else by name.
    """
    known = set(old.digests.values()), set(new.digests.values())
    left = [symbol for symbol, digest in old.digests.items() if digest not in known[1]]
    right = [symbol for symbol, digest in new.digests.items() if digest not in known[0]]
    pairs: list[tuple[Symbol | None, Symbol | None]] = [(one, one) for one in left if one in right]
    left, right = ([one for one in side if (one, one) not in pairs] for side in (left, right))
    for one in list(left):
        same = [other for other in right if (other.kind, other.name) == (one.kind, one.name)]
        if len(same) == 1 and one.kind == "def":
            pairs.append((one, same[0]))
            left.remove(one)
            right.remove(same[0])
    return [*pairs, *((one, None) for one in left), *((None, other) for other in right)]


def _compare(
    sides: tuple[_Side, _Side],
    one: Symbol | None,
    other: Symbol | None,
    pairs: Iterable[tuple[Symbol | None, Symbol | None]],
) -> tuple[list[int], list[int]]:
    """Return the numbers of the statements of ``one`` and ``other`` that have no equal on the other side."""
    before, after = sides[0].pieces(one), sides[1].pieces(other)
    matched = set(pairs)

    def same(left: Token, right: Token) -> bool:
        if isinstance(left, str) or isinstance(right, str):
            return left == right
        return (left, right) in matched or sides[0].library.digest(left) == sides[1].library.digest(right)

    texts = tuple([f"{piece.depth} {flat(piece.tokens)}" for piece in pieces] for pieces in (before, after))
    gone: list[int] = []
    came: list[int] = []
    for tag, a, b, c, d in SequenceMatcher(None, texts[0], texts[1], autojunk=False).get_opcodes():
        if tag != "equal":
            gone += range(a, b)
            came += range(c, d)
            continue
        for left, right in zip(range(a, b), range(c, d), strict=True):
            if not all(map(same, before[left].tokens, after[right].tokens)):
                gone.append(left)
                came.append(right)
    return gone, came


def _names_differ(sides: tuple[_Side, _Side], one: Symbol | None, other: Symbol | None) -> bool:
    if one is None or other is None:
        return True
    texts = [flat(side.library.tokens(symbol)) for side, symbol in zip(sides, (one, other), strict=True)]
    return texts[0] != texts[1]


def _span(node: ast.AST) -> tuple[int, int]:
    """Return the first and last line of a statement without the statements inside it."""
    decorators = [item.lineno for item in getattr(node, "decorator_list", ())]
    pattern = getattr(node, "pattern", None)
    first = min([getattr(node, "lineno", getattr(pattern, "lineno", 1)), *decorators])
    inner = [item for field in ("body", "orelse", "finalbody", "handlers", "cases") for item in _list(node, field)]
    if not inner:
        return first, getattr(node, "end_lineno", first)
    head = [
        end
        for child in ast.iter_child_nodes(node)
        if child not in inner
        for part in ast.walk(child)
        if (end := getattr(part, "end_lineno", None))
    ]
    return first, max([first, getattr(node, "lineno", first), *head])


def _list(node: ast.AST, field: str) -> list[ast.AST]:
    value = getattr(node, field, None)
    return value if isinstance(value, list) else []


def _raising(node: ast.AST, ends: set[int], caught: bool = False) -> list[ast.AST]:
    """Return the statements below ``node`` from which a function can only leave by an exception: blocks whose last
    statement is one of ``ends``, and heads of handlers with such a block.
    """
    found: list[ast.AST] = []
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        block = _list(node, field)
        inside = caught or (isinstance(node, (ast.Try, ast.With)) and field == "body")
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inside = False
        if block and id(block[-1]) in ends and not inside and not isinstance(node, ast.ClassDef):
            if not any(isinstance(part, _LEAVES) for item in block for part in ast.walk(item)):
                found += [part for item in block for part in ast.walk(item)]
                found += [node] if isinstance(node, ast.ExceptHandler) else []
                continue
        for item in block:
            found += _raising(item, ends, inside)
    return found


def _is_check(symbol: Symbol) -> bool:
    return symbol.module == CHECKS and symbol.kind == "def" and symbol.name != "warn"


def _checking(node: ast.AST, calls: set[str], raises: set[int]) -> list[ast.AST]:
    """Return the statements below ``node`` that are checks, or lead to nothing but checks and what ``raises``."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Call):
            if ast.unparse(child.value.func) in calls and _pure(child.value, calls):
                found.append(child)
        elif isinstance(child, ast.stmt | ast.ExceptHandler):
            found += _checking(child, calls, raises)
    done = raises | {id(one) for one in found}
    head = node.test if isinstance(node, ast.If) else node.iter if isinstance(node, ast.For) else None
    inner = [item for field in ("body", "orelse") for item in _list(node, field)]
    if head is not None and _pure(head, calls) and all(id(item) in done for item in inner):
        found.append(node)
    return found


def _pure(node: ast.AST, calls: set[str]) -> bool:
    """Tell whether an expression only looks at what it names: harmless calls, and calls of checks, included."""
    if isinstance(node, ast.Call):
        if ast.unparse(node.func) not in {*calls, *_HARMLESS}:
            return False
        return all(_pure(part, calls) for part in (*node.args, *node.keywords))
    return isinstance(node, _PURE) and all(_pure(part, calls) for part in ast.iter_child_nodes(node))


def _through_functions(
    sides: tuple[_Side, _Side],
    pairs: Iterable[tuple[Symbol | None, Symbol | None]],
    lines: Iterable[list[tuple[Line, Piece]]],
) -> set[str]:
    """Return the symbols that one state alone reaches, and no statement run at import of those that both have."""
    own = {
        str(symbol): side
        for pair in pairs
        for side, symbol in zip(sides, pair, strict=True)
        if None in pair and symbol
    }
    own = {name: side for name, side in own.items() if not name.endswith(":whole")}
    waiting = [
        piece for mine in lines for line, piece in mine if line.kind == "imports" and line.symbol not in own
    ]
    while waiting:
        for token in waiting.pop().tokens:
            side = own.pop(str(token), None) if isinstance(token, Symbol) else None
            if side is not None and isinstance(token, Symbol):
                waiting += side.pieces(token)
    return set(own)


def _values(old: list[tuple[Line, Piece]], new: list[tuple[Line, Piece]], aside: set[str]) -> list[str]:
    """Return a sentence for each constant in a statement run at import that the other side's changes lack; none
    for the symbols in ``aside``.
    """
    found = []
    for mine, others, word in ((old, new, "no longer there"), (new, old, "new")):
        left = Counter(value for _, piece in others for value in _constants(piece, every=True))
        for line, piece in mine:
            for value in (
                _constants(piece, every=False) if line.kind == "imports" and line.symbol not in aside else ()
            ):
                if left[value]:
                    left[value] -= 1
                else:
                    found.append(f"{line}: the value {_plain(value)} is {word}, and a smoke run need not use it")
    return found


def _constants(piece: Piece, *, every: bool) -> list[str]:
    """Return the literals of a statement; of assignments, and with ``every`` of all, what they name too."""
    assigns = every or isinstance(piece.statement, (ast.Assign, ast.AnnAssign, ast.AugAssign))
    found = []
    for token in piece.tokens:
        if isinstance(token, Symbol):
            if assigns:
                found.append(f"@{token.name or token.kind}")
        elif token.startswith(_LITERAL) or (assigns and token.startswith("<")):
            found.append(token)
    return found


def _plain(value: str) -> str:
    if value.startswith("i:"):
        return str(int(value[2:], 16))
    return value.strip("<>@") if value[:1] in "<@" else value.partition(":")[2]
