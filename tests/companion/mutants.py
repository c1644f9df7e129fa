"""Does every change of code that a page runs make its stored run stale? Mutants of executed lines say.

``python tests/companion/mutants.py [PAGE …]`` runs the pages (default: all) at smoke, notes which lines of the
library each executes inside of functions, changes one constant, operator or condition at a time and asks for the
page's fingerprint. Lines that importing the library executes already are left out: a constant that no page uses
may be made by them.
"""

from __future__ import annotations

import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "lib"))

from companion.book.pages import Page, find_page, load_pages  # noqa: E402
from companion.errors import RunError  # noqa: E402
from companion.freshness.bench import Bench  # noqa: E402
from companion.freshness.code.page_symbols import page_symbols  # noqa: E402
from companion.freshness.fingerprint import fingerprint  # noqa: E402
from companion.freshness.tracing import environment, executed  # noqa: E402
from companion.run.progress import Progress  # noqa: E402

SWAPPED = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.Pow: "*",
    ast.FloorDiv: "*",
    ast.MatMult: "*",
    ast.Lt: ">=",
    ast.LtE: ">",
    ast.Gt: "<=",
    ast.GtE: "<",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Mutant:
    """A piece of one line of a file below ``lib/``, and what takes its place."""

    path: str
    line: int
    start: int
    end: int
    text: str

    def applied(self, source: str) -> str:
        """Return ``source`` with the change."""
        lines = source.split("\n")
        row = lines[self.line - 1].encode()
        lines[self.line - 1] = (row[: self.start] + self.text.encode() + row[self.end :]).decode()
        return "\n".join(lines)


def mutants(path: str, source: str, lines: frozenset[int] | None = None) -> Iterator[Mutant]:
    """Yield the mutants of a module on ``lines`` (default: on all), inside of functions only: what stands around
    them runs when the module is imported, whether a page uses it or not.
    """
    for function in (node for node in ast.parse(source).body for node in _functions(node)):
        for statement in function.body:
            for node in _spoken(statement):
                for line, start, end, text in _changes(node, source):
                    if lines is None or line in lines:
                        yield Mutant(path, line, start, end, text)


def _functions(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, FUNCTIONS):
        yield node
    elif isinstance(node, ast.ClassDef):
        for inner in node.body:
            yield from _functions(inner)


def _spoken(node: ast.AST) -> Iterator[ast.AST]:
    """Yield nodes less docstrings, annotations and f-strings, whose places Python 3.11 does not tell."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        return
    yield node
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and field not in ("annotation", "returns"):
                yield from _spoken(child)


def _changes(node: ast.AST, source: str) -> Iterator[tuple[int, int, int, str]]:
    """Yield line, first and last byte, and the new text, for changes that fit on one line."""
    if isinstance(node, ast.Constant) and node.lineno == node.end_lineno and node.value is not None:
        value = node.value
        new = ""
        if isinstance(value, bool):
            new = str(not value)
        elif isinstance(value, (int, float, str)):
            new = repr(value + ("x" if isinstance(value, str) else 1))
        if new and new != repr(value):
            yield node.lineno, node.col_offset, node.end_col_offset, new
    for part, form in ((getattr(node, "test", None), "not ({})"), (_returned(node), "({}, None)[0:1]")):
        if isinstance(part, ast.expr) and part.lineno == part.end_lineno:
            row = source.split("\n")[part.lineno - 1].encode()
            inside = row[part.col_offset : part.end_col_offset].decode()
            yield part.lineno, part.col_offset, part.end_col_offset, form.format(inside)
    pairs = []
    if isinstance(node, ast.BinOp):
        pairs = [(node.left, node.op, node.right)]
    elif isinstance(node, ast.Compare):
        pairs = list(zip([node.left, *node.comparators[:-1]], node.ops, node.comparators, strict=True))
    for left, operator, right in pairs:
        if type(operator) in SWAPPED and left.end_lineno == right.lineno:
            row = source.split("\n")[right.lineno - 1].encode()
            between = row[left.end_col_offset : right.col_offset].decode()
            if not set(between) & set("()#\\"):
                yield right.lineno, left.end_col_offset, right.col_offset, f" {SWAPPED[type(operator)]} "


def _returned(node: ast.AST) -> ast.expr | None:
    return node.value if isinstance(node, ast.Return) else None


@dataclass(frozen=True)
class Outcome:
    """What became of the mutants of one page: those that the fingerprint misses, and how many were tried on
    executed lines; and the same of those in modules that the page does not load.
    """

    missed: tuple[Mutant, ...]
    executed: int
    noticed_elsewhere: tuple[Mutant, ...]
    elsewhere: int


def try_mutants(page: Page, lines: Mapping[str, frozenset[int]], count: int, folder: Path) -> Outcome:
    """Try ``count`` mutants on executed lines and a tenth of that elsewhere, drawn by the page's name."""
    shutil.copytree(
        page.root / "lib" / "contdepth",
        folder / "lib" / "contdepth",
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"),
    )
    shutil.copytree(
        page.root / "book", folder / "book", dirs_exist_ok=True, ignore=shutil.ignore_patterns("_assets")
    )
    copy = find_page(folder, page.id)
    before, draw = fingerprint(copy, "smoke")["digest"], random.Random(page.id)
    reached = {symbol.module for symbol in page_symbols(copy, "smoke").symbols}
    on_lines, outside = [], []
    for path in sorted((folder / "lib").rglob("*.py")):
        name, source = path.relative_to(folder / "lib").as_posix(), path.read_text(encoding="utf-8")
        module = ".".join(Path(name).with_suffix("").parts).removesuffix(".__init__")
        if lines.get(name):
            on_lines += mutants(name, source, lines[name])
        elif module not in reached:
            outside += mutants(name, source)
    on_lines = draw.sample(on_lines, min(count, len(on_lines)))
    outside = draw.sample(outside, min(count // 10, len(outside)))

    def noticed(mutant: Mutant) -> bool:
        file = folder / "lib" / mutant.path
        source, times = file.read_text(encoding="utf-8"), file.stat()
        changed = mutant.applied(source)
        ast.parse(changed)
        try:
            file.write_text(changed, encoding="utf-8")
            return fingerprint(copy, "smoke")["digest"] != before
        finally:
            file.write_text(source, encoding="utf-8")
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # the file that was read before: not anew

    return Outcome(
        tuple(one for one in on_lines if not noticed(one)),
        len(on_lines),
        tuple(one for one in outside if noticed(one)),
        len(outside),
    )


def executed_lines(page: Page, folder: Path) -> Mapping[str, frozenset[int]]:
    """Run a page at smoke and return the lines of the library that it executes and importing does not, by file."""
    bench = Bench(page, folder / "bench", Progress())
    bench.state("today")
    lines, imported = bench.side("today").lines, imported_lines(page.root / "lib", folder / "imports")
    return {path: numbers - imported.get(path, frozenset()) for path, numbers in lines.items()}


def imported_lines(lib: Path, folder: Path) -> Mapping[str, frozenset[int]]:
    """Return the lines that importing every module of the library executes, by file."""
    names = [
        ".".join(path.relative_to(lib).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((lib / "contdepth").rglob("*.py"))
        if path.stem != "__main__"
    ]
    text = "import contextlib, importlib\n" + "".join(
        f"with contextlib.suppress(ImportError): importlib.import_module({name!r})\n" for name in names
    )
    variables = {**os.environ, **environment(folder, lib / "contdepth"), "PYTHONPATH": str(lib)}
    subprocess.run([sys.executable, "-c", text], env=variables, check=True, capture_output=True)
    return executed(folder, lib / "contdepth")


def main(names: list[str]) -> int:
    """Try 40 mutants a page; return 1 where one is missed."""
    tried = missed = others = wrong = 0
    for page in [find_page(ROOT, name) for name in names] or load_pages(ROOT):
        with tempfile.TemporaryDirectory() as folder:
            try:
                lines = executed_lines(page, Path(folder))
            except RunError as error:
                print(f"{page.id}: {str(error).splitlines()[0]}")
                continue
            found = try_mutants(page, lines, 40, Path(folder) / "copy")
        tried, missed = tried + found.executed, missed + len(found.missed)
        others, wrong = others + found.elsewhere, wrong + len(found.noticed_elsewhere)
        print(
            f"{page.id}: {found.executed} mutants on executed lines, {len(found.missed)} missed; "
            f"{found.elsewhere} elsewhere, {len(found.noticed_elsewhere)} noticed",
            flush=True,
        )
        for mutant in found.missed + found.noticed_elsewhere:
            print(f"  {mutant}")
    print(f"{tried} mutants on executed lines, {missed} missed; {others} elsewhere, {wrong} noticed")
    return 1 if missed or wrong or not tried else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
