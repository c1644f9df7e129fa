"""Z as a learned feedback: one small model for all times, evaluated at all steps of all paths in one call."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from contdepth import checks, seeds

__all__ = ["Feedback"]


class Feedback(nn.Module):
    """Z_n(x) = k_n ∘ x̂ (1 + N(t_n, |x̂|²/d)) for several seeds at once, x̂ = x/(σ√t_n); zero at first.

    ``gain`` (S, steps, 1, d) holds k, N is a network with one hidden layer of ``width`` tanh units and one output.
    A departure from Han, Jentzen, E 2018, who take a network with two hidden layers of d + 10 units for each step:
    all steps are one product here, there is no batch norm, and each entry of Z starts from its own entry of x.

    Raises:
        TypeError, ValueError: no seeds, or numbers that are not positive.
    """

    def __init__(self, seed: Sequence[int], steps: int, dim: int, deviation: float, width: int = 32) -> None:
        super().__init__()
        each = checks.several("seed", seed, "give a tuple of seeds")
        if not each:
            checks.fail("seed", "at least one seed", "none")
        n = checks.integer("steps", steps, at_least=1)
        checks.integer("dim", dim, at_least=1)
        checks.integer("width", width, at_least=1)
        checks.affordable("dim", len(each), n, dim)
        first = [
            torch.randn(3, width, generator=seeds.generator(s, "feedback"), dtype=torch.float64) for s in each
        ]
        drawn = torch.stack(first) / 2
        self.gain = nn.Parameter(torch.zeros(len(each), n, 1, dim, dtype=torch.float64))
        self.inner = nn.Parameter(drawn[:, :2].clone())
        self.shift = nn.Parameter(drawn[:, 2:].clone())
        self.outer = nn.Parameter(torch.zeros(len(each), width, 1, dtype=torch.float64))
        size = checks.real("deviation", deviation, above=0) * torch.arange(n, dtype=torch.float64).sqrt()
        size[0] = deviation / math.sqrt(2)
        self.register_buffer("size", size.view(1, n, 1, 1))
        self.register_buffer("time", torch.arange(n, dtype=torch.float64).view(1, n, 1, 1) / n)

    def forward(self, x: Tensor, steps: slice = slice(None)) -> Tensor:
        """Z at ``x`` (S, n, batch, d), whose second dimension are the ``steps``; the same shape."""
        x = checks.reals("x", x, ndim=4, like=self.gain) / self.get_buffer("size")[:, steps]
        square = x.square().mean(-1, keepdim=True)
        time = self.get_buffer("time")[:, steps].expand_as(square)
        seen = torch.cat((square - 1, time), -1).flatten(1, 2)
        factor = 1 + torch.baddbmm(self.shift, seen, self.inner).tanh() @ self.outer
        return self.gain[:, steps] * x * factor.view_as(square)
