"""Freshness: whether a stored run still speaks for its page, and what keeps it doing so."""
