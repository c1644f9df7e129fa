"""``companion judge``: every stored number judged by today's ledger, and each verdict against the accepted one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from companion.book.ledger import load_ledger
from companion.book.toc import chapters
from companion.errors import RunError, counted
from companion.evidence.record import read_record, record_files
from companion.evidence.rejudging import refusals
from companion.evidence.soundness import differences
from companion.root import claims_path

__all__ = ["Judgement", "judge_records"]


@dataclass(frozen=True)
class Judgement:
    """Verdicts that are not the accepted ones, what could not be judged, and how much was: one line for each."""

    differing: tuple[str, ...]
    problems: tuple[str, ...]
    numbers: int
    runs: int

    @property
    def summary(self) -> str:
        """The last line: counts and outcome."""
        differ = "is not the accepted one" if len(self.differing) == 1 else "are not the accepted ones"
        text = (
            f"{counted(self.numbers, 'stored number')} of {counted(self.runs, 'run')} judged; "
            f"{counted(len(self.differing), 'verdict')} {differ}"
        )
        return f"{text}; {counted(len(self.problems), 'problem')}" if self.problems else text


def judge_records(root: Path, chapter: str | None = None) -> Judgement:
    """Judge every stored number of every record below ``<root>/results``, of one chapter or of all.

    The runs of variations are left out: nobody accepts verdicts for other parameters than the profile's. A record
    that cannot be read, and numbers that cannot be judged, become problems. Raises ``DocumentError`` for a ledger
    that breaks its rules.
    """
    names = [chapter] if chapter else chapters(root)
    ledgers = {name: load_ledger(root, name) for name in names if claims_path(root, name).is_file()}
    differing: list[str] = []
    problems: list[str] = []
    numbers = runs = 0
    for path in record_files(root):
        ledger = ledgers.get(path.parent.name)
        if ledger is None:
            continue
        try:
            record = read_record(path)
        except RunError as error:
            problems.append(f"{path.relative_to(root).parent.as_posix()}/{error}")
            continue
        differing += differences(ledger, record)
        refused = refusals(ledger, record)
        problems += [f"{record.page_id} ({record.profile}): {line}" for line in refused.values()]
        numbers, runs = numbers + len(record.checks) - len(refused), runs + 1
    return Judgement(tuple(differing), tuple(problems), numbers, runs)
