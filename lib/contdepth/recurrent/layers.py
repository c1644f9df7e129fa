"""Small nets that the models of this room are made of, drawn where a generator draws."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from contdepth import checks
from contdepth.recurrent.sequence import Cell, uniform, zeros

__all__ = ["GatedCell", "Perceptron"]


class Perceptron(nn.Module):
    """Affine layers with tanh between them, ``sizes`` wide; weights of fan-in m between ±1/√m, biases 0."""

    def __init__(self, *sizes: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        for m, n in pairwise(sizes):
            checks.affordable("width", m, n)
        self.names = [(f"w{k}", f"b{k}") for k in range(len(sizes) - 1)]
        for (w, b), m, n in zip(self.names, sizes, sizes[1:], strict=False):
            self.register_parameter(w, uniform(generator, 1 / math.sqrt(m), n, m))
            self.register_parameter(b, zeros(generator, n))

    def forward(self, x: Tensor) -> Tensor:
        """Return the last layer's values ``(..., sizes[-1])`` for ``x`` ``(..., sizes[0])``."""
        for k, (w, b) in enumerate(self.names):
            x = functional.linear(torch.tanh(x) if k else x, getattr(self, w), getattr(self, b))
        return x


class GatedCell(Cell):
    """The gated recurrent unit: h ← z ⊙ h + (1 - z) ⊙ tanh(W_g x + U_g (r ⊙ h) + b_g), with gates r and z.

    Weights between ±1/√hidden, biases 0.
    """

    def __init__(self, inputs: int, hidden: int, *, generator: torch.Generator | None = None) -> None:
        super().__init__(inputs, hidden)
        bound, k = 1 / math.sqrt(self.hidden), self.hidden
        self.w, self.u = uniform(generator, bound, 3 * k, self.inputs), uniform(generator, bound, 3 * k, k)
        self.b = zeros(generator, 3 * k)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Return the state ``(n, hidden)`` after the row ``x`` ``(n, inputs)``, from ``h`` ``(n, hidden)``."""
        k = self.hidden
        driven = functional.linear(x, self.w, self.b)
        r, z = torch.sigmoid(driven[:, : 2 * k] + functional.linear(h, self.u[: 2 * k])).chunk(2, dim=-1)
        g = torch.tanh(driven[:, 2 * k :] + functional.linear(r * h, self.u[2 * k :]))
        return z * h + (1 - z) * g
