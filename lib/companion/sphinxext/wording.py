"""Numbers, intervals, dates and verdicts in the words and signs that pages use."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from companion.evidence.verdict_line import SYMBOLS, slug

__all__ = ["SYMBOLS", "date", "duration", "interval", "number", "seeds", "share", "slug", "span", "typeset"]

PLAIN_EXPONENTS = range(-3, 6)
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: Any, spec: str = "") -> str:
    """Return ``value`` as a page shows it.

    Args:
        value: a number, a string (kept), a list (joined by commas) or ``None`` (an en dash).
        spec: a Python format specification for floats; without it four significant digits,
            and a power of ten below 0.001 and from 1,000,000 on.

    Raises:
        ValueError: if ``spec`` does not fit the value.
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return format(value, spec)
    if isinstance(value, Sequence):
        return ", ".join(number(v, spec) for v in value)
    if spec:
        return typeset(format(value, spec)).replace("-", "−")
    if not math.isfinite(value):
        return str(value).replace("inf", "∞").replace("-", "−")
    if isinstance(value, int):
        return _minus(f"{value:,}" if abs(value) >= 10_000 else str(value))
    if value != 0 and math.floor(math.log10(abs(value))) not in PLAIN_EXPONENTS:
        return _minus(typeset(f"{value:.2e}"))
    digits = max(4, math.floor(math.log10(abs(value))) + 1) if value else 1
    return _minus(f"{value:.{digits}g}")


def _minus(text: str) -> str:
    return text.replace("-", "−")


def interval(value: float | None, bounds: Sequence[float] | None, spec: str = "") -> str:
    """Return ``value [low, high]``; without ``spec`` the digits follow from the interval's width (two of them)."""
    if not bounds or bounds[0] == bounds[1]:
        return number(value, spec)
    low, high = bounds
    width = high - low
    if not spec and math.isfinite(width) and 1e-3 <= width < 1e6:
        spec = f".{max(0, 1 - math.floor(math.log10(width / 2)))}f"
    return f"{number(value, spec)} [{number(low, spec)}, {number(high, spec)}]"


def span(low: float, high: float, spec: str = "") -> str:
    """Return the figure of somebody who gives a range: ``4 to 5``."""
    return f"{number(low, spec)} to {number(high, spec)}"


def share(part: float) -> str:
    """Return a share in per cent, two digits: ``2 %``."""
    return f"{number(float(f'{100 * part:.2g}'))} %"


def typeset(text: str) -> str:
    """Return text of the ledger with true minus signs and powers of ten: ``< 1e-10`` becomes ``< 10⁻¹⁰``."""

    def power(match: re.Match[str]) -> str:
        mantissa = "" if match[1] == "1" else f"{match[1]} × "
        return f"{mantissa}10{str(int(match[2])).translate(SUPERSCRIPTS)}"

    return re.sub(r"(?<![\w.])-(?=[\d.])", "−", re.sub(r"(?<![\w.])(\d+(?:\.\d+)?)e([-+]?\d+)\b", power, text))


def seeds(values: Iterable[int] | None) -> str:
    """Return seeds with runs folded: ``0–4, 7``; empty without seeds."""
    runs: list[list[int]] = []
    for seed in sorted(set(values or ())):
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}–{r[-1]}" for r in runs)


def duration(seconds: float) -> str:
    """Return seconds, minutes or hours, two digits."""
    if seconds < 99.5:
        return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def date(stamp: str) -> str:
    """Return an ISO-8601 time as ``4 May 2026``."""
    moment = datetime.fromisoformat(stamp)
    return f"{moment.day} {moment:%B %Y}"
