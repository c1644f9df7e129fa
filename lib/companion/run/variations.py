"""Parameter changes worth trying, ``book/variations.yml``: each a page run with other values, and its stored run.

A variation is no evidence for a claim: the claim's expectation was written for the page's own parameters. Its run
shows a reader what the change does, and how long it takes.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from companion.book.ledger import load_ledger
from companion.book.pages import Page, find_page
from companion.documents import read_document, schema_problems
from companion.errors import CompanionError, DocumentError, nearest
from companion.evidence.record import Record, load_record
from companion.freshness.state import CARRIED, State, lacking, state_of

__all__ = ["Variation", "load_variations", "results_of", "variations_path"]


@dataclass(frozen=True)
class Variation:
    """One change: the page, the profile whose other parameters stay, the new values, the claims to look at."""

    id: str
    page: Page
    profile: str
    parameters: Mapping[str, Any]
    watch: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command that makes the run, with a folder of the reader's own for the result."""
        literals = {name: repr(value).replace("'", '"') for name, value in self.parameters.items()}
        changes = " ".join(f"-p {shlex.quote(f'{name}={value}')}" for name, value in literals.items())
        profile = "" if self.profile == "book" else f" --profile {self.profile}"
        return f".venv/bin/companion run {self.page.id}{profile} {changes} --out _build/{self.id}"

    def record(self) -> Record | None:
        """Return the stored run's record, or None."""
        return load_record(self.page.root, self.profile, self.page.chapter, self.page.name, results_of(self))

    def state(self) -> State:
        """Return whether the stored run is fresh, carried or stale; stale too where there is none."""
        record = self.record()
        if record is None:
            return State(["no run of it is stored"])
        return state_of(record, self.page, overrides=self.parameters, results=results_of(self))

    def reasons(self, state: State | None = None) -> list[str]:
        """Return why the stored run does not speak for the variation, in plain words; empty when it does.

        In a carried run claims by a clock are stale, where the variation shows them. ``state``, if it is known.
        """
        state = state or self.state()
        shown = load_ledger(self.page.root, self.page.chapter).of(self.watch) if state.word == CARRIED else ()
        return lacking(state, shown)


def variations_path(root: Path) -> Path:
    """Return the file that lists the variations."""
    return root / "book" / "variations.yml"


def results_of(variation: Variation) -> Path:
    """Return the folder below which the variation's run is stored."""
    return variation.page.root / "results" / "variations" / variation.id


def load_variations(root: Path) -> dict[str, Variation]:
    """Return the variations by id, in the file's order; raise :class:`DocumentError` for a breach of its rules."""
    path = variations_path(root)
    if not path.is_file():
        return {}
    label = path.relative_to(root).as_posix()
    document = read_document(path, label)
    if problems := schema_problems(document, "variations"):
        raise DocumentError(problems)
    found: dict[str, Variation] = {}
    wrong: list[str] = []
    for item in document.data["variations"]:
        where = f"{label}, variation {item['id']}"
        try:
            variation = _variation(root, item)
        except CompanionError as error:
            wrong.append(f"{where}: {error}")
            continue
        if item["id"] in found:
            wrong.append(f"{where}: expected every id once, found it twice")
        found[item["id"]] = variation
    if wrong:
        raise DocumentError(wrong)
    return found


def _variation(root: Path, item: Mapping[str, Any]) -> Variation:
    page, profile = find_page(root, item["page"]), item.get("profile", "book")
    if page.parameters(profile, item["parameters"]) == page.parameters(profile):
        raise CompanionError("expected a change of the profile's parameters, found none")
    known = {claim.id for claim in load_ledger(root, page.chapter).judged(page.name, profile)}
    for claim in item["watch"]:
        if claim not in known:
            raise CompanionError(
                f"expected claims that {page.id} checks at {profile}, found {claim!r}"
                f"{nearest(claim, sorted(known))}"
            )
    return Variation(item["id"], page, profile, dict(item["parameters"]), tuple(item["watch"]))
