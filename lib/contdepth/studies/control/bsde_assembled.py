"""Claims of deep BSDE from stored pieces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from contdepth.studies.common.arms import Piece, by_arm

__all__ = ["errors_of", "left_of", "mean_of_estimates"]


def _runs(pieces: Sequence[Piece], name: str) -> dict[str, Any]:
    found = by_arm(pieces, matched=False)
    (arm,) = found.results
    return found.alone(arm, name)


def errors_of(pieces: Sequence[Piece], reference: float) -> dict[str, Any]:
    """Distances of the values from ``reference`` in per cent, one for each seed, as arguments of a check."""
    runs = _runs(pieces, "value")
    return {**runs, "value": 100 * np.abs(runs["value"] / reference - 1)}


def left_of(pieces: Sequence[Piece]) -> dict[str, Any]:
    """The shares of the spread that the residuals leave, one for each seed, as arguments of a check."""
    return _runs(pieces, "left")


def mean_of_estimates(pieces: Sequence[Piece]) -> tuple[float, float]:
    """Mean and standard error of all independent estimates of the ``pieces``."""
    every = np.concatenate([np.asarray(one["result"]["estimates"], dtype=float) for one in pieces])
    return float(every.mean()), float(every.std(ddof=1) / math.sqrt(len(every)))
