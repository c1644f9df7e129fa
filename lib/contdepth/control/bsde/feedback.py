"""Z as a learned feedback: one small model for all times, evaluated at all steps of all paths in one call."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from contdepth import checks, seeds

__all__ = ["Feedback", "LeastFeedback"]


def _seeds_and_steps(seed: Sequence[int], sizes: Tensor, dim: int) -> tuple[list[int], Tensor]:
    each = checks.several("seed", seed, "give a tuple of seeds")
    if not each:
        checks.fail("seed", "at least one seed", "none")
    h = checks.reals("sizes", sizes, ndim=1).detach().to(torch.float64)
    checks.integer("dim", dim, at_least=1)
    checks.affordable("dim", len(each), len(h), dim)
    return list(each), h


class Feedback(nn.Module):
    """Z_n(x) = k_n ∘ x̂ (1 + N(n, |x̂|²/d)) for several seeds at once, x̂ = x/(σ√t_n); zero at first.

    ``sizes`` (steps,) are the lengths of the time steps, ``volatility`` is σ. ``gain`` (S, steps, 1, d), or
    (S, steps, 1, 1) where all coordinates have a ``shared`` one, holds k; N is a network with one hidden layer of
    ``width`` tanh units and one output.
    A departure from Han, Jentzen, E 2018, who take a network with two hidden layers of d + 10 units for each step:
    all steps are one product here, there is no batch norm, and each entry of Z starts from its own entry of x.

    Raises:
        TypeError, ValueError: no seeds, or numbers that are not positive.
    """

    def __init__(
        self,
        seed: Sequence[int],
        sizes: Tensor,
        dim: int,
        volatility: float,
        width: int = 32,
        *,
        shared: bool = False,
    ) -> None:
        super().__init__()
        each, h = _seeds_and_steps(seed, sizes, dim)
        n = len(h)
        checks.integer("width", width, at_least=1)
        first = [
            torch.randn(3, width, generator=seeds.generator(s, "feedback"), dtype=torch.float64) for s in each
        ]
        drawn = torch.stack(first) / 2
        self.gain = nn.Parameter(torch.zeros(len(each), n, 1, 1 if shared else dim, dtype=torch.float64))
        self.inner = nn.Parameter(drawn[:, :2].clone())
        self.shift = nn.Parameter(drawn[:, 2:].clone())
        self.outer = nn.Parameter(torch.zeros(len(each), width, 1, dtype=torch.float64))
        size = checks.real("volatility", volatility, above=0) * (h.cumsum(0) - h).sqrt()
        size[0] = volatility * math.sqrt(float(h[0]) / 2)
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


class LeastFeedback(nn.Module):
    """Z_n(x) = σ a_n g(x) softmax(-c e^{b_n} x / (σ√(T - t_n))), for g like the least of prices eˣ; zero at first.

    By symmetry Z asks how likely each coordinate is to end as the least. With c = √(2 ln d) the softmax at b = 0
    is what extreme values of independent Gaussians say; a_n and b_n (S, steps, 1, 1) are learned. There is no
    other parameter: a departure from Han, Jentzen, E 2018, whose networks know nothing of the symmetry.

    Raises:
        TypeError, ValueError: no seeds, or numbers that are not positive.
    """

    def __init__(
        self,
        seed: Sequence[int],
        sizes: Tensor,
        dim: int,
        volatility: float,
        terminal: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        each, h = _seeds_and_steps(seed, sizes, dim)
        self.volatility, self.terminal = checks.real("volatility", volatility, above=0), terminal
        zero = torch.zeros(len(each), len(h), 1, 1, dtype=torch.float64)
        self.gain, self.sharper = nn.Parameter(zero), nn.Parameter(zero.clone())
        left = h.flip(0).cumsum(0).flip(0)
        sharp = math.sqrt(2 * math.log(max(dim, 2))) / (volatility * left.sqrt())
        self.register_buffer("sharp", sharp.view(1, -1, 1, 1))

    def forward(self, x: Tensor, steps: slice = slice(None)) -> Tensor:
        """Z at ``x`` (S, n, batch, d), whose second dimension are the ``steps``; the same shape."""
        checks.reals("x", x, ndim=4, like=self.gain)
        sharp = self.get_buffer("sharp")[:, steps] * self.sharper[:, steps].exp()
        size = self.volatility * self.gain[:, steps] * self.terminal(x)[..., None]
        return size * (-sharp * x).softmax(-1)
