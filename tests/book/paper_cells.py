"""Runs the cells of pages that judge stored pieces, with made-up results in the place of stored ones."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from tiny_pieces import TINY

from companion.book.ledger import load_ledger
from companion.book.pages import find_page
from companion.evidence.judging import Checked, assess
from companion.pieces.piece import Group, Piece
from companion.pieces.plan import load_plan

ROOT = Path(__file__).resolve().parents[2]
BEGIN = 'if profile == "paper" and run.ready('


@cache
def chapter_of(page: str) -> dict[str, Group]:
    """The groups of the page's chapter by their names."""
    return {group.name: group for group in load_plan(ROOT, page.partition("/")[0])}


def groups_of(page: str) -> dict[str, Group]:
    """The groups of a page's own that decide claims; those that are only needed by others decide none."""
    return {name: group for name, group in chapter_of(page).items() if group.page_id == page and group.claims}


def claims_of(groups: Iterable[Group]) -> set[str]:
    """The claims that ``groups`` decide."""
    return {claim for group in groups for claim in group.claims}


def cells_of(page: str) -> dict[str, tuple[str, ...]]:
    """The code cells of a page that judge pieces, and the groups that each asks for."""
    sources = [cell.source for cell in find_page(ROOT, page).cells() if cell.source.startswith(BEGIN)]
    names = (source.removeprefix(BEGIN).partition("):\n")[0] for source in sources)
    return {source: ast.literal_eval(f"({inside},)") for source, inside in zip(sources, names, strict=True)}


@cache
def smallest(function: str, arm: str) -> str | None:
    """As JSON, what the smallest piece of one arm returns, None where no piece of the function is small enough."""
    module, _, name = function.partition(":")
    called = getattr(import_module(module), name)
    if called not in TINY:
        return None
    return json.dumps(called(**TINY[called], arm=arm, seed=0), default=lambda value: value.tolist())


def scaled(value: Any, factor: float) -> Any:
    """The same with every float times ``factor``."""
    if isinstance(value, list):
        return [scaled(one, factor) for one in value]
    if isinstance(value, dict):
        return {name: scaled(one, factor) for name, one in value.items()}
    return value * factor if isinstance(value, float) else value


def shaped(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers in the shape of what a longer piece with the arguments ``asked`` returns."""
    seed = asked.get("seed", 0)
    if "arm" in asked:
        rows = ("clean", "pgd", "pgd_few", "audit_autoattack", "audit_apgd_t", "seconds")
        return {
            **{name: 40.0 + place + seed / 8 for place, name in enumerate(rows)},
            "energy": 0.1 + seed / 8, "fit": 0.2 + seed / 8, "lost": seed,
            "looks": [20.0, 41.0 + seed], "look_seconds": [20.0, 40.0 + seed], "where": "a device",
        }  # fmt: skip
    if "stages" in asked:
        return {"psnr": [[20.0 + t + seed, 30.0 + t] for t in range(asked["stages"])]}
    if set(asked) == {"dataset", "seed"}:
        return {"bits": 1.0 + seed / 8, "bits_long": 1.2 + seed / 4}
    if "norm" in asked:
        return {"error": 0.01 + seed / 8}
    if "permuted" in asked:
        return {"accuracy": 95.0 + seed / 8}
    if "task" in asked:
        levels = asked.get("levels", [])
        curves = [[[20.0, 22.0], [30.0 + seed, 28.0], [25.0, 31.0]] for _ in levels]
        return {"psnr": curves, "stops": [[1, 2] for _ in levels], "levels": levels}
    return {"psnr": [29.0, 30.0], "estimates": [15.0, 25.0]}


def made_up(piece: Piece) -> dict[str, Any]:
    """A result of ``piece``, another one for each seed."""
    asked = piece.arguments
    found = smallest(piece.function, asked["arm"]) if "arm" in asked else None
    return shaped(asked) if found is None else scaled(json.loads(found), 1 + 0.01 * asked["seed"])


class MadeUp:
    """The run of a page whose ``done`` groups have all their pieces; remembers what was ``asked`` for."""

    def __init__(self, page: str, done: Iterable[str]) -> None:
        self.groups, self.done, self.asked = chapter_of(page), set(done), set[str]()

    def ready(self, *names: str) -> bool:
        assert set(names) <= set(self.groups), "a group that the plan does not have"
        return set(names) <= self.done

    def pieces(self, name: str) -> list[dict[str, Any]]:
        assert name in self.done, f"{name} is used before it is ready"
        self.asked.add(name)
        pieces = self.groups[name].pieces
        return [{"arguments": dict(one.arguments), "result": made_up(one), "weights": None} for one in pieces]


def executed(page: str, run: MadeUp, profile: str = "paper") -> tuple[dict[str, Checked], dict[str, float]]:
    """What the cells of a page check, judged by the ledger, and what they note."""
    claims = {claim.id: claim for claim in load_ledger(ROOT, page.partition("/")[0]).claims}
    judged: dict[str, Checked] = {}
    notes: dict[str, float] = {}

    def check(id: str, value: object = None, **given: Any) -> None:
        assert id not in judged, f"{id} is checked twice"
        assert claims[id].page == page.partition("/")[2], f"{id} belongs to another page"
        judged[id] = assess(claims[id], profile, value, **given)

    def note(name: str, value: float) -> None:
        assert name not in notes and name.isidentifier()
        notes[name] = float(value)

    for source in cells_of(page):
        exec(compile(source, page, "exec"), {"profile": profile, "run": run, "check": check, "note": note})
    return judged, notes
