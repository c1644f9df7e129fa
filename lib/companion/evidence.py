"""Is a stored run evidence? An executed notebook and its record, checked against each other and against the
ledger.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from companion.errors import CheckError, RunError
from companion.judging import assess, plain_line
from companion.ledger import Ledger
from companion.record import Record, extract

__all__ = ["notebook_problems", "problems"]


def problems(notebook: Path, record: Record, ledger: Ledger | None = None) -> list[str]:
    """Return why the executed notebook at ``notebook`` and its ``record`` are no evidence; empty when they
    are.

    With a ``ledger`` every verdict is also judged again from the stored numbers, and every claim that the
    page must check at the profile must be there.
    """
    if not notebook.is_file():
        return [f"expected the notebook {notebook.name}, found nothing"]
    found = (
        [] if record.matches(notebook) else ["the notebook's bytes are not those its record was written for"]
    )
    cells = json.loads(notebook.read_text(encoding="utf-8"))
    found += notebook_problems(cells, record.page, record.profile, ledger)
    try:
        checks, values = extract(cells)
    except RunError:
        return found  # already among the notebook's problems
    for name, stored, shown in (("checks", record.checks, checks), ("values", record.values, values)):
        for key in sorted({*stored, *shown}):
            if stored.get(key) != shown.get(key):
                found.append(f"{name}: the record and the notebook differ in {key}")
    return found


def notebook_problems(
    notebook: Mapping[str, Any], page: str, profile: str, ledger: Ledger | None = None
) -> list[str]:
    """Return what keeps an executed notebook from being evidence: unrun cells, errors, stderr, checks that do
    not hold.
    """
    found = []
    code = [
        cell for cell in notebook["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()
    ]
    for number, cell in enumerate(code, 1):
        if cell.get("execution_count") is None:
            found.append(f"code cell {number} has not been executed")
        for output in cell.get("outputs", ()):
            if output["output_type"] == "error":
                found.append(f"code cell {number} stopped with {output.get('ename')}: {output.get('evalue')}")
            elif output["output_type"] == "stream" and output.get("name") == "stderr":
                found.append(
                    f"code cell {number} wrote to stderr: {''.join(output['text']).strip().splitlines()[:1]}"
                )
            if "check" in output.get("metadata", {}).get("companion", {}):
                found += _check_problems(output, profile, ledger)
    if code and not any(cell.get("outputs") for cell in code):
        found.append("no code cell has an output")
    try:
        checks, _ = extract(notebook)
    except RunError as error:
        return [*found, str(error)]
    if ledger is not None:
        expected = {claim.id for claim in ledger.expected(page, profile)}
        allowed = {claim.id for claim in ledger.judged(page, profile)}
        found += [
            f"claim {id} is expected at {profile} but not checked" for id in sorted(expected - set(checks))
        ]
        found += [
            f"claim {id} is checked but not expected of page {page} at {profile}"
            for id in sorted(set(checks) - allowed)
        ]
    return found


def _check_problems(output: Mapping[str, Any], profile: str, ledger: Ledger | None) -> list[str]:
    """Return where a displayed check differs from its own numbers, or from the ledger's rule applied to them.
    """
    item = output["metadata"]["companion"]["check"]
    id, found = item["claim"], []
    line = plain_line(id, item["verdict"], profile)
    shown = "".join(output.get("data", {}).get("text/plain", ""))
    if shown != line:
        found.append(f"claim {id}: expected the line {line!r}, found {shown!r}")
    if f">{id}</a>: {item['verdict']} ({profile})</p>" not in "".join(
        output.get("data", {}).get("text/html", "")
    ):
        found.append(f"claim {id}: the HTML line does not say {item['verdict']!r}")
    claim = next((claim for claim in ledger.claims if claim.id == id), None) if ledger else None
    if claim is not None:
        single = item["value"] if item["values"] is None else None
        try:
            again = assess(
                claim, profile, single, values=item["values"], baseline=item["baseline"], seeds=item["seeds"]
            )
        except CheckError as error:
            return [*found, str(error)]
        if again.verdict != item["verdict"]:
            found.append(f"claim {id}: its numbers give {again.verdict!r}, found {item['verdict']!r} stored")
    return found
