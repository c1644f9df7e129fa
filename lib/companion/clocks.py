"""What a clock measured: it has to be there, and may say something else each time."""

from __future__ import annotations

import re

__all__ = ["CLOCK", "CLOCK_TAG", "clock_note"]

CLOCK_TAG = "clock"
"""Tag of the cells that show or note measured times: their figures, notes and printed numbers may differ."""
CLOCK = "time_"
"""How the name of a noted time begins; the older names end or begin with their unit."""
_NAMES = re.compile(rf"({CLOCK}|seconds_).*|.*_(seconds|ms)")


def clock_note(name: str) -> bool:
    """Tell whether the name of a noted number says that a clock measured it."""
    return bool(_NAMES.fullmatch(name))
