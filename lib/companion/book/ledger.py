"""The ledger of a chapter: what the paper says, as validated frozen data (``book/<chapter>/claims.yml``)."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from companion.book.ledger_figures import NO_SCALE, REGIONS
from companion.book.ledger_rules import semantic_problems
from companion.book.toc import chapters
from companion.documents import read_document, schema_problems
from companion.errors import DocumentError, nearest
from companion.evidence.verdict import OWN_VERDICTS, VERDICTS, Region
from companion.root import PROFILES, chapter_label, claims_path, is_theme

__all__ = [
    "CONSTRUCTION",
    "FIGURES",
    "GROUPS",
    "NO_SCALE",
    "OURS",
    "RELATED_WORKS",
    "Cell",
    "Claim",
    "Code",
    "Departure",
    "Expectation",
    "Headline",
    "Ledger",
    "Paper",
    "Reported",
    "Scale",
    "Source",
    "Table",
    "load_ledger",
    "load_ledgers",
    "words_of",
]

Scalar = float | int | str | None
OURS, CONSTRUCTION, RELATED_WORKS = "ours", "construction", "related"
GROUPS = {
    "paper": "The papers’ claims",
    RELATED_WORKS: "Claims of related works",
    "independent": "Third parties’ figures",
    OURS: "The book’s own checks",
    CONSTRUCTION: "Holds by construction",
}
"""What is counted apart: the group of a claim and its title. The last is counted in no scorecard."""
FIGURES = {
    "paper": "Paper",
    "independent": "Third party",
    "code": "Authors’ code, run here",
    "earlier": "Our earlier experiment",
}
"""Whose a figure is, and what pages call it."""


def words_of(group: str) -> tuple[str, ...]:
    """Return the verdicts that claims of a group can have; the first three come from runs."""
    return OWN_VERDICTS if group in (OURS, CONSTRUCTION) else VERDICTS


@dataclass(frozen=True)
class Code:
    """A public implementation."""

    url: str
    note: str = ""


@dataclass(frozen=True)
class Paper:
    """The paper a chapter is about, or one of a theme's."""

    key: str
    title: str
    authors: tuple[str, ...]
    venue: str
    year: int
    arxiv: str | None = None
    doi: str | None = None
    url: str | None = None
    code: tuple[Code, ...] = ()


@dataclass(frozen=True)
class Source:
    """Where a figure was read."""

    key: str
    text: str
    url: str | None = None


@dataclass(frozen=True)
class Cell:
    """One cell of a table; ``value`` is None where the paper gives nothing."""

    value: Scalar
    verified: bool
    source: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of the paper; every row has as many cells as there are columns."""

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    source: tuple[str, ...]
    verified: bool = False
    note: str = ""
    publish: bool = True
    work: str = ""


@dataclass(frozen=True)
class Reported:
    """A figure that is reported, in the claim's own unit: ``value``, or ``range``, or neither and ``why``."""

    value: float | int | None
    source: tuple[str, ...]
    text: str = ""
    verified: bool = False
    range: tuple[float, float] | None = None
    why: str = ""

    @property
    def span(self) -> tuple[float, float] | None:
        """The figure as a closed interval; None where there is none."""
        return self.range if self.value is None else (float(self.value), float(self.value))


@dataclass(frozen=True)
class Scale:
    """How large a run is beside the paper's: part -> ours (a number, or a parameter of the page) and theirs."""

    name: str
    parts: Mapping[str, tuple[float | str, float]]
    note: str = ""


@dataclass(frozen=True)
class Headline:
    """What the paper's abstract says: the ``claims`` that decide it, and those ``beside`` it at smaller scale."""

    id: str
    text: str
    scale: str
    claims: tuple[str, ...]
    beside: tuple[str, ...] = ()
    paper: Reported | None = None
    why: str = ""
    work: str = ""


@dataclass(frozen=True)
class Expectation:
    """What one profile expects of a claim: a region and the accepted verdict, or a verdict without a run.

    Where there is a ``verdict`` too, the region says how a future run will be judged.
    """

    profile: str
    support: Region | None = None
    refute: Region | None = None
    reason: str = ""
    accepted: str | None = None
    verdict: str | None = None
    cost: str | None = None
    why: str | None = None
    scale: str | None = None
    trainings: int | None = None
    trials: int | None = None

    @property
    def checkable(self) -> bool:
        """Whether a run at this profile must check the claim."""
        return self.support is not None and self.verdict is None

    @property
    def text(self) -> str:
        """The expectation in words: ``1 ± 0.03``."""
        if self.support is None:
            return self.verdict or ""
        return str(self.support) + (f" (refuted if {self.refute})" if self.refute else "")


@dataclass(frozen=True)
class Claim:
    """One checkable sentence; ``clock`` says that its value depends on time or memory measured in the run,
    ``construction`` why it could not but hold, ``trained`` that it is about trained networks, ``work`` which of a
    theme's papers it is about.
    """

    id: str
    statement: str
    where: str
    origin: str
    kind: str
    page: str | None
    unit: str | None
    paper: Reported | None
    independent: Reported | None
    expect: Mapping[str, Expectation]
    clock: bool = False
    construction: str = ""
    trained: bool = False
    code: Reported | None = None
    earlier: Reported | None = None
    work: str = ""

    @property
    def group(self) -> str:
        """The scorecard that counts it: one of :data:`GROUPS`; what a related work claims is counted apart."""
        if self.construction:
            return CONSTRUCTION
        return RELATED_WORKS if self.work and self.origin == "paper" else self.origin

    @property
    def words(self) -> tuple[str, ...]:
        """The verdicts it can have; the first three come from runs."""
        return words_of(self.group)

    @property
    def figures(self) -> dict[str, Reported]:
        """The figures that are reported for it, by whose they are: keys of :data:`FIGURES`."""
        return {whose: figure for whose in FIGURES if (figure := getattr(self, whose)) is not None}

    @property
    def anchor(self) -> str:
        """The claim's anchor on the chapter's claims page."""
        return "claim-" + self.id.replace(".", "-")

    def checked_at(self, profile: str) -> bool:
        """Tell whether a run at ``profile`` must check the claim."""
        return profile in self.expect and self.expect[profile].checkable


@dataclass(frozen=True)
class Departure:
    """A place where we, or the paper's own code, do other than the paper says."""

    id: str
    what: str
    paper: str
    ours: str
    why: str
    who: str
    work: str = ""


@dataclass(frozen=True)
class Ledger:
    """All of ``claims.yml``, validated.

    ``papers`` are those of a theme by the names of its works, and of another chapter its paper by the name ``""``.
    """

    chapter: str
    root: Path
    papers: Mapping[str, Paper]
    sources: Mapping[str, Source]
    tables: tuple[Table, ...]
    claims: tuple[Claim, ...]
    departures: tuple[Departure, ...]
    scales: Mapping[str, Scale] = field(default_factory=dict)
    headlines: tuple[Headline, ...] = ()

    @property
    def is_theme(self) -> bool:
        """Whether the chapter is about several related works."""
        return is_theme(self.root, self.chapter)

    @property
    def label(self) -> str:
        """The file as messages name it."""
        return f"{chapter_label(self.root, self.chapter)}/claims.yml"

    def claim(self, id: str) -> Claim:
        """Return the claim called ``id``; raise ``KeyError`` with a suggestion where there is none."""
        for claim in self.claims:
            if claim.id == id:
                return claim
        raise KeyError(f"{id!r} is no claim of chapter {self.chapter}{nearest(id, [c.id for c in self.claims])}")

    def of(self, ids: Container[str]) -> tuple[Claim, ...]:
        """Return the claims whose id is among ``ids``."""
        return tuple(claim for claim in self.claims if claim.id in ids)

    def expected(self, page: str, profile: str) -> tuple[Claim, ...]:
        """Return the claims that a run of ``page`` at ``profile`` must check."""
        return tuple(claim for claim in self.claims if claim.page == page and claim.checked_at(profile))

    def judged(self, page: str, profile: str) -> tuple[Claim, ...]:
        """Return the claims that a run of ``page`` at ``profile`` may check: those with a region."""
        return tuple(
            claim
            for claim in self.claims
            if claim.page == page and profile in claim.expect and claim.expect[profile].support is not None
        )


def load_ledger(root: Path, chapter: str) -> Ledger:
    """Return the chapter's ledger; raise :class:`DocumentError` with one sentence for each breach of its
    rules.
    """
    path = claims_path(root, chapter)
    document = read_document(path, path.relative_to(root).as_posix())
    problems = schema_problems(document, "claims") or semantic_problems(document, root, chapter)
    if problems:
        raise DocumentError(problems)
    data = document.data
    return Ledger(
        chapter=chapter,
        root=root,
        papers=MappingProxyType({work: _paper(item) for work, item in _papers(data).items()}),
        sources=MappingProxyType({key: Source(key, **item) for key, item in data["sources"].items()}),
        tables=tuple(_table(item) for item in data.get("tables") or ()),
        claims=tuple(_claim(item) for item in data["claims"]),
        departures=tuple(Departure(**item) for item in data.get("departures") or ()),
        scales=MappingProxyType({key: _scale(key, item) for key, item in (data.get("scales") or {}).items()}),
        headlines=tuple(_headline(item) for item in data.get("headlines") or ()),
    )


def load_ledgers(root: Path) -> list[Ledger]:
    """Return all ledgers in the order of the book; raise :class:`DocumentError` with the breaches of all of
    them.
    """
    ledgers: list[Ledger] = []
    problems: list[str] = []
    for chapter in chapters(root):
        try:
            ledgers.append(load_ledger(root, chapter))
        except DocumentError as error:
            problems += error.problems
    if problems:
        raise DocumentError(problems)
    return ledgers


def _sources(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _papers(data: dict[str, Any]) -> dict[str, Any]:
    return data["papers"] if "papers" in data else {"": data["paper"]}


def _paper(item: dict[str, Any]) -> Paper:
    return Paper(
        **{
            **item,
            "authors": tuple(item["authors"]),
            "code": tuple(Code(**c) for c in item.get("code") or ()),
        }
    )


def _table(item: dict[str, Any]) -> Table:
    verified, source = item.get("verified", False), _sources(item["source"])

    def cell(value: Any) -> Cell:
        if not isinstance(value, dict):
            return Cell(value, verified, source)
        return Cell(value["value"], value.get("verified", verified), _sources(value.get("source", item["source"])))

    return Table(
        item["id"],
        item["title"],
        tuple(item["columns"]),
        tuple(tuple(cell(value) for value in row) for row in item["rows"]),
        source,
        verified,
        item.get("note", ""),
        item.get("publish", True),
        item.get("work", ""),
    )


def _reported(item: dict[str, Any] | None) -> Reported | None:
    if not item:
        return None
    span = tuple(item["range"]) if "range" in item else None
    words = {key: item[key] for key in ("text", "verified", "why") if key in item}
    return Reported(item.get("value"), _sources(item["source"]), range=span, **words)


def _scale(name: str, item: dict[str, Any]) -> Scale:
    parts = {part: (ours, theirs) for part, (ours, theirs) in item["parts"].items()}
    return Scale(name, MappingProxyType(parts), item.get("note", ""))


def _headline(item: dict[str, Any]) -> Headline:
    return Headline(
        item["id"],
        item["text"],
        item["scale"],
        tuple(item["claims"]),
        tuple(item.get("beside") or ()),
        _reported(item.get("paper")),
        item.get("why", ""),
        item.get("work", ""),
    )


def _claim(item: dict[str, Any]) -> Claim:
    expect = {
        profile: _expectation(profile, item["expect"][profile])
        for profile in PROFILES
        if profile in item["expect"]
    }
    return Claim(
        item["id"],
        item["statement"],
        item["where"],
        item["origin"],
        item["kind"],
        item["page"],
        item.get("unit"),
        _reported(item.get("paper")),
        _reported(item.get("independent")),
        MappingProxyType(expect),
        item.get("clock", False),
        item.get("construction", ""),
        item.get("trained", item["kind"] == "training"),
        _reported(item.get("code")),
        _reported(item.get("earlier")),
        item.get("work", ""),
    )


def _expectation(profile: str, item: dict[str, Any]) -> Expectation:
    keys = ("reason", "accepted", "verdict", "cost", "why", "scale", "trainings", "trials")
    words = {key: item[key] for key in keys if key in item}
    if not any(key in item for key in REGIONS):
        return Expectation(profile, **words)
    refute = Region.from_keys(item["refute"]) if "refute" in item else None
    return Expectation(profile, Region.from_keys(item), refute, **words)
