"""Printed text whose numbers may differ a little: what is left without them, and how far they lie apart."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

__all__ = ["PLACES", "RELATIVE", "apart", "skeleton", "without_pictures", "without_terms"]

RELATIVE = 1e-2
"""Largest relative difference of two printed numbers that another machine may give."""
PLACES = 2
"""The same in units of the last printed place; the larger of both counts."""
_NUMBER = re.compile(r"[-+\u2212]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
_BLANKS = re.compile(r"[ \t]+")
_PICTURE = re.compile(r"[A-Za-z0-9+/]{200,}={0,2}")
_EQUATION = re.compile(r"^(\s*\w+_t = ).*$", re.MULTILINE)
_SYSTEM = re.compile(r"(\\begin\{array\}).*?(\\end\{array\})", re.DOTALL)


def skeleton(text: str) -> str:
    """Return ``text`` with each number replaced by one sign and each run of blanks by one: columns of numbers are
    as wide as their digits ask for.
    """
    return _BLANKS.sub(" ", _NUMBER.sub(" # ", text)).replace(" \n", "\n").strip()


def without_pictures(text: str) -> str:
    """Return ``text`` with pictures that are written out in base64 replaced by one number."""
    return _PICTURE.sub("0", text)


def without_terms(text: str) -> str:
    """Return ``text`` with nothing behind ``u_t =`` and nothing in typeset arrays: of what a trained model prints
    there, rounding moves small terms to either side of the least that is printed, and the order of terms of like
    size with it.
    """
    return _SYSTEM.sub(r"\1\2", _EQUATION.sub(r"\1", text))


def apart(stored: Iterable[str], fresh: Iterable[str]) -> str | None:
    """Return the first pair of numbers, as printed, that lie further apart than ``RELATIVE`` and ``PLACES``;
    None where all are near. Texts of unlike form have no pairs beyond the shorter one.
    """
    for before, now in zip(_numbers(stored), _numbers(fresh), strict=False):
        a, b = _value(before), _value(now)
        allowed = max(RELATIVE * max(abs(a), abs(b)), PLACES * max(_unit(before), _unit(now)))
        if abs(a - b) > allowed * (1 + 1e-9):
            return f"stored {before}, found {now}"
    return None


def _numbers(texts: Iterable[str]) -> list[str]:
    return [number for text in texts for number in _NUMBER.findall(text)]


def _value(number: str) -> float:
    return float(number.replace("\u2212", "-"))


def _unit(number: str) -> float:
    """Return what one step of the last printed digit is worth."""
    mantissa, _, exponent = number.lower().partition("e")
    return math.pow(10, int(exponent or 0) - len(mantissa.partition(".")[2]))
