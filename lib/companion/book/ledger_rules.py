"""The rules of a ledger that a JSON Schema cannot say, each breach as one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from companion.book.ledger_figures import (
    FIGURE_KEYS,
    REGIONS,
    figure_problems,
    headline_problems,
    verdict_problems,
)
from companion.book.theme_rules import theme_problems
from companion.documents import Document, Where, elsewhere, read_document, schema_problems
from companion.errors import nearest
from companion.evidence.verdict import Region
from companion.root import PROFILES, chapter_label, runs_path

__all__ = ["semantic_problems"]


def semantic_problems(document: Document, root: Path, chapter: str) -> list[str]:
    """Return the breaches in a ledger that already satisfies its schema."""
    data = document.data
    found = elsewhere(document, chapter)
    for group in ("tables", "headlines", "claims", "departures"):
        found += _duplicates(document, group)
    for where, value in _source_uses(data):
        for key in [value] if isinstance(value, str) else value:
            if key not in data["sources"]:
                found.append(
                    document.problem(
                        where,
                        f"a key of sources ({', '.join(data['sources']) or 'none'})",
                        f"{key!r}{nearest(key, data['sources'])}",
                    )
                )
    for i, table in enumerate(data.get("tables") or ()):
        for j, row in enumerate(table["rows"]):
            if len(row) != len(table["columns"]):
                found.append(
                    document.problem(
                        ("tables", i, "rows", j),
                        f"{len(table['columns'])} cells, one a column",
                        f"{len(row)}",
                    )
                )
    pages = _pages(root, chapter)
    plan = f"{chapter_label(root, chapter)}/runs.yml"
    for i, claim in enumerate(data["claims"]):
        found += _claim_problems(document, ("claims", i), claim, plan, pages)
        found += figure_problems(document, ("claims", i), claim)
        found += verdict_problems(document, ("claims", i), claim)
    return [*found, *headline_problems(document, chapter), *theme_problems(document, root, chapter)]


def _duplicates(document: Document, group: str) -> list[str]:
    seen: set[str] = set()
    found = []
    for i, item in enumerate(document.data.get(group) or ()):
        if item["id"] in seen:
            found.append(
                document.problem(
                    (group, i, "id"), f"an id that no other of the {group} has", f"{item['id']!r} again"
                )
            )
        seen.add(item["id"])
    return found


def _source_uses(data: dict[str, Any]) -> Iterator[tuple[Where, str | list[str]]]:
    """Yield every place that names a source, and what it names."""
    for i, table in enumerate(data.get("tables") or ()):
        yield ("tables", i, "source"), table["source"]
        for j, row in enumerate(table["rows"]):
            for k, cell in enumerate(row):
                if isinstance(cell, dict) and "source" in cell:
                    yield ("tables", i, "rows", j, k, "source"), cell["source"]
    for i, claim in enumerate(data["claims"]):
        for key in FIGURE_KEYS:
            if claim.get(key):
                yield ("claims", i, key, "source"), claim[key]["source"]
    for i, headline in enumerate(data.get("headlines") or ()):
        if "paper" in headline:
            yield ("headlines", i, "paper", "source"), headline["paper"]["source"]


def _pages(root: Path, chapter: str) -> dict[str, dict[str, Any]]:
    """Return page -> profile -> setting of the chapter's ``runs.yml`` (empty where there is none or it is
    broken).
    """
    path = runs_path(root, chapter)
    if not path.is_file():
        return {}
    document = read_document(path, path.relative_to(root).as_posix())
    return (
        {}
        if schema_problems(document, "runs")
        else {name: page["profiles"] for name, page in document.data["pages"].items()}
    )


def _claim_problems(
    document: Document, where: Where, claim: dict[str, Any], plan: str, pages: dict[str, dict[str, Any]]
) -> list[str]:
    chapter, found = document.data["chapter"], []
    if claim["id"].split(".")[0] != chapter:
        found.append(document.problem((*where, "id"), f"an id that begins with {chapter}.", repr(claim["id"])))
    checked = [
        profile for profile in PROFILES if profile in claim["expect"] and "verdict" not in claim["expect"][profile]
    ]
    for profile in claim["expect"]:
        found += _expectation_problems(
            document, (*where, "expect", profile), claim["expect"][profile], claim["kind"]
        )
    page = claim["page"]
    if page is None:
        if checked:
            found.append(
                document.problem(
                    (*where, "page"), f"a page, since {' and '.join(checked)} must be checked", "null"
                )
            )
    elif page not in pages:
        found.append(
            document.problem(
                (*where, "page"),
                f"a page of {plan} ({', '.join(pages) or 'none'})",
                f"{page!r}{nearest(page, pages)}",
            )
        )
    else:
        for profile in checked:
            if profile not in pages[page] or "not_attempted" in pages[page][profile]:
                state = (
                    "that runs.yml does not attempt" if profile in pages[page] else "that runs.yml does not have"
                )
                found.append(
                    document.problem(
                        (*where, "expect", profile),
                        f"a profile at which page {page} is run",
                        f"{profile}, {state}",
                    )
                )
    return found


def _expectation_problems(document: Document, where: Where, item: dict[str, Any], kind: str) -> list[str]:
    def problem(key: str, expected: str, found: str) -> str:
        return document.problem((*where, key) if key else where, expected, found)

    found = []
    regions = [key for key in REGIONS if key in item]
    if "verdict" in item:
        if "why" not in item:
            found.append(problem("why", "text that says why there is no run", "nothing"))
        if item["verdict"] == "not attempted" and "cost" not in item:
            found.append(problem("cost", "text that says what a run would cost", "nothing"))
        if not regions:
            extra = [key for key in ("tolerance", "refute", "accepted") if key in item]
            return found + [problem(key, "no such key without a region", "it") for key in extra]
    if len(regions) != 1:
        kinds = ", ".join(REGIONS) + ("" if "verdict" in item else " (or verdict)")
        return [*found, problem("", f"exactly one of {kinds}", " and ".join(regions) or "none")]
    if "accepted" not in item and "verdict" not in item and where[-1] != "paper":
        found.append(
            problem("accepted", "one of reproduced, not reproduced, undecided (or holds, fails, open)", "nothing")
        )
    if "tolerance" in item and "equals" not in item:
        found.append(problem("tolerance", "it only beside equals", f"it beside {regions[0]}"))
    if "between" in item and not item["between"][0] < item["between"][1]:
        found.append(problem("between", "a lower end below the upper end", str(item["between"])))
    if "tolerance" in item and "reason" not in item:
        found.append(problem("reason", "text that gives the reason for the tolerance", "nothing"))
    if kind == "training":
        if "reason" not in item:
            found.append(
                problem("reason", "text, since training claims need a reason for their region", "nothing")
            )
        if "equals" in item and not item.get("tolerance"):
            found.append(
                problem(
                    "tolerance",
                    "a number > 0, since an interval is judged",
                    str(item.get("tolerance", "nothing")),
                )
            )
    elif "refute" in item and kind != "proportion":
        found.append(problem("refute", "it only for claims judged on an interval", f"kind {kind}"))
    if kind in ("training", "proportion") and "refute" in item:
        keys = list(item["refute"])
        if len(keys) != 1:
            found.append(problem("refute", "exactly one of below, above, between", " and ".join(keys) or "none"))
        elif Region.from_keys(item).covers(Region.from_keys(item["refute"])):
            found.append(problem("refute", "a region that reaches outside the support region", "one inside it"))
    return found
