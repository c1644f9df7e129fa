"""The numbers of a fresh run against what was accepted and stored: every difference is a finding, in either
direction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from companion.book.ledger import Ledger
from companion.clocks import clock_note
from companion.evidence.judging import Checked
from companion.evidence.machines import Allowances
from companion.evidence.record import Record
from companion.evidence.rejudging import judged, refusals
from companion.evidence.soundness import difference, measured

__all__ = ["number_findings", "turned", "verdict_findings"]


def turned(ledger: Ledger, fresh: Record, stored: Record, allowances: Allowances | None) -> dict[str, str]:
    """Return, by claim, in a line what another machine decides that the record's did not, or the other way round.

    The stored verdict is the accepted one, one of the two is *undecided* (*open* for a check of the book), and the
    numbers lie as near to each other as is stated, or a clock has measured them: such a claim stands at the border
    of its region, and rounding, or the clock, says on which side. Nothing where the numbers have to be equal to the
    bit.
    """
    if allowances is None:
        return {}
    now, before = judged(ledger, fresh), judged(ledger, stored)
    found = {}
    for id in before.keys() & now.keys():
        claim, allowed = ledger.claim(id), allowances.of(fresh.profile, id)
        sides = {before[id].verdict, now[id].verdict}
        if (
            len(sides) == 2
            and claim.words[2] in sides
            and before[id].verdict == claim.expect[fresh.profile].accepted
            and (claim.clock or (allowed is not None and allowed.admits_checks(before[id], now[id])))
        ):
            found[id] = f"{id} ({fresh.profile}): {_both(ledger, before[id], now[id], fresh.profile)}"
    return found


def verdict_findings(ledger: Ledger, page: str, fresh: Record, leave: Collection[str] = ()) -> list[str]:
    """Return one line for each claim whose fresh verdict is not the accepted one, or that is missing, unknown or
    cannot be judged; the verdicts of the claims ``leave`` may be other ones.
    """
    found = []
    verdicts, refused = judged(ledger, fresh), refusals(ledger, fresh)
    expected = {claim.id: claim.expect[fresh.profile] for claim in ledger.judged(page, fresh.profile)}
    for id in [*expected, *(id for id in fresh.checks if id not in expected)]:
        label = f"{id} ({fresh.profile})"
        if id not in fresh.checks:
            if expected[id].checkable:
                found.append(f"{label}: expected a check on page {page}, found none")
        elif id not in expected:
            found.append(f"{label}: expected an entry in the ledger for the check on page {page}, found none")
        elif id in refused:
            found.append(refused[id])
        elif id not in leave and (line := difference(ledger.claim(id), fresh.profile, verdicts[id])):
            found.append(line)
    return found


def number_findings(
    ledger: Ledger,
    page: str,
    fresh: Record,
    stored: Record,
    allowances: Allowances | None,
    clocked: Collection[str] = (),
    leave: Collection[str] = (),
) -> list[str]:
    """Return one line for each number that is not the stored one.

    Args:
        ledger: the chapter's, which says how numbers are judged and which a clock measured.
        page: the page's name.
        fresh: what the page gives now.
        stored: what its record says.
        allowances: what numbers may differ by; None where they have to be equal to the bit.
        clocked: names of notes from cells tagged ``clock``: they have to be there on both sides.
        leave: claims that :func:`turned` tells of.
    """
    return [*_checks(ledger, fresh, stored, allowances, leave), *_notes(page, fresh, stored, allowances, clocked)]


def _checks(
    ledger: Ledger, fresh: Record, stored: Record, allowances: Allowances | None, leave: Collection[str]
) -> Iterator[str]:
    now, before = judged(ledger, fresh), judged(ledger, stored)
    for id in sorted({*stored.checks, *fresh.checks} - {*leave}):
        label = f"{id} ({fresh.profile})"
        if id not in fresh.checks or id not in stored.checks:
            side, other = ("stored", "fresh") if id in stored.checks else ("fresh", "stored")
            yield f"{label}: expected a check in the {other} run too, found one only in the {side} one"
            continue
        if id not in now or id not in before:
            continue  # flaws and verdict_findings tell of what cannot be judged
        shown = _both(ledger, before[id], now[id], fresh.profile)
        if ledger.claim(id).clock:
            if now[id].verdict != before[id].verdict:
                yield f"{label}: {shown}"
            continue
        if allowances is None:
            if stored.checks[id] != fresh.checks[id]:
                yield f"{label}: {shown}; the numbers of one machine are equal to the bit"
            continue
        allowed = allowances.of(fresh.profile, id)
        if allowed is None:
            yield allowances.unstated(fresh.profile, id)
        elif now[id].verdict != before[id].verdict or not allowed.admits_checks(before[id], now[id]):
            yield f"{label}: {shown}; on another machine it may differ by {allowed}"


def _both(ledger: Ledger, stored: Checked, found: Checked, profile: str) -> str:
    return f"stored {_words(ledger, stored, profile)}, found {_words(ledger, found, profile)}"


def _words(ledger: Ledger, check: Checked, profile: str) -> str:
    return measured(check, ledger.claim(check.id).expect[profile].text).partition(", support")[0] + ")"


def _notes(
    page: str, fresh: Record, stored: Record, allowances: Allowances | None, clocked: Collection[str]
) -> Iterator[str]:
    for name in sorted({*fresh.values, *stored.values}):
        label = f"note {name} ({page}, {fresh.profile})"
        if name not in stored.values:
            yield f"{label}: expected it in the stored run too, found it only in the fresh one"
            continue
        if name not in fresh.values:
            yield f"{label}: expected it in the fresh run too, found it only in the stored one"
            continue
        before, now = stored.values[name], fresh.values[name]
        if name in clocked or clock_note(name):
            continue
        shown = f"{label}: stored {before!r}, found {now!r}"
        if allowances is None:
            if before != now:
                yield f"{shown}; the numbers of one machine are equal to the bit"
            continue
        allowed = allowances.of(fresh.profile, f"{page}#{name}")
        if allowed is None:
            yield allowances.unstated(fresh.profile, f"{page}#{name}")
        elif not allowed.admits(before, now):
            yield f"{shown}; on another machine it may differ by {allowed}"
