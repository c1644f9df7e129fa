"""All claims as open data: ``claims.json``, ``claims.csv`` and the schema that describes both."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from companion.book.ledger import FIGURES, GROUPS, RELATED_WORKS, Claim, Ledger, Paper, Reported, load_ledger
from companion.book.pages import Page, load_runs
from companion.book.toc import chapters
from companion.documents import schema
from companion.errors import CompanionError
from companion.evidence.verdict import Region
from companion.freshness.state import carried
from companion.machine import git_state
from companion.report.headlines import HeadlineRow, headline_rows
from companion.report.multiplicity import Chance, chances
from companion.report.scales import Share
from companion.report.scorecard import Row, claim_rows, counts
from companion.root import chapter_label, claims_path, docname_of, notebook_path, record_path, runs_path
from companion.text import write_text

__all__ = [
    "FILES",
    "SCHEMA",
    "as_csv",
    "as_json",
    "check_anchor",
    "command",
    "csv_rows",
    "document",
    "export",
    "write",
]

SCHEMA = 2
"""Version of the layout of ``claims.json``."""
FILES = ("claims.json", "claims.csv", "claims.schema.json")
"""What is written, in this order."""
SAME = (
    "id",
    "chapter",
    "statement",
    "where",
    "group",
    "origin",
    "construction",
    "kind",
    "trained",
    "clock",
    "page",
    "unit",
    "address",
    "p_value",
    "adjusted",
    "survives",
)
"""Fields of a claim that each of its rows repeats."""
REGION_ENDS = ("low", "high", "low_open", "high_open")


def export(root: Path, folder: Path) -> list[Path]:
    """Write the three files about the book at ``root`` into ``folder`` and return their paths."""
    with_ledger = [name for name in chapters(root) if claims_path(root, name).is_file()]
    ledgers = [load_ledger(root, name) for name in with_ledger]
    planned = [name for name in with_ledger if runs_path(root, name).is_file()]
    pages = {page.id: page for name in planned for page in load_runs(root, name).values()}
    return write(document(root, ledgers, claim_rows(root), pages), folder)


def write(data: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the document, the table and the schema into ``folder``; each file appears whole or not at all."""
    texts = (as_json(data), as_csv(data), json.dumps(schema("export"), indent=1, ensure_ascii=False) + "\n")
    paths = [folder / name for name in FILES]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in zip(paths, texts, strict=True):
            write_text(path, text)
    except OSError as error:
        said = error.strerror or error
        raise CompanionError(f"expected a folder to write into, found {folder}: {said}; name another") from None
    return paths


def document(
    root: Path, ledgers: Iterable[Ledger], rows: Iterable[Row], pages: Mapping[str, Page]
) -> dict[str, Any]:
    """Return everything as plain data, the same for the same checkout.

    Args:
        root: the repository.
        ledgers: the chapters, in the order of the book.
        rows: where their claims stand; rows of other chapters are left out.
        pages: ``chapter/page`` to the page, which knows the profiles that can be run.
    """
    ledgers, rows = list(ledgers), list(rows)
    by_chapter, decided = {ledger.chapter: ledger for ledger in ledgers}, chances(rows).decided
    started = [record.started for row in rows for record in row.records.values()]
    themes = any(ledger.is_theme for ledger in ledgers)
    commit, _ = git_state(root)
    return {
        "schema": SCHEMA,
        "generated": {"commit": None if commit == "unknown" else commit, "newest_run": max(started, default=None)},
        "scorecard": {group: counts(rows, group) for group in GROUPS if themes or group != RELATED_WORKS},
        "headlines": [
            _headline(by_chapter[found.chapter], found)
            for found in headline_rows(ledgers, {row.claim.id: row for row in rows})
        ],
        "chapters": [
            {
                "chapter": ledger.chapter,
                "paper": _paper(paper),
                "claims": [
                    _claim(ledger, row, pages, decided.get(row.claim.id))
                    for row in rows
                    if row.chapter == ledger.chapter and row.claim.work == work
                ],
            }
            for ledger in ledgers
            for work, paper in ledger.papers.items()
        ],
    }


def as_json(data: Mapping[str, Any]) -> str:
    """Return the document as JSON text that ends in a newline."""
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(data: Mapping[str, Any]) -> str:
    """Return the table: one row for each claim and profile, the columns of ``csv_row`` in their order."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, schema("export")["$defs"]["csv_row"]["properties"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(csv_rows(data))
    return text.getvalue()


def csv_rows(data: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the rows of the table."""
    for chapter in data["chapters"]:
        for claim in chapter["claims"]:
            for profile, outcome in claim["profiles"].items():
                row = {
                    **{key: claim[key] for key in SAME},
                    "profile": profile,
                    "paper_key": chapter["paper"]["key"],
                    "headline_verdict": claim["verdict"],
                    "headline_profile": claim["profile"],
                    **outcome,
                }
                for whose, figure in claim["figures"].items():
                    row |= _spread(whose, figure, ("value", "low", "high", "text", "why", "verified"))
                    found = figure["sources"] if figure else ()
                    row[f"{whose}_sources"] = "; ".join(source["text"] for source in found)
                scale = row.pop("scale")
                row |= _spread("scale", scale, ("share", "smallest", "note"))
                parts = scale["parts"].items() if scale else ()
                row["scale_parts"] = "; ".join(f"{part} {ours:g} of {theirs:g}" for part, (ours, theirs) in parts)
                row |= _spread("carried", row.pop("carried"), ("date", "from", "to"))
                for name in ("support", "refute"):
                    row |= _spread(name, row.pop(name), REGION_ENDS)
                low, high = row.pop("interval") or (None, None)
                row |= {"interval_low": low, "interval_high": high, "stale": "; ".join(outcome["stale"] or ())}
                yield {key: _text(value) for key, value in row.items()}


def command(page: Page, profile: str) -> str:
    """Return what a reader types to run a page again at a profile."""
    return f"make reproduce PROFILE={profile} CHAPTER={page.chapter} PAGE={page.name}"


def check_anchor(claim: str) -> str:
    """Return the fragment of a claim's check among the outputs of its page: ``check-schemes-order-heun``."""
    return "check-" + claim.replace(".", "-")


def _spread(prefix: str, item: Mapping[str, Any] | None, keys: Sequence[str]) -> dict[str, Any]:
    return {f"{prefix}_{key}": item[key] if item else None for key in keys}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _paper(paper: Paper) -> dict[str, Any]:
    return {
        "key": paper.key,
        "title": paper.title,
        "authors": list(paper.authors),
        "venue": paper.venue,
        "year": paper.year,
        "arxiv": paper.arxiv,
        "doi": paper.doi,
        "url": paper.url,
    }


def _headline(ledger: Ledger, row: HeadlineRow) -> dict[str, Any]:
    headline, share = row.headline, row.share
    return {
        "id": headline.id,
        "chapter": row.chapter,
        "text": headline.text,
        "paper": _reported(ledger, headline.paper),
        "scale": headline.scale,
        "verdict": row.verdict,
        "at_paper_scale": row.at_paper_scale,
        "share": share.value if share else None,
        "smallest": share.smallest if share else None,
        "claims": list(headline.claims),
        "beside": list(headline.beside),
        "why": headline.why or None,
    }


def _scale(share: Share | None) -> dict[str, Any] | None:
    if share is None:
        return None
    parts = {part: list(pair) for part, pair in share.parts.items()}
    return {"share": share.value, "smallest": share.smallest, "parts": parts, "note": share.note or None}


def _claim(ledger: Ledger, row: Row, pages: Mapping[str, Page], chance: Chance | None) -> dict[str, Any]:
    claim = row.claim
    page = pages.get(f"{row.chapter}/{claim.page}")
    return {
        "id": claim.id,
        "chapter": row.chapter,
        "statement": claim.statement,
        "where": claim.where,
        "group": claim.group,
        "origin": claim.origin,
        "construction": claim.construction or None,
        "kind": claim.kind,
        "trained": claim.trained,
        "clock": claim.clock,
        "page": claim.page,
        "unit": claim.unit,
        "address": f"{chapter_label(ledger.root, row.chapter)}/claims.html#{claim.anchor}",
        "figures": {whose: _reported(ledger, getattr(claim, whose)) for whose in FIGURES},
        "verdict": row.verdict,
        "profile": row.profile,
        "p_value": chance.p_value if chance else None,
        "adjusted": chance.adjusted if chance else None,
        "survives": chance.survives if chance else None,
        "profiles": {profile: _outcome(ledger, row, claim, profile, page) for profile in row.verdicts},
    }


def _reported(ledger: Ledger, figure: Reported | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    sources = [ledger.sources[key] for key in figure.source]
    return {
        "value": figure.value,
        "low": figure.range[0] if figure.range else None,
        "high": figure.range[1] if figure.range else None,
        "text": figure.text or None,
        "why": figure.why or None,
        "verified": figure.verified,
        "sources": [{"key": source.key, "text": source.text, "url": source.url} for source in sources],
    }


def _region(region: Region | None) -> dict[str, Any] | None:
    return None if region is None else dict(zip(REGION_ENDS, region.key(), strict=True))


def _outcome(ledger: Ledger, row: Row, claim: Claim, profile: str, page: Page | None) -> dict[str, Any]:
    entry, record = claim.expect.get(profile), row.records.get(profile)
    check = row.checks[profile].plain() if record else {}
    found = {
        "verdict": row.verdicts[profile],
        "accepted": entry.accepted if entry else None,
        "expected": entry.text if entry and entry.support else None,
        "support": _region(entry.support) if entry else None,
        "refute": _region(entry.refute) if entry else None,
        "reason": (entry.reason or None) if entry else None,
        "trainings": entry.trainings if entry else None,
        "trials": entry.trials if entry else None,
        "scale": _scale(row.shares.get(profile)),
        "open_because": row.checks[profile].open_because if record else None,
        **{key: check.get(key) for key in ("value", "interval", "seeds", "values", "baseline")},
        **dict.fromkeys(
            (
                "record",
                "notebook",
                "cell",
                "commit",
                "dirty",
                "settled",
                "started",
                "duration_s",
                "device",
                "state",
                "carried",
                "stale",
            )
        ),
        "why": entry.why if entry and not record else None,
        "cost": entry.cost if entry and not record else None,
        "command": command(page, profile) if page and profile in page.settings else None,
    }
    if record:
        results, state = Path("results"), row.states[profile]
        shown = f"{docname_of(ledger.root, record.page_id)}.html#{check_anchor(claim.id)}"
        found |= {
            "record": record_path(results, profile, record.chapter, record.page).as_posix(),
            "notebook": notebook_path(results, profile, record.chapter, record.page).as_posix(),
            "cell": shown if profile == "book" else None,
            "commit": record.commit,
            "dirty": record.dirty,
            "settled": record.settled["commit"] if record.settled else None,
            "started": record.started,
            "duration_s": record.duration_s,
            "device": record.device,
            "state": state.word,
            "carried": carried(state.sidecar) if state.sidecar else None,
            "stale": list(state.reasons),
        }
    return found
