"""The register against the repository's history: no line that was ever committed is gone, and no claim that ever
stood in a committed ledger is without one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from companion import git
from companion.errors import CompanionError
from companion.freshness.history import is_shallow
from companion.register.entries import DOTTED, Key
from companion.register.lines import LABEL, mismatches, read
from companion.root import register_path
from companion.text import read_text

__all__ = ["UNCHECKED", "findings", "lost_lines", "past_claims", "unknown_history"]

UNCHECKED = "the history of the register was not checked: {}"
_EVERY = ("--full-history", "--topo-order", "--reverse")
"""All commits that touch a path, those of merged branches too, the oldest first."""
_LEDGERS = (":(glob)book/*/claims.yml", ":(glob)book/related/*/claims.yml")
_ID = re.compile(rb"""^\s*-\s*\{?\s*id:\s*["']?([a-z0-9_-]+(?:\.[a-z0-9-]+)+)""", re.MULTILINE)


def findings(root: Path, present: Mapping[Key, str], chapter: str | None = None) -> tuple[list[str], str | None]:
    """Return what is wrong with the register of a book that has the entries ``present`` (all of them, or those of
    one chapter), and a sentence if the history could not be looked at.
    """
    lines, problems = read(root)
    written = register_path(root).is_file()
    texts = read_text(register_path(root)).splitlines() if written else []
    problems += mismatches(lines, present, chapter) if written else []
    unknown = unknown_history(root)
    if unknown is None:
        problems += lost_lines(root, texts)
        known = {line.id for line in lines if line.what in DOTTED}
        problems += [
            f"claim {id}: expected a line in {LABEL} for a claim of the ledger of commit {commit[:12]}, "
            "found none; add two by hand, of its addition and of its retirement"
            for id, commit in past_claims(root).items()
            if id not in known and all((what, id) not in present for what in DOTTED)
        ]
    return problems, unknown


def unknown_history(root: Path) -> str | None:
    """Return in a sentence why the history cannot be looked at (no git, no clone, a shallow one), or None."""
    try:
        shallow = is_shallow(root)
        git.ask(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", replaced=False)
    except CompanionError as error:
        return UNCHECKED.format(error)
    if shallow:
        return UNCHECKED.format(
            "expected all commits, found a shallow clone; fetch the rest with: git fetch --unshallow"
        )
    return None


def lost_lines(root: Path, now: Sequence[str]) -> list[str]:
    """Return one sentence for each line of a committed version of the register that ``now``, its present lines,
    does not have in the same order: of all commits that ``HEAD`` reaches, those on merged branches included.
    """
    listed = git.ask(root, "rev-list", *_EVERY, "--parents", "HEAD", "--", LABEL, replaced=False)
    parents = {commit: before for commit, *before in map(str.split, listed.decode().splitlines())}
    texts = git.contents(root, [f"{commit}:{LABEL}" for commit in parents], replaced=False)
    versions = {
        commit: (text or b"").decode(errors="replace").splitlines()
        for commit, text in zip(parents, texts, strict=True)
    }
    found: dict[str, str] = {}
    for version in {tuple(version): None for version in versions.values()}:
        for line in _missing(version, now):
            found.setdefault(line, _sentence(line, now, parents, versions))
    return list(found.values())


def _missing(earlier: Iterable[str], now: Sequence[str]) -> list[str]:
    """Return the lines of ``earlier`` that ``now`` has not, or not in this order."""
    place, found = 0, []
    for line in earlier:
        try:
            place = now.index(line, place) + 1
        except ValueError:
            found.append(line)
    return found


def _sentence(line: str, now: Sequence[str], parents: dict[str, list[str]], versions: dict[str, list[str]]) -> str:
    """Say where a line went: at the first commit that lacks it while one before has it, or after all commits."""
    short = "  ".join(line.split("\t")[:5])
    if line in now:
        return f"{LABEL}: expected the line '{short}' where earlier commits have it, found it in another place"
    for commit, before in parents.items():
        if line not in versions[commit] and any(line in versions.get(one, ()) for one in before):
            return f"{LABEL}: expected the line '{short}' to stay, found it gone since commit {commit[:12]}"
    return f"{LABEL}: expected the line '{short}' to stay, found it gone in the working tree"


def past_claims(root: Path) -> dict[str, str]:
    """Return every claim that a committed ledger ever had, with the earliest commit that has it."""
    log = git.ask(
        root,
        "log",
        *_EVERY,
        "-m",
        "--raw",
        "--no-abbrev",
        "--no-renames",
        "--format=commit %H",
        "HEAD",
        "--",
        *_LEDGERS,
        replaced=False,
    )
    blobs: dict[str, tuple[str, str]] = {}
    commit = ""
    for row in log.decode(errors="replace").splitlines():
        if row.startswith("commit "):
            commit = row.split()[1]
        elif row.startswith(":"):
            head, _, path = row.partition("\t")
            blobs.setdefault(head.split()[3], (commit, path.split("/")[-2]))
    blobs.pop("0" * 40, None)
    found: dict[str, str] = {}
    for (commit, chapter), text in zip(blobs.values(), git.contents(root, blobs, replaced=False), strict=True):
        for id in map(bytes.decode, _ID.findall(text or b"")):
            if id.partition(".")[0] == chapter:
                found.setdefault(id, commit)
    return found
