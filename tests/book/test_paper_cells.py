"""The cells that judge stored pieces: what they check is what the plan says, at profile paper alone."""

from __future__ import annotations

import ast

import pytest
from paper_cells import ROOT, MadeUp, cells_of, chapter_of, claims_of, executed, groups_of

from companion.book.ledger import load_ledger
from companion.pieces.plan import all_groups
from contdepth.studies.yopo.assembled import of_cifar, of_long, of_mnist

PAGES = sorted({group.page_id for group in all_groups(ROOT)})
MOST_LINES = 15


def test_the_pages_are_those_that_had_pieces_at_first() -> None:
    """A plan that cannot be found, or lost a page, is no reason to look at fewer."""
    assert len(PAGES) >= 9 and len({page.partition("/")[0] for page in PAGES}) >= 6


@pytest.mark.parametrize("page", PAGES)
def test_each_group_has_a_cell_that_is_one_condition_of_few_lines(page: str) -> None:
    cells = cells_of(page)
    assert set(groups_of(page)) <= {name for names in cells.values() for name in names} <= set(chapter_of(page))
    for source in cells:
        (statement,) = ast.parse(source).body
        assert isinstance(statement, ast.If) and not statement.orelse
        assert len(source.splitlines()) <= MOST_LINES and source.count("run.ready(") == 1


@pytest.mark.parametrize("page", PAGES)
def test_a_cell_checks_what_the_plan_says_of_its_groups(page: str) -> None:
    for source, names in cells_of(page).items():
        run = MadeUp(page, names)
        judged, notes = executed(page, run)
        own = {name: groups_of(page)[name] for name in names if name in groups_of(page)}
        assert own and set(judged) == claims_of(own.values()) and run.asked == set(names)
        assert bool(notes) == ("note(" in source)
        seeds = {piece.arguments["seed"] for name in names for piece in chapter_of(page)[name].pieces
                 if "seed" in piece.arguments}  # fmt: skip
        assert all(one.verdict and one.seeds == tuple(sorted(seeds)) for one in judged.values())


@pytest.mark.parametrize("page", PAGES)
def test_groups_that_are_not_done_are_not_asked_for(page: str) -> None:
    """Without one group its claims are not judged, and no cell asks for what is not there."""
    everything, own = set(chapter_of(page)), groups_of(page)
    assert set(executed(page, MadeUp(page, everything))[0]) == claims_of(own.values())
    for name, group in own.items():
        judged, _ = executed(page, MadeUp(page, everything - {name}))
        assert not set(judged) & set(group.claims)


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_judged_of_what_is_not_done_or_at_another_profile(page: str) -> None:
    nothing, everything = MadeUp(page, ()), MadeUp(page, chapter_of(page))
    assert executed(page, nothing) == ({}, {}) and not nothing.asked
    for profile in ("smoke", "book"):
        assert executed(page, everything, profile) == ({}, {}) and not everything.asked


def test_the_longer_schedule_alone_waits_for_itself() -> None:
    judged, _ = executed("yopo/training", MadeUp("yopo/training", {"cifar", "mnist"}))
    assert "yopo.paper.full-time" not in judged and len(judged) == 14


def test_what_a_clock_gave_is_marked_in_the_ledger() -> None:
    """All claims of ``seconds`` are marked, and none of ``checks``: the pages' loops cannot tell them apart."""
    claims = {claim.id: claim for claim in load_ledger(ROOT, "yopo").claims}
    run = MadeUp("yopo/training", chapter_of("yopo/training"))
    cifar, long, mnist = (run.pieces(name) for name in ("cifar", "cifar-long", "mnist"))
    found = [of_cifar(cifar), of_long(cifar, long), of_mnist(mnist)]
    assert all(claims[claim].clock for one in found for claim in one.seconds)
    assert not any(claims[claim].clock for one in found for claim in one.checks)
    assert sum(len(one.seconds) for one in found) == 4
