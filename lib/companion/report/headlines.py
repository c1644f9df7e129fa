"""The headlines of the papers: what an abstract says, the verdict on it, and at what scale it was judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from companion.book.ledger import Headline, Ledger
from companion.evidence.verdict import NOT_ATTEMPTED, NOT_REPRODUCED, QUOTED, REPRODUCED, UNDECIDED
from companion.report.scales import Share
from companion.report.scorecard import NOT_RUN, Row

__all__ = ["HeadlineRow", "headline_rows"]


@dataclass(frozen=True)
class HeadlineRow:
    """One headline: the rows of the claims that decide it, and of those beside it."""

    chapter: str
    headline: Headline
    decided_by: tuple[Row, ...]
    beside: tuple[Row, ...]

    @property
    def verdict(self) -> str:
        """Reproduced where all claims are; not reproduced where one is not; not attempted (or quoted) where none
        was run; else undecided. Quoted too where no claim could decide it.
        """
        found = {row.verdict for row in self.decided_by} or {QUOTED}
        if NOT_REPRODUCED in found:
            return NOT_REPRODUCED
        if found == {REPRODUCED}:
            return REPRODUCED
        if found == {QUOTED}:
            return QUOTED
        return NOT_ATTEMPTED if found <= {NOT_ATTEMPTED, QUOTED, NOT_RUN} else UNDECIDED

    @property
    def share(self) -> Share | None:
        """The smallest share of the paper's scale among the claims that decide and were run; None without one."""
        found = [row.share for row in self.decided_by if row.share is not None]
        return min(found, key=lambda share: share.value, default=None)

    @property
    def at_paper_scale(self) -> bool:
        """Whether every claim that decides it was judged at the paper's own profile, or at a share of 1."""
        return bool(self.decided_by) and all(
            row.profile == "paper" or (row.share is not None and row.share.value >= 1) for row in self.decided_by
        )


def headline_rows(ledgers: Iterable[Ledger], rows: Mapping[str, Row]) -> list[HeadlineRow]:
    """Return the headlines of the ledgers in their order; ``rows`` holds the claims by their id."""
    return [
        HeadlineRow(
            ledger.chapter,
            headline,
            tuple(rows[id] for id in headline.claims),
            tuple(rows[id] for id in headline.beside),
        )
        for ledger in ledgers
        for headline in ledger.headlines
    ]
