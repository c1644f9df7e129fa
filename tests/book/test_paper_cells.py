"""The cells that judge stored pieces: what they check is what the plan says, at profile paper alone."""

from __future__ import annotations

import ast
import json
from functools import cache
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_pieces import TINY

from companion.book.ledger import load_ledger
from companion.book.pages import find_page
from companion.evidence.judging import Checked, assess

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "schemes/lm_resnet",
    "meanfield/images",
    "pdenet/convection_diffusion",
    "pdenet/source",
    "pdenet2/burgers",
)
BEGIN = 'if profile == "paper" and run.ready("'
MOST_LINES = 15


def groups_of(page: str) -> dict[str, dict[str, Any]]:
    """The groups of the plan that belong to a page, by their names."""
    chapter, _, name = page.partition("/")
    plan = yaml.safe_load((ROOT / "book" / chapter / "pieces.yml").read_text(encoding="utf-8"))
    return {group["name"]: group for group in plan["pieces"] if group["page"] == name}


@cache
def made_up(function: str, arm: str) -> str:
    """As JSON, what the smallest piece of one arm returns."""
    module, _, name = function.partition(":")
    called = getattr(import_module(module), name)
    return json.dumps(called(**TINY[called], arm=arm, seed=0), default=lambda value: value.tolist())


def scaled(value: Any, factor: float) -> Any:
    """The same with every float times ``factor``."""
    if isinstance(value, list):
        return [scaled(one, factor) for one in value]
    if isinstance(value, dict):
        return {name: scaled(one, factor) for name, one in value.items()}
    return value * factor if isinstance(value, float) else value


class Run:
    """A run whose ``done`` groups have all their pieces."""

    def __init__(self, page: str, done: set[str]) -> None:
        self.groups, self.done = groups_of(page), done

    def ready(self, *names: str) -> bool:
        assert set(names) <= set(self.groups), "a group that the plan does not have"
        return set(names) <= self.done

    def pieces(self, name: str) -> list[dict[str, Any]]:
        assert name in self.done, f"{name} is used before it is ready"
        group, found = self.groups[name], []
        for values in product(*group["grid"].values()):
            own = dict(zip(group["grid"], values, strict=True))
            result = scaled(json.loads(made_up(group["function"], own["arm"])), 1 + 0.01 * own["seed"])
            found.append({"arguments": {**group["arguments"], **own}, "result": result, "weights": None})
        return found


def cells_of(page: str) -> dict[str, str]:
    """The code cells of a page that judge pieces, by the group that each asks for first."""
    cells = [cell.source for cell in find_page(ROOT, page).cells() if cell.source.startswith(BEGIN)]
    return {cell.removeprefix(BEGIN).partition('"')[0]: cell for cell in cells}


def executed(page: str, profile: str, done: set[str]) -> dict[str, Checked]:
    """What the cells of a page check, judged by the ledger."""
    claims = {claim.id: claim for claim in load_ledger(ROOT, page.partition("/")[0]).claims}
    found: dict[str, Checked] = {}

    def check(id: str, value: object = None, **given: Any) -> None:
        assert id not in found, f"{id} is checked twice"
        found[id] = assess(claims[id], profile, value, **given)

    for source in cells_of(page).values():
        exec(compile(source, page, "exec"), {"profile": profile, "run": Run(page, done), "check": check})
    return found


@pytest.mark.parametrize("page", PAGES)
def test_each_group_has_a_cell_that_is_one_condition_of_few_lines(page: str) -> None:
    assert list(cells_of(page)) == list(groups_of(page))
    for source in cells_of(page).values():
        (statement,) = ast.parse(source).body
        assert isinstance(statement, ast.If) and not statement.orelse
        assert len(source.splitlines()) <= MOST_LINES and source.count("run.ready(") == 1


@pytest.mark.parametrize("page", PAGES)
def test_cells_check_what_the_plan_says(page: str) -> None:
    for name, group in groups_of(page).items():
        found = executed(page, "paper", {name})
        assert set(found) == set(group["claims"])
        assert all(one.verdict and one.seeds == tuple(sorted(group["grid"]["seed"])) for one in found.values())


@pytest.mark.parametrize("page", PAGES)
def test_cells_judge_only_what_is_done_at_the_papers_profile(page: str) -> None:
    groups = groups_of(page)
    assert set(executed(page, "paper", set(groups))) == {id for one in groups.values() for id in one["claims"]}
    assert executed(page, "paper", set()) == executed(page, "book", set(groups)) == {}
