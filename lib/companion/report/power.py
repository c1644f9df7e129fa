"""What more seeds would decide: for each claim that an interval leaves open, how many, and what they take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from companion.book.ledger import CONSTRUCTION
from companion.evidence.power import open_on_seeds, seeds_needed
from companion.report.scorecard import Row

__all__ = ["HOUR", "Power", "powers"]

HOUR = 3600.0


@dataclass(frozen=True)
class Power:
    """Of an open claim: the ``seeds`` it has, how many are ``needed`` (None: beyond all reason), and the
    ``seconds`` that its page's run took for each seed.
    """

    row: Row
    seeds: int
    needed: int | None
    seconds: float

    @property
    def cost(self) -> float | None:
        """Seconds that the missing seeds would take."""
        return None if self.needed is None else (self.needed - self.seeds) * self.seconds


def powers(rows: Iterable[Row]) -> list[Power]:
    """Return what more seeds would decide of ``rows``, cheapest first, in the order of the ledger where equal."""
    found = []
    for row in rows:
        check, record = row.check, row.record
        if row.group == CONSTRUCTION or check is None or record is None or not open_on_seeds(row.claim, check):
            continue
        count = len(check.values or ())
        found.append(Power(row, count, seeds_needed(row.claim, check), record.duration_s / count))
    return sorted(found, key=lambda one: (one.cost is None, one.cost or 0.0))
