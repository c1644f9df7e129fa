"""The bookkeeping of the book: ledgers, runs, records, verdicts and their pages. Never imports torch."""
