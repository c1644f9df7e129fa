"""What pages read: ledgers, pages, records and the rows of the scorecard, loaded once per build."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from companion.book.ledger import Claim, Ledger, load_ledger
from companion.book.pages import Page, load_runs
from companion.book.toc import captions, chapters
from companion.errors import CompanionError
from companion.evidence.record import Record
from companion.freshness.fingerprint import same_code
from companion.freshness.state import CARRIED, State, lacking
from companion.pieces.plan import pieces_path
from companion.report.export import document
from companion.report.scorecard import Row, claim_rows, records_of
from companion.root import (
    PROFILES,
    carry_path,
    claims_path,
    is_theme,
    notebook_path,
    record_path,
    runs_path,
)

__all__ = ["PROFILES", "Store", "page_of"]

T = TypeVar("T")


def page_of(claim: Claim) -> str | None:
    """Return ``schemes/orders`` for a claim that a page checks, else ``None``."""
    return f"{claim.id.split('.')[0]}/{claim.page}" if claim.page else None


class Store:
    """Everything below ``root`` that pages show.

    What cannot be read becomes a sentence in ``problems``, and its chapter is among the ``broken`` ones.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.results = root / "results"
        self.problems: list[str] = []
        self.broken: set[str] = set()
        self._found: dict[str, dict[str, tuple[Record, State]]] = {}

    def load(self) -> None:
        """Read everything now, so that ``problems`` is complete."""
        _ = self.ledgers, self.pages, self.rows

    @cached_property
    def ledgers(self) -> dict[str, Ledger]:
        """Chapter to its ledger, in the order of the book."""
        written = [chapter for chapter in self._shown() if claims_path(self.root, chapter).is_file()]
        found = {chapter: self._try(load_ledger, self.root, chapter) for chapter in written}
        return {chapter: ledger for chapter, ledger in found.items() if ledger is not None}

    @cached_property
    def pages(self) -> dict[str, Page]:
        """``schemes/orders`` to the executable page."""
        planned = [chapter for chapter in self._shown() if runs_path(self.root, chapter).is_file()]
        found = [self._try(load_runs, self.root, chapter) for chapter in planned]
        return {page.id: page for pages in found for page in (pages or {}).values()}

    @cached_property
    def rows(self) -> dict[str, Row]:
        """Claim's id to where it stands."""
        found = [self._try(claim_rows, self.root, chapter, self._records_of) for chapter in self.ledgers]
        return {row.claim.id: row for rows in found for row in rows or ()}

    @cached_property
    def exported(self) -> dict[str, Any]:
        """All claims as ``claims.json`` has them."""
        return document(self.root, self.ledgers.values(), self.rows.values(), self.pages)

    @cached_property
    def records(self) -> dict[str, dict[str, tuple[Record, State]]]:
        """``schemes/orders`` to profile to the stored record and the state of its run."""
        return {name: self._try(self._records_of, page) or {} for name, page in self.pages.items()}

    def record(self, page: str, profile: str) -> Record | None:
        """Return the record of a page at a profile, or ``None``."""
        return self.records.get(page, {}).get(profile, (None, None))[0]

    def state(self, page: str, profile: str) -> State:
        """Return the state of a page's stored run at a profile."""
        return self.records.get(page, {}).get(profile, (None, State()))[1]

    def lacking(self, page: str, profile: str) -> list[str]:
        """Return in what a page's stored run at a profile does not speak for the present book."""
        record, state = self.records.get(page, {}).get(profile, (None, State()))
        ledger = self.ledgers.get(page.partition("/")[0]) if state.word == CARRIED else None
        return lacking(state, ledger.of(record.checks) if ledger and record else ())

    def same_code(self, page: str, profile: str) -> bool:
        """Tell whether the stored run of a page has cells that say what the page's present ones say."""
        record = self.record(page, profile)
        return record is not None and same_code(record, self.pages[page])

    def notebook_path(self, page: str, profile: str) -> Path:
        """Return where the executed notebook of ``schemes/orders`` lies, present or not."""
        chapter, _, name = page.partition("/")
        return notebook_path(self.results, profile, chapter, name)

    def record_path(self, page: str, profile: str) -> Path:
        """Return where the record of ``schemes/orders`` lies, present or not."""
        chapter, _, name = page.partition("/")
        return record_path(self.results, profile, chapter, name)

    def carry_path(self, page: str, profile: str) -> Path:
        """Return where the sidecar of the record of ``schemes/orders`` lies, present or not."""
        chapter, _, name = page.partition("/")
        return carry_path(self.results, profile, chapter, name)

    def sources(self, chapter: str) -> list[Path]:
        """Return the files that say what the chapter claims and runs."""
        plan = pieces_path(self.root, chapter)
        pieces = [plan] if plan.is_file() else []
        return [claims_path(self.root, chapter), runs_path(self.root, chapter), *pieces]

    def _shown(self) -> list[str]:
        """Return the chapters, without the themes that the table of contents does not reach yet."""
        named = captions(self.root)
        return [name for name in chapters(self.root) if name in named or not is_theme(self.root, name)]

    def _records_of(self, page: Page) -> dict[str, tuple[Record, State]]:
        """Return the stored runs of a page, looked at once: telling their states takes a walk."""
        if page.id not in self._found:
            self._found[page.id] = records_of(page)
        return self._found[page.id]

    def _try(self, load: Callable[..., T], *args: object) -> T | None:
        try:
            return load(*args)
        except CompanionError as error:
            self.problems += [p for p in getattr(error, "problems", [str(error)]) if p not in self.problems]
            self.broken |= {part for part in args if isinstance(part, str)}
            return None
