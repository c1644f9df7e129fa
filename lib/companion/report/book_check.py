"""All that can be said of the book without running anything: ledgers, register, run plans, cells, prose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from companion.book.cell_rules import breaches
from companion.book.conclusions import conclusions
from companion.book.escapes import escapes
from companion.book.ledger import Ledger, load_ledger, load_ledgers
from companion.book.pages import Page, load_pages
from companion.book.piece_cells import cell_problems
from companion.book.typed_numbers import survey
from companion.errors import CompanionError, DocumentError, counted
from companion.evidence.machines import unstated
from companion.evidence.soundness import semicolons
from companion.freshness.fingerprint import fingerprint
from companion.pieces.plan_rules import plan_problems
from companion.register.entries import entries
from companion.register.history import findings
from companion.report.scales import shares

__all__ = ["Checked", "check_book"]


@dataclass(frozen=True)
class Checked:
    """A sentence for each problem, remarks on what could not be looked at, and what was, in a line."""

    problems: list[str]
    remarks: tuple[str, ...]
    summary: str


def check_book(root: Path, chapter: str | None = None) -> Checked:
    """Return what is found in one chapter or in all."""
    pages: list[Page] = []
    problems: list[str] = []
    ledgers: list[Ledger] = []
    for load in (
        lambda: pages.extend(load_pages(root, chapter)),
        lambda: ledgers.extend([load_ledger(root, chapter)] if chapter else load_ledgers(root)),
    ):
        try:
            load()
        except DocumentError as error:
            problems += error.problems
    remarks: tuple[str, ...] = ()
    if not problems:
        problems += [line for page in pages for line in _of_page(page)]
        problems += _of_scales(ledgers, {page.id: page for page in pages})
        for ledger in ledgers:
            mine = {page.name: page for page in pages if page.chapter == ledger.chapter}
            problems += plan_problems(root, ledger, mine)
        unregistered, unknown = findings(root, entries(ledgers, pages), chapter)
        problems += unregistered + [line for ledger in ledgers for line in unstated(root, ledger)]
        remarks = (unknown,) if unknown else ()
    prose = survey(root, chapter)
    problems += prose.problems
    problems += conclusions(root, chapter)
    words = [
        counted(*pair)
        for pair in (
            (len(ledgers), "ledger"),
            (sum(len(ledger.claims) for ledger in ledgers), "claim"),
            (len(pages), "page"),
            (prose.total, "given number"),
        )
    ]
    return Checked(list(dict.fromkeys(problems)), remarks, f"{', '.join(words)} in prose: no problems")


def _of_scales(ledgers: list[Ledger], pages: dict[str, Page]) -> Iterator[str]:
    """Yield which scales speak of parameters that their pages do not have."""
    for ledger in ledgers:
        for claim in ledger.claims:
            try:
                shares(ledger, claim, pages.get(f"{ledger.chapter}/{claim.page}"))
            except DocumentError as error:
                yield from error.problems


def _of_page(page: Page) -> Iterator[str]:
    """Yield what is wrong with cells and parameters of a page, so that nothing is left for a kernel to find."""
    try:
        sources = [cell.source for cell in page.cells()]
        yield from (f"page {page.id}: {said}" for said in semicolons(sources))
        yield from (f"page {page.id}, {said}" for said in cell_problems(sources))
        for profile in page.settings:
            fingerprint(page, profile)
        yield from escapes(page)
        yield from breaches(page)
    except CompanionError as error:
        yield from getattr(error, "problems", [str(error)])
