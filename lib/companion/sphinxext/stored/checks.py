"""The checks among a page's outputs: a run stores numbers, and the verdict on them is drawn by today's ledger.

Each has an anchor, ``orders.html#check-schemes-order-heun``, that leads to the evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from companion.evidence.verdict_line import html_line, plain_line
from companion.report.export import check_anchor
from companion.sphinxext.store import Store

__all__ = ["drawn"]

Output = TypeVar("Output", bound=Mapping)


def drawn(output: Output, store: Store, folder: str = "", named: set[str] | None = None) -> Output:
    """Return the stored output of a check with the line that says its verdict; any other output as it is.

    Numbers that cannot be judged keep their stored line: the audit of the build tells why.

    Args:
        output: an output of a notebook.
        store: what pages read.
        folder: where the chapter's claims page is, as seen by the reader, with a slash at its end.
        named: claims whose line on this page has its anchor; the one drawn is added. Without it none gets one.
    """
    payload = output.get("metadata", {}).get("companion", {}).get("check", {})
    row = store.rows.get(payload.get("claim"))
    check = row.checks.get(payload.get("profile")) if row else None
    if row is None or check is None:
        return output
    anchor = None
    if named is not None and check.id not in named:
        named.add(check.id)
        anchor = check_anchor(check.id)
    address = f"{folder}claims.html#{row.claim.anchor}"
    kind: Any = type(output)
    return kind(
        {
            **output,
            "data": {
                "text/plain": plain_line(check.id, check.verdict, check.profile),
                "text/html": html_line(check.id, check.verdict, check.profile, address, anchor),
            },
        }
    )
