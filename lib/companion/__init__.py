"""The bookkeeping of the book: ledgers, runs, records, verdicts and their pages. Never imports torch.

A page uses three functions: :func:`begin` once, then :func:`check` for each claim and :func:`note` for each
other number that its prose shows.
"""

from companion.run.session import begin, check, note

__all__ = ["begin", "check", "note"]
