"""Plans: pieces from grids, what they need, and what is refused with its place."""

import re

import pytest
from toy_book import edit
from toy_pieces import pieces

from companion.cli import main
from companion.errors import CompanionError, DocumentError
from companion.pieces.plan import all_groups, find_groups, find_piece, load_plan, pieces_of

PLAN = "book/toy/pieces.yml"


def test_a_grid_gives_one_piece_for_each_combination_the_last_key_fastest(root):
    losses = pieces(root, "losses")
    assert [piece.id for piece in losses[:3]] == [
        "toy/losses[seed=0,arm=better]",
        "toy/losses[seed=0,arm=worse]",
        "toy/losses[seed=1,arm=better]",
    ]
    assert len(losses) == 6
    assert losses[3].arguments == {"steps": 4, "seed": 1, "arm": "worse"}
    assert [group.id for group in all_groups(root)] == ["toy/losses", "toy/sums", "toy/means", "toy/big"]


def test_needed_pieces_come_first_and_fit_by_the_common_keys(root):
    assert [piece.id for piece in pieces_of(root, "toy/heun")] == [
        "toy/sums[seed=0,steps=5]",
        "toy/means[seed=0,steps=5]",
        "toy/sums[seed=1,steps=5]",
        "toy/means[seed=1,steps=5]",
    ]
    assert [piece.needs["total"].arguments["seed"] for piece in pieces(root, "means")] == [0, 1]
    grid = "grid: {seed: [0, 1], steps: [5]}\n    needs"
    edit(root, PLAN, grid, "arguments: {steps: 5}\n    grid: {seed: [1]}\n    needs")
    assert pieces(root, "means")[0].needs["total"].id == "toy/sums[seed=1,steps=5]"


def test_groups_and_pieces_are_found_by_name(root):
    assert [group.name for group in find_groups(root, ["sums", "toy/means"])] == ["sums", "means"]
    with pytest.raises(CompanionError, match=r"found 'sum'; did you mean 'toy/sums'\?"):
        find_groups(root, ["sum"])
    assert find_piece(root, "toy/big[seed=0,arm=better]").device == "cuda"
    with pytest.raises(CompanionError, match="expected one of the book's 11, found 'toy/big'"):
        find_piece(root, "toy/big")


def test_a_chapter_without_a_plan_has_no_pieces(root):
    (root / PLAN).unlink()
    assert load_plan(root, "toy") == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    minutes: 3", "    minutse: 3", "pieces.yml:32, group big, key minutse: expected one of the keys"),
        ("minutes: 3", "minutes: 0", "key minutes: expected a number > 0, found 0"),
        ("name: big", "name: sums", "expected a name that no other group has, found 'sums' again"),
        ("name: big", "name: Big", "key name: expected text like lm-short, found 'Big'"),
        ("arguments: {steps: 4}", "arguments: {arm: better}", "key grid.arm: expected it only in the grid"),
        ("seed: [0, 1, 2]", "seed: [0, 1, 1]", "key grid.seed: expected every value once, found one of"),
        ("arguments: {steps: 4}", "arguments: {device: cpu}", "expected no argument device, which the runner"),
        ("arms: arm", "arms: army", r"key arms: expected a key of the grid \(seed, arm\), found 'army'; did"),
        ("total: sums", "total: sum", r"expected a group of the plan .*found 'sum'; did you mean 'sums'\?"),
        ("total: sums", "total: means", "expected a group that does not need this one, found 'means'"),
        ("total: sums", "total: losses", "expected a value of arm, which the grid of losses has, found none"),
        (
            "grid: {seed: [0, 1], steps: [5]}\n    needs",
            "grid: {seed: [0, 7], steps: [5]}\n    needs",
            "expected each value of seed in the grid of sums, found no 7",
        ),
        ("chapter: toy", "chapter: joy", "expected the folder's name 'toy', found 'joy'"),
    ],
)
def test_what_breaks_the_form_is_refused(root, old, new, said):
    edit(root, PLAN, old, new)
    with pytest.raises(DocumentError) as caught:
        load_plan(root, "toy")
    assert any(re.search(said, problem) for problem in caught.value.problems), caught.value.problems


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("pieces:mean", "pieces:meen", "function of contdepth.studies.toy.pieces, found none; did you mean"),
        ("pieces:mean", "peaces:mean", "expected a module of the library, found none of that name"),
        ("pieces:mean", "pieces:unused", "expected one def statement, found something else"),
        ("arguments: {steps: 4}", "arguments: {stops: 4}", "found an unknown stops; did you mean 'steps'?"),
        ("grid: {seed: [0], arm: [better]}", "grid: {seed: [0]}", "expected a value for its argument arm"),
        ("pieces:mean", "pieces:slow", "a function with an argument given, since it needs pieces, found none"),
        ("page: heun", "page: hein", "a page of runs.yml (euler, heun), found 'hein'; did you mean 'heun'?"),
        ("data: [numbers]", "data: [number]", "found 'number'; did you mean 'numbers'?"),
        ("claims: [toy.euler.gap]", "claims: [toy.euler.gab]", "found 'toy.euler.gab'; did you mean"),
        ("claims: [toy.euler.gap]", "claims: [toy.heun.order]", "a claim of page euler, found toy.heun.order"),
        ("claims: [toy.euler.gap]", "claims: [toy.euler.loss]", "a claim that is judged at profile paper"),
        ("toy.headline.better", "toy.headline.bitter", "found 'toy.headline.bitter'; did you mean"),
    ],
)  # fmt: skip
def test_check_ledger_looks_at_plans_beside_the_library_and_the_ledger(root, capsys, old, new, said):
    edit(root, "book/toy/pieces.yml", old, new)
    assert main(["check-ledger", "--root", str(root)]) == 2
    told = capsys.readouterr().err
    assert said in told and "book/toy/pieces.yml:" in told


def test_check_ledger_takes_the_plan_as_it_is(root, capsys):
    assert main(["check-ledger", "--root", str(root)]) == 0, capsys.readouterr().err


def test_check_ledger_refuses_other_cells_that_ask_for_pieces(root, capsys):
    edit(root, "book/toy/euler.md", 'if profile == "paper" and run.ready("losses"):', 'if run.ready("losses"):')
    assert main(["check-ledger", "--root", str(root)]) == 2
    assert "code cell 5: expected nothing but if profile" in capsys.readouterr().err
