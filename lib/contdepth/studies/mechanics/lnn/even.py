"""A network of the acceleration that is even in the speed: its motion can be run backwards."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from contdepth.mechanics import AccelerationNet

__all__ = ["EvenNet"]


class EvenNet(nn.Module):
    """q'' = (a(q, v) + a(q, -v))/2 of one network a, for one degree of freedom.

    If (q(t), v(t)) is a motion, so is (q(-t), -v(-t)): a path that rests on either side of a hollow closes,
    and every function of the state comes back after a turn, the true energy among them.

    Args:
        hidden: widths of the hidden layers.
        generator: draws the weights.
    """

    def __init__(self, hidden: Sequence[int], *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.net = AccelerationNet(1, hidden, generator=generator)

    def acceleration(self, q: Tensor, v: Tensor) -> Tensor:
        """Return q'' ``(..., 1)``."""
        both = self.net.acceleration(torch.stack((q, q)), torch.stack((v, -v)))
        return both.mean(0)

    def field(self, t: Tensor, u: Tensor) -> Tensor:
        """Return (v, q'') ``(..., 2)`` for u = (q, v); t is not looked at."""
        q, v = u.chunk(2, -1)
        return torch.cat((v, self.acceleration(q, v)), -1)
