"""Counts of accepted and rejected steps, one a member: kept as masks, and added up many at a time."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["OwnCounts"]

MOST = 2**16
"""Numbers in the masks that are kept, about."""


class OwnCounts:
    """``accepted`` and ``rejected`` ``(members, 1)``, of steps whose size is not 0."""

    def __init__(self, zeros: Tensor) -> None:
        self.accepted, self.rejected = zeros.clone(), zeros.clone()
        self.most = 1 + MOST // max(1, len(zeros))
        self.steps: list[Tensor] = []
        self.good: list[Tensor] = []

    def note(self, step: Tensor, good: Tensor) -> None:
        """Keep whose steps were accepted."""
        self.steps.append(step)
        self.good.append(good)
        if len(self.good) == self.most:
            self.add_up()

    def add_up(self) -> None:
        """Count what was kept."""
        if self.good:
            moved, good = torch.stack(self.steps) > 0, torch.stack(self.good)
            self.accepted += (moved & good).sum(0)
            self.rejected += (moved & ~good).sum(0)
            self.steps.clear()
            self.good.clear()
