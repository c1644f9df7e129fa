"""Flags and warnings of estimators: the sentences of ``contdepth.checks`` for what may be meant or may go on."""

from __future__ import annotations

import sys
import warnings

import numpy as np

from contdepth.checks import fail

__all__ = ["boolean", "warn"]


def warn(argument: str, expected: str, found: object, hint: str, *, category: type[Warning]) -> None:
    """Warn in the sentence of ``fail``, at the line outside this package that called it."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("contdepth."):
        frame, level = frame.f_back, level + 1
    warnings.warn(f"{argument}: expected {expected}, found {found}; {hint}", category, stacklevel=level)


def boolean(argument: str, value: object) -> bool:
    """Return ``value`` if it is True or False, NumPy's included; raise ``TypeError`` otherwise."""
    if not isinstance(value, bool | np.bool_):
        fail(argument, "True or False", f"{value!r} ({type(value).__name__})", error=TypeError)
    return bool(value)
