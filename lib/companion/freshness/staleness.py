"""Which stored runs are missing, stale or nobody's: the list that must be empty before a build is published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from companion.book.ledger import load_ledger
from companion.book.pages import load_pages
from companion.errors import RunError
from companion.freshness.sidecar import read_sidecar
from companion.freshness.state import CARRIED, lacking
from companion.report.scorecard import records_of
from companion.root import CARRY, record_path
from companion.run.variations import load_variations

__all__ = ["Finding", "findings"]


@dataclass(frozen=True)
class Finding:
    """A stored run (or the place where it should be), and what is wrong with it."""

    page: str
    profile: str
    reason: str

    def __str__(self) -> str:
        return f"{self.page} ({self.profile}): {self.reason}"


def findings(root: Path, chapter: str | None = None, profiles: tuple[str, ...] | None = None) -> list[Finding]:
    """Return every reason why the stored runs do not speak for the present book; empty when all are fresh, or
    carried and without claims by a clock.
    """
    found = [
        finding
        for finding in [*_of_pages(root, chapter), *_orphans(root, chapter), *_of_variations(root, chapter)]
        if profiles is None or finding.profile in profiles
    ]
    return list(dict.fromkeys(found))


def _of_pages(root: Path, chapter: str | None) -> Iterator[Finding]:
    ledger = cache(load_ledger)
    for page in load_pages(root, chapter):
        stored = records_of(page)
        for profile, setting in page.settings.items():
            if profile in stored:
                record, state = stored[profile]
                checked = ledger(root, page.chapter).of(record.checks) if state.word == CARRIED else ()
                yield from (Finding(page.id, profile, reason) for reason in lacking(state, checked))
            elif not setting.not_attempted:
                yield Finding(page.id, profile, "no run is stored")


def _of_variations(root: Path, chapter: str | None) -> Iterator[Finding]:
    """Yield what is wrong with the runs below ``results/variations``: stale, missing, or nobody's."""
    known = load_variations(root)
    for variation in known.values():
        if chapter in (None, variation.page.chapter):
            name = f"{variation.page.id}, variation {variation.id}"
            yield from (Finding(name, variation.profile, reason) for reason in variation.reasons())
    folder = root / "results" / "variations"
    for path in sorted(folder.iterdir()) if chapter is None and folder.is_dir() else ():
        if path.name not in known:
            yield Finding(f"results/variations/{path.name}", "book", "book/variations.yml has no such variation")


def _orphans(root: Path, chapter: str | None) -> Iterator[Finding]:
    """Yield stored files that no page and profile of ``runs.yml`` accounts for, notebooks without a record, and
    sidecars that carry nothing.
    """
    known = {(page.chapter, page.name, profile) for page in load_pages(root) for profile in page.settings}
    results = root / "results"
    sidecars = results.glob(f"variations/*/*/*/*{CARRY}")
    for path in sorted([*results.glob("*/*/*.json"), *results.glob("*/*/*.ipynb"), *sidecars]):
        profile, folder = path.parts[-3:-1]
        if chapter not in (None, folder):
            continue
        if path.name.endswith(CARRY):
            yield from _of_sidecar(path, profile, folder)
        elif (folder, path.stem, profile) not in known:
            yield Finding(
                f"{folder}/{path.stem}",
                profile,
                f"{path.name} is stored, but runs.yml has no such page and profile",
            )
        elif path.suffix == ".ipynb" and not record_path(results, profile, folder, path.stem).is_file():
            yield Finding(f"{folder}/{path.stem}", profile, f"{path.name} is stored without its record")


def _of_sidecar(path: Path, profile: str, chapter: str) -> Iterator[Finding]:
    """Yield what is wrong with a carry's sidecar: it stands beside no record, or is none."""
    name = path.name.removesuffix(CARRY)
    if not path.with_name(f"{name}.json").is_file():
        yield Finding(f"{chapter}/{name}", profile, f"{path.name} is stored without its record")
        return
    try:
        read_sidecar(path)
    except RunError as error:
        yield Finding(f"{chapter}/{name}", profile, str(error))
