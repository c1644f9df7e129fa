"""Cells of YOPO and DURR that put pieces together, run with made-up results and judged by their ledgers."""

from __future__ import annotations

import ast

import pytest

from companion.book.ledger import load_ledger
from companion.book.pages import find_page
from companion.evidence.judging import assess
from companion.pieces.plan import load_plan
from companion.root import find_root
from contdepth.studies.yopo.assembled import of_cifar, of_long, of_mnist

ROOT = find_root()
PAGES = {"yopo/training": 3, "durr/stopping": 1, "durr/deblocking": 1, "durr/rivals": 1}
"""Page → number of its cells that ask for pieces."""


def made_up(piece):
    """A result of the shape of the piece's, from its arguments."""
    asked = piece.arguments
    seed = asked.get("seed", 0)
    if "arm" in asked:
        rows = ("clean", "pgd", "pgd_few", "audit_autoattack", "audit_apgd_t", "seconds")
        return {
            **{name: 40.0 + place + seed / 8 for place, name in enumerate(rows)},
            "looks": [20.0, 41.0 + seed], "look_seconds": [20.0, 40.0 + seed], "where": "a device",
        }  # fmt: skip
    if "task" in asked:
        levels = asked.get("levels", [])
        curves = [[[20.0, 22.0], [30.0 + seed, 28.0], [25.0, 31.0]] for _ in levels]
        return {"psnr": curves, "stops": [[1, 2] for _ in levels], "levels": levels}
    return {"psnr": [29.0, 30.0], "estimates": [15.0, 25.0]}


class MadeUp:
    """Stands for the run of a page of which ``done`` groups are there; remembers what it was asked for."""

    def __init__(self, chapter, done=None):
        self.groups = {group.name: group for group in load_plan(ROOT, chapter)}
        self.done = set(self.groups) if done is None else done
        self.asked = set()

    def ready(self, *names):
        assert set(names) <= set(self.groups)
        return set(names) <= self.done

    def pieces(self, name):
        assert name in self.done
        self.asked.add(name)
        pieces = self.groups[name].pieces
        return [{"arguments": dict(one.arguments), "result": made_up(one), "weights": None} for one in pieces]


def cells(page):
    """The sources of the cells that ask for pieces."""
    return [cell.source for cell in find_page(ROOT, page).cells() if "run.ready(" in cell.source]


def executed(page, run, profile="paper"):
    """Execute those cells: claim → how it was judged by the ledger, and the notes."""
    claims = {claim.id: claim for claim in load_ledger(ROOT, page.partition("/")[0]).claims}
    judged, notes = {}, {}

    def check(id, value, **given):
        assert id not in judged and claims[id].page == page.partition("/")[2]
        judged[id] = assess(claims[id], profile, value, **given)

    def note(name, value):
        assert name not in notes and name.isidentifier()
        notes[name] = float(value)

    for source in cells(page):
        exec(source, {"profile": profile, "run": run, "check": check, "note": note})
    return judged, notes


@pytest.mark.parametrize("page", list(PAGES))
def test_a_cell_is_nothing_but_its_condition(page):
    assert len(cells(page)) == PAGES[page]
    for source in cells(page):
        (statement,) = ast.parse(source).body
        assert isinstance(statement, ast.If) and not statement.orelse and len(source.splitlines()) <= 15
        assert ast.unparse(statement.test).startswith("profile == 'paper' and run.ready(")


@pytest.mark.parametrize("page", list(PAGES))
def test_a_page_judges_the_claims_of_its_groups_and_no_others(page):
    run = MadeUp(page.partition("/")[0])
    judged, notes = executed(page, run)
    of_page = [group for group in run.groups.values() if group.page_id == page]
    assert set(judged) == {claim for group in of_page for claim in group.claims}
    assert {group.name for group in of_page if group.claims} <= run.asked
    assert notes and all(one.seeds == (0, 1, 2) for one in judged.values())


@pytest.mark.parametrize("page", list(PAGES))
def test_nothing_is_assembled_of_what_is_not_done_or_at_another_profile(page):
    chapter = page.partition("/")[0]
    nothing = MadeUp(chapter, done=set())
    assert executed(page, nothing) == ({}, {}) and not nothing.asked
    assert executed(page, MadeUp(chapter), "smoke") == executed(page, MadeUp(chapter), "book") == ({}, {})


@pytest.mark.parametrize("page", list(PAGES))
def test_groups_that_are_not_done_are_not_asked_for(page):
    """Without one group its claims are not judged, and no cell asks for what is not there."""
    chapter = page.partition("/")[0]
    everything = MadeUp(chapter).groups
    for name, group in everything.items():
        judged, _ = executed(page, MadeUp(chapter, done=set(everything) - {name}))
        assert group.page_id != page or not set(judged) & set(group.claims)
    judged, _ = executed("yopo/training", MadeUp("yopo", done={"cifar", "mnist"}))
    assert "yopo.paper.full-time" not in judged and len(judged) == 14


def test_what_a_clock_gave_is_marked_in_the_ledger():
    """All claims of ``seconds`` are marked, and none of ``checks``: the pages' loops cannot tell them apart."""
    claims = {claim.id: claim for claim in load_ledger(ROOT, "yopo").claims}
    run = MadeUp("yopo")
    cifar, long, mnist = (run.pieces(name) for name in ("cifar", "cifar-long", "mnist"))
    found = [of_cifar(cifar), of_long(cifar, long), of_mnist(mnist)]
    assert all(claims[claim].clock for one in found for claim in one.seconds)
    assert not any(claims[claim].clock for one in found for claim in one.checks)
    assert sum(len(one.seconds) for one in found) == 4
