"""The state of all claims for a person at a terminal, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from companion.book.ledger import GROUPS
from companion.evidence.pins import other_versions, versions_line
from companion.freshness.state import CARRIED, CLOCK, FRESH, STALE, carried, carried_words
from companion.report.scorecard import NOT_RUN, Row
from companion.root import PROFILES

__all__ = ["age", "as_json", "value_text", "write_table"]

RUN_STYLES = {FRESH: FRESH, CARRIED: f"[cyan]{CARRIED}[/]", STALE: f"[bold red]{STALE}[/]", None: ""}
STYLES = {
    **dict.fromkeys(("reproduced", "holds"), "green"),
    **dict.fromkeys(("not reproduced", "fails"), "red"),
    **dict.fromkeys(("undecided", "open"), "yellow"),
    NOT_RUN: "bold red",
}


def age(started: str, now: datetime | None = None) -> str:
    """Return how long ago the ISO time ``started`` was, in one unit: ``12 min``, ``5 h``, ``3 d``."""
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(started)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def value_text(row: Row) -> str:
    """Return the headline's value with its interval and unit, for people; an empty string where nothing was
    run.
    """
    if row.check is None:
        return ""
    text = f"{row.check.value:.4g}"
    if row.check.interval:
        text += " [{:.4g}, {:.4g}]".format(*row.check.interval)
    return text + (f" {row.claim.unit}" if row.claim.unit else "")


def write_table(rows: Sequence[Row], console: Any = None, pins: Mapping[str, str] | None = None) -> None:
    """Write the claims as a table to ``console`` (a ``rich`` console; default: the terminal), carries, stale
    reasons and verdicts that are not the accepted ones below, and with ``pins`` how many of the runs were made
    with other versions.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = console or Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("claim", overflow="fold", no_wrap=False)
    for profile in PROFILES:
        table.add_column(profile)
    for head in ("value", "age", "run"):
        table.add_column(head)
    shown = sorted(rows, key=lambda row: list(GROUPS).index(row.group))
    for before, row in zip((None, *shown), shown, strict=False):
        if before is None or before.group != row.group:
            table.add_row(f"[bold]{GROUPS[row.group]}[/]")
        words = [row.verdicts.get(profile, "") for profile in PROFILES]
        cells = [f"[{STYLES[word]}]{word}[/]" if word in STYLES else word for word in words]
        table.add_row(
            escape(row.claim.id),
            *cells,
            escape(value_text(row)),
            age(row.record.started) if row.record else "",
            RUN_STYLES[row.state],
        )
    console.print(table)
    for line in dict.fromkeys(line for row in rows for line in _state_lines(row)):
        console.print(escape(line), highlight=False, soft_wrap=True)
    for line in [line for row in rows for line in row.differences]:
        console.print(f"differs  {escape(line)}", highlight=False, soft_wrap=True)
    if pins is not None:
        records = {(one.page_id, one.profile): one for row in rows for one in row.records.values()}
        console.print(escape(versions_line(records.values(), pins)), highlight=False, soft_wrap=True)


def _state_lines(row: Row) -> Iterator[str]:
    """Yield why what was found is stale, and from where to where a run was carried."""
    for profile, record in row.records.items():
        state = row.states[profile]
        if state.sidecar:
            yield f"carried  {record.page_id} ({profile}): {carried_words(record, state.sidecar)}"
        for reason in state.reasons:
            yield f"stale  {row.claim.id if reason == CLOCK else record.page_id} ({profile}): {reason}"


def as_json(rows: Sequence[Row], pins: Mapping[str, str] | None = None) -> str:
    """Return the claims as a JSON list: id, chapter, group, verdicts by profile, headline, value, interval,
    started, states and carries by profile, stale reasons, differences from the accepted verdicts, and by profile
    the packages whose recorded version is not that of ``pins``, with both.
    """
    return json.dumps(
        [
            {
                "id": row.claim.id,
                "chapter": row.chapter,
                "group": row.group,
                "verdicts": dict(row.verdicts),
                "headline": row.verdict,
                "profile": row.profile,
                "value": row.check.value if row.check else None,
                "interval": row.check.interval if row.check else None,
                "started": row.record.started if row.record else None,
                "state": {profile: state.word for profile, state in row.states.items()},
                "carried": {
                    profile: carried(state.sidecar) for profile, state in row.states.items() if state.sidecar
                },
                "stale": row.reasons,
                "differences": row.differences,
                "other_versions": {
                    profile: found
                    for profile, record in row.records.items()
                    if (found := other_versions(record, pins or {}))
                },
            }
            for row in rows
        ],
        indent=1,
        ensure_ascii=False,
    )
