"""Stored runs as evidence: records, the numbers in them, and the verdicts on those."""
