"""Claims measured by a clock: the ledger marks every check whose number comes from a timer, and no other.

Followed are the names of a page's own code: what a timer of the library returns is time, so is what is computed
from it, and so is what a function of the page returns that reads such a name.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from companion.book.ledger import load_ledger
from companion.book.pages import Page, load_pages
from companion.book.sourcecode import parse_cell
from companion.clocks import CLOCK_TAG

ROOT = Path(__file__).resolve().parents[2]
TIMERS = {
    "contdepth.studies.control.costs": {"seconds_back", "seconds_of_a_step"},
    "contdepth.studies.control.races": {"seconds_to"},
    "contdepth.studies.depth.parallel_processes": {"race"},
    "contdepth.studies.meanfield.cost": {"training_cost"},
    "contdepth.studies.pdenet2.contest_table": {"contest_table"},
    "contdepth.studies.pdenet2.cost": {"scaling"},
    "contdepth.studies.yopo.contest": {"step_costs", "steps_within"},
    "contdepth.studies.yopo.paper_scale": {"cifar_runs"},
    "contdepth.timing": {"cpu_seconds", "gpu_seconds"},
}
"""Functions of the library that return times, or what depends on them."""
SECONDS = "seconds"
"""What fields and keys of other results are called that hold times."""
BEGINNING = "time_"
"""How other keys of such results begin."""
OWN = {"process_time", "perf_counter"}
"""What a page's own timer reads, by ``time.…``."""
COMPUTED = "saved"
"""What a method of a result is called that computes from its times."""
MODULES = {
    "devices.py",
    "pde/pdenet1/training.py",
    "restoration/stopping/stored_policy.py",
    "restoration/training/train.py",
    "robust/attacks/audit.py",
    "robust/methods/loop.py",
    "studies/adaptive/skipnet/pieces.py",
    "studies/adaptive/tnrd/pieces.py",
    "studies/control/bsde_pieces.py",
    "studies/control/discrete/pieces.py",
    "studies/control/races.py",
    "studies/depth/multilevel.py",
    "studies/depth/ode_classifier.py",
    "studies/depth/parallel_digits.py",
    "studies/depth/parallel_peaks.py",
    "studies/depth/parallel_processes.py",
    "studies/durr/contest.py",
    "studies/equations/fno/pieces.py",
    "studies/flows/iresnet/pieces.py",
    "studies/meanfield/cost.py",
    "studies/mechanics/lnn/contest.py",
    "studies/mechanics/lnn/pieces.py",
    "studies/pdenet2/contest.py",
    "studies/sequences/antisymmetric/pieces.py",
    "studies/sequences/classify.py",
    "studies/sequences/gruode/contest.py",
    "studies/sequences/latentode/contest.py",
    "timing.py",
}
"""Modules that read a clock: their times are returned by one of ``TIMERS``, or as ``seconds``."""


ANY = ".+"


class Clocks(ast.NodeVisitor):
    """The checks of a page in order: a pattern of the claim's id, and whether a clock gave the number."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.checks: list[tuple[str, bool]] = []

    def timed(self, node: ast.AST) -> bool:
        """Tell whether the code reads a timer or a name that holds what came from one."""
        return any(
            isinstance(part, ast.Name)
            and part.id in self.names
            or isinstance(part, ast.Attribute)
            and part.attr in (SECONDS, *OWN)
            or isinstance(part, ast.Call)
            and isinstance(part.func, ast.Attribute)
            and part.func.attr == COMPUTED
            or isinstance(part, ast.Constant)
            and str(part.value).startswith(BEGINNING)
            or isinstance(part, ast.Subscript)
            and SECONDS in _text(part.slice)
            for part in ast.walk(node)
        )

    def bind(self, target: ast.AST, timed: bool) -> None:
        names = {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}
        whole = isinstance(target, (ast.Name, ast.Tuple, ast.List))
        self.names = self.names | names if timed else self.names - names if whole else self.names

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        timers = TIMERS.get(node.module or "", set())
        self.names |= {item.asname or item.name for item in node.names if item.name in timers}

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self.bind(target, self.timed(node.value))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.generic_visit(node)
        self.bind(node.target, self.timed(node.value) or self.timed(node.target))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        inner = Clocks()
        inner.names = set(self.names)
        for statement in node.body:
            inner.visit(statement)
        self.bind(ast.Name(node.name), self.timed(node) or inner.timed(node))

    def visit_For(self, node: ast.For) -> None:
        self.bind(node.target, self.timed(node.iter))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "check":
            given = [*node.args[1:], *(item.value for item in node.keywords)]
            self.checks.append((_pattern(node.args[0]), any(map(self.timed, given))))
        elif isinstance(node.func, ast.Attribute) and node.func.attr in ("append", "extend", "update"):
            if any(map(self.timed, node.args)):
                self.bind(node.func.value, True)


def _text(node: ast.AST) -> str:
    """Return the text in an expression: ``seconds to 42`` of ``found["YOPO-5-3"]["seconds to 42"]``."""
    return " ".join(str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant))


def _pattern(node: ast.AST) -> str:
    """Return a regular expression for the ids that an expression, usually text, can give."""
    if isinstance(node, ast.Constant):
        return re.escape(str(node.value))
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_pattern, node.values))
    return ANY


def checks(sources: list[str]) -> list[tuple[str, bool]]:
    """Return pattern of the claim's id and whether a clock gave its number, for every check in the code."""
    clocks = Clocks()
    for source in sources:
        clocks.visit(parse_cell(source))
    return clocks.checks


@pytest.mark.parametrize(
    ("source", "timed"),
    [
        ("t = cpu_seconds(tasks)\ncheck('a', t['x'] / t['y'])", True),
        (
            "n = steps_for(9)\nr = contest(n)\ndef under(k):\n    return r[k]\ncheck('a', under('x'), seeds=s)",
            True,
        ),
        ("def ratio(f):\n    return f.seconds['a']\ncheck('a', ratio(photos))", True),
        ("v = []\nfor s in (1, 2):\n    v.append(gpu_seconds(s))\ncheck('a', v[0])", True),
        ("r = arms()\ncheck('a', r.saved('x', 'y'))", True),
        ("r = arms()\ncheck('a', r.saved)", False),
        ("b = time.process_time()\nwork()\ns = time.process_time() - b\ncheck('a', s / 3)", True),
        ("check('a', ratio(one, other, 'time_training'))", True),
        ("check('a', ratio(one, other, 'evaluations'))", False),
        ("t = cpu_seconds(tasks)\nt = count(tasks)\ncheck('a', t)", False),
        ("t = cpu_seconds(tasks)\nnote('t', t)\ncheck('a', count_forwards(net))", False),
    ],
)
def test_what_comes_from_a_timer_is_recognised(source: str, timed: bool) -> None:
    imports = (
        "from contdepth.robust import count_forwards\n"
        "from contdepth.timing import cpu_seconds, gpu_seconds\n"
        "from contdepth.studies.yopo.contest import contest, steps_within as steps_for\n"
    )
    assert checks([imports, source]) == [("a", timed)]


@pytest.mark.parametrize("page", load_pages(ROOT), ids=lambda page: page.id)
def test_claims_measured_by_a_clock_are_marked(page: Page) -> None:
    found = checks([cell.source for cell in page.cells()])
    claims = [claim for claim in load_ledger(ROOT, page.chapter).claims if claim.page == page.name]
    for claim in claims:
        whole = {timed for pattern, timed in found if pattern == re.escape(claim.id)}
        own = whole or {timed for pattern, timed in found if pattern != ANY and re.fullmatch(pattern, claim.id)}
        timed = own or {timed for pattern, timed in found if pattern == ANY}
        one_kind = {claim.clock} if not own and claim.clock in timed else timed
        assert one_kind in ({claim.clock}, set()), f"{claim.id}: expected clock: {str(not claim.clock).lower()}"
        assert timed or not claim.clock, f"{claim.id} is marked, and no check of {page.id} can be its"


@pytest.mark.parametrize("page", load_pages(ROOT), ids=lambda page: page.id)
def test_only_cells_that_read_a_clock_are_tagged_so(page: Page) -> None:
    """In a tagged cell figures, notes and printed numbers are not compared."""
    clocks = Clocks()
    for cell in [cell for cell in page.notebook().cells if cell.cell_type == "code"]:
        tree = parse_cell(cell.source)
        clocks.visit(tree)
        if CLOCK_TAG in cell.metadata.get("tags", ()):
            assert clocks.timed(tree), f"{page.id}: expected a time in the cell tagged {CLOCK_TAG}, found none"


def test_every_timer_of_the_library_is_known_here() -> None:
    library = ROOT / "lib" / "contdepth"
    clock = re.compile(
        r"\b(?:process_time|perf_counter|monotonic|time\.time|tracemalloc|devices\.now)\b|max_memory"
    )
    sources = {path.relative_to(library).as_posix(): path.read_text("utf-8") for path in library.rglob("*.py")}
    found = {name for name, source in sources.items() if clock.search(source)}
    assert found == MODULES, "say in TIMERS what a new timer returns"
    followed = re.compile(rf"time\.(?:{'|'.join(sorted(OWN))})\(\)")
    cells = [(page.id, followed.sub("", cell.source)) for page in load_pages(ROOT) for cell in page.cells()]
    pages = [page for page, source in cells if clock.search(source)]
    assert pages == [], "a page's own timer is not followed"
