"""Verdicts derived from stored numbers by today's ledger: a run stores what it measured, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from companion.book.ledger import Claim, Ledger
from companion.errors import CheckError
from companion.evidence.judging import Checked, assess
from companion.evidence.record import Record

__all__ = ["judged", "judged_again", "refusals"]


def judged_again(claim: Claim, profile: str, numbers: Mapping[str, Any]) -> Checked:
    """Return the claim judged by what a record stores for it; raise :class:`CheckError` where today's ledger asks
    for other numbers: it gives the claim another kind, or no region at the profile.
    """
    return assess(claim, profile, **numbers)


def judged(ledger: Ledger, record: Record) -> dict[str, Checked]:
    """Return the claims of a record, by id, judged by today's ledger; :func:`refusals` tells of those left out."""
    return {id: found for id, found in _each(ledger, record) if isinstance(found, Checked)}


def refusals(ledger: Ledger, record: Record) -> dict[str, str]:
    """Return, by claim, why stored numbers of a record cannot be judged any more, one sentence each."""
    return {id: found for id, found in _each(ledger, record) if isinstance(found, str)}


def _each(ledger: Ledger, record: Record) -> Iterator[tuple[str, Checked | str]]:
    claims = {claim.id: claim for claim in ledger.claims}
    for id, numbers in record.checks.items():
        if id not in claims:
            yield id, f"claim {id}: expected a claim of {ledger.label}, found only numbers"
            continue
        if claims[id].page != record.page:
            yield id, f"claim {id}: expected a claim of page {record.page}, found one of page {claims[id].page}"
            continue
        try:
            yield id, judged_again(claims[id], record.profile, numbers)
        except CheckError as error:
            yield id, str(error)
