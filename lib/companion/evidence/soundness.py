"""Is a stored run evidence? An executed notebook and its record, checked against each other and against the
ledger.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from companion.book.ledger import Claim, Ledger
from companion.book.sourcecode import ends_in_semicolon
from companion.errors import CheckError, RunError
from companion.evidence.judging import Checked
from companion.evidence.record import Record, extract, numbers_problem, seeds_of
from companion.evidence.rejudging import judged, judged_again
from companion.evidence.verdict_line import MEASURED, plain_line
from companion.root import RELATED

__all__ = ["difference", "differences", "flaws", "measured", "notebook_problems", "problems", "semicolons"]


_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}")


def problems(notebook: Path, record: Record, ledger: Ledger | None = None) -> list[str]:
    """Return why the executed notebook at ``notebook`` and its ``record`` do not carry the book; else nothing.

    These are its flaws as evidence and, with a ``ledger``, the verdicts that are not the accepted ones.
    """
    return flaws(notebook, record, ledger) + (differences(ledger, record) if ledger else [])


def differences(ledger: Ledger, record: Record) -> list[str]:
    """Return one line for each verdict on stored numbers that is not the one accepted at the record's profile.

    Numbers that cannot be judged are left out: :func:`flaws` and ``companion.evidence.rejudging`` tell of them.
    """
    found = [difference(ledger.claim(id), record.profile, check) for id, check in judged(ledger, record).items()]
    return [line for line in found if line]


def difference(claim: Claim, profile: str, check: Checked) -> str | None:
    """Return how the verdict on a claim differs from the accepted one, or None where it does not."""
    expect = claim.expect.get(profile)
    if expect is None or expect.accepted == check.verdict:
        return None
    if expect.accepted is None:
        return (
            f"{claim.id} ({profile}): expected an accepted verdict in the ledger, found none beside "
            f"{measured(check, expect.text)}"
        )
    return f"{claim.id} ({profile}): accepted {expect.accepted}, found {measured(check, expect.text)}"


def measured(check: Checked, support: str) -> str:
    """Return the verdict of a check with its numbers, for people."""
    interval = ", interval [{:.6g}, {:.6g}]".format(*check.interval) if check.interval else ""
    return f"{check.verdict} (value {check.value:.6g}{interval}, support {support})"


def flaws(notebook: Path, record: Record, ledger: Ledger | None = None, *, coverage: bool = True) -> list[str]:
    """Return why the executed notebook at ``notebook`` and its ``record`` are no evidence; empty when they
    are.

    With a ``ledger`` the numbers of every check must also be such that it can judge them, and with ``coverage``
    every claim that the page must check at the profile must be there, and no other.
    """
    if not notebook.is_file():
        return [f"expected the notebook {notebook.name}, found nothing"]
    found = [] if record.matches(notebook) else ["the notebook's bytes are not those its record was written for"]
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))
    except ValueError as error:
        return [*found, f"expected a notebook, found this: {error}"]
    if not isinstance(cells, dict) or not isinstance(cells.get("cells"), list):
        return [*found, "expected a notebook, found JSON without cells"]
    found += _place_problems(cells, record)
    found += notebook_problems(cells, record.page, record.profile, ledger, coverage=coverage)
    try:
        checks, values = extract(cells)
    except RunError:
        return found  # already among the notebook's problems
    for name, stored, shown in (("checks", record.checks, checks), ("values", record.values, values)):
        for key in sorted({*stored, *shown}):
            if stored.get(key) != shown.get(key):
                found.append(f"{name}: the record and the notebook differ in {key}")
    seeds = seeds_of(record.parameters, record.checks)
    if record.seeds != seeds:
        found.append(
            f"seeds: expected {seeds}, as parameters and checks have them, found {record.seeds} in the record"
        )
    return found


def _place_problems(notebook: Mapping[str, Any], record: Record) -> list[str]:
    """Return how the page and the profile that an executed notebook names differ from the record's."""
    named = notebook.get("metadata", {}).get("companion", {})
    wanted = {"source": f"book/{record.page_id}.md", "profile": record.profile}
    if named in (wanted, {**wanted, "source": f"book/{RELATED}/{record.page_id}.md"}):
        return []
    said = f"one of {named.get('source')} at {named.get('profile')}" if named else "one that names neither"
    return [f"expected a notebook of {wanted['source']} at {wanted['profile']}, found {said}"]


def semicolons(sources: list[str]) -> list[str]:
    """Return which code cells end in a semicolon: nbval would show the value that IPython then hides."""
    return [
        f"code cell {number} ends in a semicolon, which nbval does not honour; "
        "end the cell with plt.show() or an assignment"
        for number, source in enumerate(sources, 1)
        if ends_in_semicolon(source)
    ]


def notebook_problems(
    notebook: Mapping[str, Any],
    page: str,
    profile: str,
    ledger: Ledger | None = None,
    *,
    coverage: bool = True,
) -> list[str]:
    """Return what keeps an executed notebook from being evidence: unrun cells, errors, stderr, checks that do
    not hold, and with ``coverage`` claims of the ledger left unchecked or checked out of place.
    """
    found = []
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
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
            elif output["output_type"] == "execute_result":
                shown = "".join(output["data"].get("text/plain", ""))
                if _ADDRESS.search(shown):
                    found.append(f"code cell {number} shows a memory address: {shown.splitlines()[0]}")
            if "check" in output.get("metadata", {}).get("companion", {}):
                found += _check_problems(output, profile, ledger)
    found += semicolons(["".join(cell["source"]) for cell in code])
    if code and not any(cell.get("outputs") for cell in code):
        found.append("no code cell has an output")
    try:
        checks, _ = extract(notebook)
    except RunError as error:
        return [*found, str(error)]
    if ledger is not None and coverage:
        expected = {claim.id for claim in ledger.expected(page, profile)}
        allowed = {claim.id for claim in ledger.judged(page, profile)}
        found += [f"claim {id} is expected at {profile} but not checked" for id in sorted(expected - set(checks))]
        found += [
            f"claim {id} is checked but not expected of page {page} at {profile}"
            for id in sorted(set(checks) - allowed)
        ]
    return found


def _check_problems(output: Mapping[str, Any], profile: str, ledger: Ledger | None) -> list[str]:
    """Return what is wrong with a stored check: the numbers' shape, the profile, more than the line of text, or
    numbers that the ledger cannot judge.
    """
    item, found = dict(output["metadata"]["companion"]["check"]), []
    id, at = item.pop("claim", None), item.pop("profile", None)
    if problem := numbers_problem(item):
        return [f"claim {id}: {problem} in its payload"]
    if at != profile:
        found.append(f"claim {id}: expected a check at profile {profile}, found one at {at!r}")
    data, line = output.get("data", {}), plain_line(id, MEASURED, profile)
    shown = "".join(data.get("text/plain", ""))
    if shown != line:
        found.append(f"claim {id}: expected the line {line!r}, found {shown!r}")
    if more := sorted(set(data) - {"text/plain"}):
        found.append(f"claim {id}: expected its line as text only, found {', '.join(more)} too")
    claim = next((claim for claim in ledger.claims if claim.id == id), None) if ledger else None
    if claim is not None:
        try:
            judged_again(claim, profile, item)
        except CheckError as error:
            found.append(str(error))
    return found
