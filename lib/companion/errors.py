"""The exceptions of the bookkeeping: each message is one sentence that says what was expected and what was
found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

__all__ = ["CheckError", "CompanionError", "DocumentError", "PageError", "RunError", "counted", "nearest"]


class CompanionError(Exception):
    """Base of every error that the command line reports as one sentence, without a traceback."""


class DocumentError(CompanionError):
    """A ledger or ``runs.yml`` breaks its rules; ``problems`` holds one sentence for each breach."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - 1
        super().__init__(
            self.problems[0] + (f" (and {more} more: companion check-ledger lists them)" if more else "")
        )


class PageError(CompanionError):
    """A page, its parameters or its place in ``runs.yml`` is not what was asked for."""


class CheckError(CompanionError):
    """``begin``, ``check`` or ``note`` was called with something that cannot be judged."""


class RunError(CompanionError):
    """A run could not be started, or its evidence could not be stored."""


def nearest(word: str, options: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the option closest to ``word``, or an empty string."""
    found = get_close_matches(word, list(options), n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""


def counted(number: int, word: str) -> str:
    """Return ``1 run``, ``2 runs``."""
    return f"{number} {word}{'' if number == 1 else 's'}"
