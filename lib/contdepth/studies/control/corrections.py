"""Corrections of a model by small networks, those of several seeds at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from contdepth.schemes import Field
from contdepth.seeds import generator

__all__ = ["Corrections", "Hybrid"]

CENTRE, SPREAD = torch.tensor([0.0, 0.0, 25.0], dtype=torch.float64), 10.0
UNIT = 30.0


class Corrections(torch.nn.Module):
    """M(u) for u ``(seeds, batch, 3)``: two hidden layers of ``width`` units with tanh, a network for each seed.

    Weights start as those of ``torch.nn.Linear`` do. Departure from Ouala et al. 2023: states are centred and
    scaled before the first layer and the last one's values are scaled by fixed numbers, so that weights of the
    size that they start with do; without that most steps of Adam are spent on letting them grow.
    """

    def __init__(self, seeds: Sequence[int], width: int = 3) -> None:
        super().__init__()
        sizes = [(3, width), (width, width), (width, 3)]
        weights: list[list[Tensor]] = [[] for _ in range(6)]
        for seed in seeds:
            draw = generator(seed, "corrections")
            for layer, (n, m) in enumerate(sizes):
                for place, shape in enumerate(((n, m), (1, m))):
                    value = torch.rand(shape, generator=draw, dtype=torch.float64)
                    weights[2 * layer + place].append((2 * value - 1) / n**0.5)
        self.weights = torch.nn.ParameterList([torch.stack(one) for one in weights])

    def forward(self, t: Tensor, u: Tensor) -> Tensor:
        """Return M(u), ``(seeds, batch, 3)``."""
        x = (u - CENTRE.to(u.device)) / SPREAD
        for layer in range(2):
            x = torch.tanh(torch.baddbmm(self.weights[2 * layer + 1], x, self.weights[2 * layer]))
        return UNIT * torch.baddbmm(self.weights[5], x, self.weights[4])


class Hybrid(torch.nn.Module):
    """u' = F(t, u) + M(u)."""

    def __init__(self, core: Field, correction: Corrections) -> None:
        super().__init__()
        self.core, self.correction = core, correction

    def forward(self, t: Tensor, u: Tensor) -> Tensor:
        """Return the right-hand side at u ``(seeds, batch, 3)``."""
        return self.core(t, u) + self.correction(t, u)
