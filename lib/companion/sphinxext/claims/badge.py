"""Verdict badges and the mark of unverified figures: always a sign and a word, never colour alone."""

from __future__ import annotations

from companion.sphinxext.element import Element, el
from companion.sphinxext.wording import SYMBOLS, slug

__all__ = ["ALL_UNVERIFIED", "DAGGER_LEGEND", "badge", "sign", "unverified_mark"]

DAGGER_LEGEND = "unverified: quoted through the source named, not checked against the paper itself"
ALL_UNVERIFIED = f"† All figures of the paper in this table are {DAGGER_LEGEND}."
"""What a table says in its caption instead of marking every figure."""


def badge(verdict: str) -> Element:
    """Return the verdict as sign and word."""
    sign = el("span", {"class": "symbol", "aria-hidden": "true"}, SYMBOLS[verdict])
    return el("span", {"class": f"companion-badge {slug(verdict)}"}, sign, " ", verdict)


def sign(verdict: str) -> Element:
    """Return the sign alone, with the word for those who hear the page."""
    shown = el("span", {"aria-hidden": "true"}, SYMBOLS[verdict])
    return el(
        "span",
        {"class": f"companion-sign {slug(verdict)}"},
        shown,
        el("span", {"class": "companion-hidden"}, f" {verdict}"),
    )


def unverified_mark() -> Element:
    """Return the dagger behind a figure that nobody has checked against the paper."""
    return el(
        "span",
        {"class": "companion-mark", "title": DAGGER_LEGEND},
        el("span", {"aria-hidden": "true"}, "†"),
        el("span", {"class": "companion-hidden"}, " (unverified)"),
    )
