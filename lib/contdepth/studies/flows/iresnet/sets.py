"""A law in the plane whose density is known, so that what a model lacks can be told from what nobody can have."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from contdepth.seeds import generator

__all__ = ["Moons"]


class Moons:
    """Two half circles that interlock, with normal noise of ``spread``, centred and divided by ``scale``."""

    def __init__(self, spread: float = 0.1, scale: float = 0.75) -> None:
        self.spread, self.scale = spread, scale

    def _arcs(self, angle: Tensor) -> Tensor:
        """Points of both arcs at ``angle`` (n,): (2, n, 2)."""
        upper = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], -1)
        return torch.stack([upper, -upper]) / self.scale

    def sample(self, count: int, source: torch.Generator) -> Tensor:
        """Draw points."""
        angle, which = math.pi * torch.rand(count, generator=source), torch.rand(count, generator=source) < 0.5
        arcs = self._arcs(angle)
        noise = torch.randn(count, 2, generator=source)
        return torch.where(which[:, None], arcs[0], arcs[1]) + self.spread / self.scale * noise

    def log_density(self, x: Tensor) -> Tensor:
        """By the midpoint rule along the arcs, whose nodes lie closer than a third of the spread."""
        nodes = max(40, math.ceil(3 * math.pi / self.spread))
        angle = math.pi * (torch.arange(nodes, dtype=x.dtype) + 0.5) / nodes
        variance = (self.spread / self.scale) ** 2
        centres = self._arcs(angle).flatten(0, 1)
        parts = [
            torch.logsumexp(-torch.cdist(rows, centres).square() / (2 * variance), 1) for rows in x.split(4096)
        ]
        return torch.cat(parts) - math.log(len(centres) * 2 * math.pi * variance)

    def entropy(self, count: int = 100_000) -> float:
        """-E ln p(x) in nats, a mean over ``count`` points: no model of the law has a lower mean loss."""
        return -float(self.log_density(self.sample(count, generator(0, "entropy")).double()).mean())
