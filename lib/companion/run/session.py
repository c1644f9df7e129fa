"""What a page calls: ``begin`` once, ``check`` for each claim, ``note`` for each other number its prose
shows; at profile paper ``run.ready`` and ``run.pieces`` for what was computed before.

Each check displays one line; its numbers travel in the output's metadata, from which the runner writes the record.
So the executed notebook is the evidence, and the record is derived from it. What a run stores carries no verdict:
that is derived from the numbers and the ledger whenever somebody asks. A person who runs a page sees it at once.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from companion.errors import CheckError, nearest
from companion.root import PROFILES, find_root

if TYPE_CHECKING:
    from companion.book.ledger import Ledger
    from companion.evidence.judging import Checked

__all__ = ["Run", "begin", "check", "note"]


@dataclass
class Run:
    """One execution of a page at a profile, as its own cells see it."""

    root: Path = field(repr=False)
    chapter: str
    page: str
    profile: str
    device: str
    ledger: Ledger = field(repr=False)
    _seen: dict[str, object] = field(default_factory=dict, repr=False)
    _folder: Path | None = field(default=None, repr=False)
    _ready: set[str] = field(default_factory=set, repr=False)

    def _ipython_display_(self) -> None:
        """Show nothing where ``begin`` ends a cell."""

    @property
    def threads(self) -> int:
        """Number of CPU threads the run was given."""
        from companion.machine import threads

        return threads()

    @property
    def checkpoints(self) -> Path:
        """Folder for checkpoints, made on first use.

        Under the runner it belongs to this page, profile, parameters and fingerprint, is kept until the run
        has succeeded, and so lets a broken run resume. Elsewhere it is a fresh folder that goes away with the
        process.
        """
        named = os.environ.get("COMPANION_CHECKPOINTS")
        if named:
            folder = Path(named)
        else:
            self._folder = self._folder or _private_folder()
            folder = self._folder
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def ready(self, *names: str) -> bool:
        """Tell whether all pieces of the chapter's groups ``names`` are done; at other profiles than paper False.

        Raises :class:`CheckError` where the chapter's plan has no such group.
        """
        from companion.pieces.assemble import group_of, is_ready

        groups = [group_of(self.root, self.chapter, name) for name in names]
        if self.profile != "paper" or not is_ready(self.root, groups):
            return False
        self._ready.update(names)
        return True

    def pieces(self, name: str) -> list[dict[str, Any]]:
        """Return the pieces of the group ``name`` in the plan's order, each with its ``arguments``, ``result`` and
        ``weights`` (the path of a safetensors file, or None).

        Raises :class:`CheckError` at any profile but paper, where pieces are missing, where matched arms cannot be
        compared, and under the runner where ``ready`` was not asked before: its record names what it said.
        """
        from companion.pieces.assemble import assembled, group_of

        group = group_of(self.root, self.chapter, name)
        if self.profile != "paper":
            raise CheckError(f"pieces {name}: expected profile paper, found {self.profile}, which uses none")
        if _recorded() and name not in self._ready:
            raise CheckError(f'pieces {name}: expected run.ready("{name}") before, found that it was not asked')
        return assembled(self.root, group)


def _private_folder() -> Path:
    """Return a fresh folder that goes away with the process."""
    import atexit
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="companion-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


_run: Run | None = None


def begin(page: str, *, profile: str, device: str = "cpu") -> Run:
    """Start the page ``chapter/name`` at ``profile`` and return its :class:`Run`.

    The repository's root is the environment's ``COMPANION_ROOT``, or found upwards from the current folder.
    Raises :class:`CheckError` for an unknown profile, ``PageError`` for an unknown page and ``DocumentError``
    for a ledger that breaks its rules.
    """
    global _run
    from companion.book.ledger import load_ledger
    from companion.book.pages import find_page

    if profile not in PROFILES:
        raise CheckError(
            f"profile: expected one of {', '.join(PROFILES)}, found {profile!r}{nearest(str(profile), PROFILES)}"
        )
    root = find_root()
    found = find_page(root, page)
    found.setting(profile)
    _run = Run(root, found.chapter, found.name, profile, str(device), load_ledger(root, found.chapter))
    return _run


def check(
    id: str, value: object = None, *, values: object = None, baseline: object = None, seeds: object = None
) -> Checked:
    """Judge the claim ``id``, display its one line, and return value, interval and verdict.

    Under the runner (``COMPANION_RUN`` is set) the line says ``measured``; elsewhere it says the verdict.

    Training claims take one number for each of ``seeds`` (at least three), and the ``baseline`` at the same
    seeds for a paired comparison: then the differences ``value - baseline`` are judged. All other kinds take
    a single ``value``, or ``values`` of which the worst decides. Raises :class:`CheckError`, one sentence,
    for anything that cannot be judged.
    """
    from companion.evidence.judging import assess
    from companion.evidence.verdict_line import MEASURED, html_line, plain_line

    run = _current("check")
    claims = {claim.id: claim for claim in run.ledger.claims}
    if id not in claims:
        raise CheckError(f"claim {id}: expected a claim of {run.ledger.label}, found none{nearest(id, claims)}")
    if claims[id].page != run.page:
        raise CheckError(f"claim {id}: expected a claim of page {run.page}, found one of page {claims[id].page}")
    checked = assess(claims[id], run.profile, value, values=values, baseline=baseline, seeds=seeds)
    _once(run, f"claim {id}")
    data = {"text/plain": plain_line(id, MEASURED if _recorded() else checked.verdict, run.profile)}
    if not _recorded():
        data["text/html"] = html_line(id, checked.verdict, run.profile, f"claims.html#{claims[id].anchor}")
    _show(data["text/plain"], data, {"check": checked.payload()})
    return checked


def note(name: str, value: object) -> None:
    """Put the number ``value`` into the record under ``name``, for prose to show; raise :class:`CheckError`
    otherwise.
    """
    from companion.evidence.judging import plain_number

    run = _current("note")
    if not isinstance(name, str) or not name.isidentifier():
        raise CheckError(f"note: expected a name like digits_accuracy, found {name!r}")
    number = plain_number(f"note {name}", value)
    _once(run, f"note {name}")
    _show(f"{name} = {number}", {"text/plain": ""}, {"note": {"name": name, "value": number}})


def _current(caller: str) -> Run:
    if _run is None:
        raise CheckError(f'{caller}: expected begin("chapter/page", profile=profile) before it, found no run')
    return _run


def _once(run: Run, name: str) -> None:
    """Refuse a second check of the same thing, unless a reader runs its cell again."""
    shell = _shell()
    again = shell is not None and not _recorded() and run._seen.get(name) != shell.execution_count
    if name in run._seen and not again:
        raise CheckError(f"{name}: expected once in a run, found twice")
    run._seen[name] = shell.execution_count if shell is not None else None


def _recorded() -> bool:
    """Tell whether the runner stores what is displayed."""
    return bool(os.environ.get("COMPANION_RUN"))


def _shell() -> Any:
    module = sys.modules.get("IPython")
    return module.get_ipython() if module else None


def _show(line: str, data: dict[str, str], payload: dict[str, Any]) -> None:
    """Display ``data`` with the payload in its metadata; outside a kernel print the line."""
    shell = _shell()
    if shell is None or not hasattr(shell, "kernel"):
        print(line)
        return
    from IPython.display import display

    display(data, raw=True, metadata={"companion": payload})
