"""What chance alone would do to the verdicts on intervals, and which of them would stay if it were held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from companion.book.ledger import CONSTRUCTION
from companion.evidence.significance import FALSE_DISCOVERY, adjusted, p_value
from companion.evidence.verdict import LEVEL
from companion.report.scorecard import Row

__all__ = ["Chance", "Chances", "chances"]


@dataclass(frozen=True)
class Chance:
    """Of a verdict: its p-value, and the same adjusted for all claims that are judged on an interval."""

    p_value: float
    adjusted: float

    @property
    def survives(self) -> bool:
        """Whether the verdict stays when the share of false ones among all is held."""
        return self.adjusted <= FALSE_DISCOVERY


@dataclass(frozen=True)
class Chances:
    """The family, how often each of its verdicts could be false, and what is known of those that decide."""

    family: int
    decided: dict[str, Chance]

    @property
    def expected(self) -> float:
        """False verdicts to be expected if every mean lay on the edge of its region."""
        return self.family * (1 - LEVEL) / 2

    @property
    def falling(self) -> list[str]:
        """The claims whose verdicts would not stay."""
        return [id for id, chance in self.decided.items() if not chance.survives]


def chances(rows: Iterable[Row]) -> Chances:
    """Return the chances of all claims of ``rows`` whose headline is judged on an interval.

    The p-values for a claim are adjusted over all of the family, and those against it over all of the family.
    Claims that nothing can decide (too few trainings, equal outcomes) and those by construction are left out.
    """
    family = [row for row in rows if row.group != CONSTRUCTION and row.check is not None and row.check.on_interval]
    decided: dict[str, Chance] = {}
    for place, against in ((0, False), (1, True)):
        found = {
            row.claim.id: p
            for row in family
            if row.check is not None and (p := p_value(row.claim, row.check, against=against)) is not None
        }
        stepped = adjusted(found)
        decided |= {
            row.claim.id: Chance(found[row.claim.id], stepped[row.claim.id])
            for row in family
            if row.verdict == row.claim.words[place]
        }
    order = [row.claim.id for row in family]
    return Chances(len(family), {id: decided[id] for id in order if id in decided})
