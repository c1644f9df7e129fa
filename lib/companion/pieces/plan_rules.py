"""The rules of ``pieces.yml`` that a JSON Schema cannot say, each breach as one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from companion.documents import Document, elsewhere, read_document
from companion.errors import DocumentError, nearest
from companion.text import read_text

if TYPE_CHECKING:
    from companion.book.ledger import Ledger
    from companion.book.pages import Page

__all__ = ["PASSED", "combinations", "plan_problems", "structure_problems"]

PASSED = ("device", "checkpoint", "given")
"""Parameters that a function is passed if it has them: no part of a piece's key."""


def combinations(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the combinations of a group's grid, the last key the fastest; an empty one where it has no grid."""
    grid = item.get("grid", {})
    for values in product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def structure_problems(document: Document, chapter: str) -> list[str]:
    """Return what is wrong with a plan that satisfies its schema, by itself."""
    found = elsewhere(document, chapter)
    items = {item["name"]: item for item in document.data["pieces"]}
    seen: set[str] = set()
    for place, item in enumerate(document.data["pieces"]):
        name = item["name"]
        where = ("pieces", place)
        if name in seen:
            found.append(document.problem((*where, "name"), "a name that no other group has", f"{name!r} again"))
        seen.add(name)
        grid = item.get("grid", {})
        for key in grid:
            if key in item.get("arguments", {}):
                said = "it among the arguments too"
                found.append(document.problem((*where, "grid", key), "it only in the grid", said))
            if len({json.dumps(value, sort_keys=True) for value in grid[key]}) < len(grid[key]):
                found.append(document.problem((*where, "grid", key), "every value once", "one of them again"))
        for key in (*grid, *item.get("arguments", {})):
            if key in PASSED:
                said = "it among a piece's arguments"
                found.append(document.problem(where, f"no argument {key}, which the runner passes", said))
        if item.get("arms", next(iter(grid), None)) not in (None, *grid):
            options = ", ".join(grid) or "none"
            said = f"{item['arms']!r}{nearest(item['arms'], grid)}"
            found.append(document.problem((*where, "arms"), f"a key of the grid ({options})", said))
        found += _needs_problems(document, place, item, items)
    return found


def _needs_problems(
    document: Document, place: int, item: Mapping[str, Any], items: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    fixed = {key: [value] for key, value in item.get("arguments", {}).items()}
    grid = {**fixed, **item.get("grid", {})}
    for name, other in item.get("needs", {}).items():
        where = ("pieces", place, "needs", name)
        if other not in items:
            options = ", ".join(items)
            yield document.problem(where, f"a group of the plan ({options})", f"{other!r}{nearest(other, items)}")
            continue
        if item["name"] in _needed(other, items):
            yield document.problem(where, "a group that does not need this one", repr(other))
        for key, values in items[other].get("grid", {}).items():
            missing = [value for value in grid.get(key, []) if value not in values]
            if key not in grid:
                yield document.problem(where, f"a value of {key}, which the grid of {other} has", "none")
            elif missing:
                yield document.problem(where, f"each value of {key} in the grid of {other}", f"no {missing[0]!r}")


def _needed(name: str, items: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Return the names of a group and of all that it needs."""
    found, pending = set(), [name]
    while pending:
        one = pending.pop()
        if one not in found and one in items:
            found.add(one)
            pending += items[one].get("needs", {}).values()
    return found


def plan_problems(root: Path, ledger: Ledger, pages: Mapping[str, Page]) -> list[str]:
    """Return what is wrong with a chapter's plan beside its library, ledger, pages and data.

    ``pages`` are those of the chapter by their names.
    """
    from companion.pieces.plan import load_plan, pieces_path

    path = pieces_path(root, ledger.chapter)
    try:
        if not load_plan(root, ledger.chapter):
            return []
    except DocumentError as error:
        return list(error.problems)
    document = read_document(path, path.relative_to(root).as_posix())
    return [
        line
        for place, item in enumerate(document.data["pieces"])
        for line in (
            *_page_problems(document, place, item, ledger, pages),
            *_function_problems(root, document, place, item),
            *_data_problems(root, document, place, item),
        )
    ]


def _page_problems(
    document: Document, place: int, item: Mapping[str, Any], ledger: Ledger, pages: Mapping[str, Page]
) -> Iterator[str]:
    where, name = ("pieces", place), item["page"]
    if name not in pages:
        said = f"{name!r}{nearest(name, pages)}"
        yield document.problem((*where, "page"), f"a page of runs.yml ({', '.join(pages) or 'none'})", said)
    elif "paper" not in pages[name].settings:
        yield document.problem((*where, "page"), "a page that runs.yml has at profile paper", repr(name))
    claims = {claim.id: claim for claim in ledger.claims}
    for number, id in enumerate(item.get("claims", ())):
        place_of = (*where, "claims", number)
        if id not in claims:
            yield document.problem(place_of, "a claim of claims.yml", f"{id!r}{nearest(id, claims)}")
        elif claims[id].page != name:
            yield document.problem(place_of, f"a claim of page {name}", f"{id}, one of page {claims[id].page}")
        elif "paper" not in claims[id].expect:
            yield document.problem(place_of, "a claim that is judged at profile paper", id)
    headlines = [headline.id for headline in ledger.headlines]
    if item.get("headline", None) not in (None, *headlines):
        said = f"{item['headline']!r}{nearest(item['headline'], headlines)}"
        yield document.problem((*where, "headline"), "a headline of claims.yml", said)


def _function_problems(root: Path, document: Document, place: int, item: Mapping[str, Any]) -> Iterator[str]:
    from companion.freshness.code.symbols import library_at
    from companion.pieces.code import parameters

    where = ("pieces", place, "function")
    try:
        known = parameters(library_at(root), item["function"])
    except DocumentError as error:
        yield f"{document.label}:{document._line(where)}, {error.problems[0]}"
        return
    given = {*item.get("arguments", {}), *item.get("grid", {})}
    for name in sorted(given - set(known)):
        options = [one for one in known if one not in PASSED]
        said = f"an unknown {name}{nearest(name, options)}"
        yield document.problem(where, f"arguments that it takes ({', '.join(options) or 'none'})", said)
    for name, has_default in known.items():
        if name not in given and not has_default and name not in PASSED:
            yield document.problem(where, f"a value for its argument {name}", "none")
    if item.get("needs") and "given" not in known:
        yield document.problem(where, "a function with an argument given, since it needs pieces", "none")


def _data_problems(root: Path, document: Document, place: int, item: Mapping[str, Any]) -> Iterator[str]:
    from companion.root import registry_path

    path = registry_path(root)
    known = json.loads(read_text(path)) if path.is_file() else {}
    for number, name in enumerate(item.get("data", ())):
        if name not in known:
            where = ("pieces", place, "data", number)
            said = f"{name!r}{nearest(name, known)}"
            yield document.problem(where, f"a data set of {path.relative_to(root).as_posix()}", said)
