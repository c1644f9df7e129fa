"""What pieces on BSD68 say, as arguments of checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from contdepth.studies.common.arms import Piece

__all__ = ["distance_of", "stages_of"]


def stages_of(pieces: Sequence[Piece]) -> np.ndarray:
    """Mean PSNR over the pictures of u_1 … u_T in dB: ``(seeds, stages)``."""
    return np.array([np.mean(one["result"]["psnr"], axis=1) for one in pieces])


def distance_of(pieces: Sequence[Piece], figure: float) -> dict[str, Any]:
    """The last stage's mean PSNR less ``figure``, one for each seed, with the seeds."""
    seeds = [one["arguments"]["seed"] for one in pieces]
    return {"value": stages_of(pieces)[:, -1] - figure, "seeds": seeds}
