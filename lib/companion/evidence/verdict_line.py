"""The one line of a check, as text and as HTML: what a run stores, and what readers see once it is judged."""

from __future__ import annotations

from html import escape

__all__ = ["MEASURED", "SYMBOLS", "html_line", "plain_line", "slug"]

SYMBOLS = {
    "reproduced": "✓",
    "not reproduced": "✗",
    "undecided": "?",
    "holds": "✓",
    "fails": "✗",
    "open": "?",
    "not attempted": "–",
    "quoted": "”",
    "not run": "○",
}
"""The sign shown before each verdict's word, in the order of the scorecard's columns."""
MEASURED = "measured"
"""What a stored line says in the place of a verdict: a run stores numbers, and the ledger judges them later."""


def slug(verdict: str) -> str:
    """Return the CSS class of a verdict."""
    return verdict.replace(" ", "-")


def plain_line(id: str, word: str, profile: str) -> str:
    """Return the line of a check as text: ``schemes.order.heun: measured (book)``; ``word`` may be a verdict."""
    return f"{id}: {word} ({profile})"


def html_line(id: str, verdict: str, profile: str, address: str, anchor: str | None = None) -> str:
    """Return the line of a judged check as HTML.

    Args:
        id: the claim.
        verdict: what its numbers give.
        profile: the profile of the run.
        address: where the claim's row is.
        anchor: the line's own id; none without.
    """
    name = "" if anchor is None else f' id="{escape(anchor)}"'
    sign = f'<span aria-hidden="true">{SYMBOLS[verdict]}</span>'
    return (
        f'<p class="companion-verdict {slug(verdict)}"{name}>{sign} '
        f'<a href="{escape(address)}">{escape(id)}</a>: {verdict} ({profile})</p>'
    )
