"""The step of a recurrent network towards the equilibrium of a differential equation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from contdepth import checks
from contdepth.recurrent.sequence import Cell, normal, zeros

__all__ = ["EquilibriumCell"]


class EquilibriumCell(Cell):
    """h ← g(∞) of g' = tanh(U(g + h) + W x + b) - α(g + h), by K steps of Euler's method from g = 0.

    Kag et al., ICLR 2020, the iRNN. At the equilibrium g + h depends on x alone, hence dg/dh = -I: the product of
    such Jacobians over a series neither vanishes nor grows. The sizes of the K steps are parameters.

    Args:
        inputs: numbers in a row.
        hidden: numbers in a state, k.
        inner: K; with few steps the Jacobian is not yet -I.
        decay: α > 0.
        size: what each of the K sizes is at first. The equilibrium is unique and attracts where ‖U‖ < α, and
            these steps come near where ``size`` is small against 2 / (α + ‖U‖).
        spread: U is drawn from N(0, ``spread``²/k), of norm about 2 ``spread``, W from N(0, 1/inputs); b is 0.
            All three are choices of this library.
        generator: draws the parameters, where it draws; None: the global one of the CPU.

    Raises:
        TypeError, ValueError: a wrong argument; a row or state that does not fit.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        *,
        inner: int = 5,
        decay: float = 1.0,
        size: float = 0.5,
        spread: float = 0.4,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(inputs, hidden)
        steps = checks.integer("inner", inner, at_least=1, at_most=10_000)
        self.decay = checks.real("decay", decay, above=0)
        size = checks.real("size", size, above=0)
        spread = checks.real("spread", spread, at_least=0)
        k, m = self.hidden, self.inputs
        self.u = normal(generator, spread / math.sqrt(k), k, k)
        self.w = normal(generator, 1 / math.sqrt(m), k, m)
        self.b = zeros(generator, k)
        self.sizes = nn.Parameter(zeros(generator, steps).detach() + size)

    def rate(self, x: Tensor, h: Tensor, g: Tensor) -> Tensor:
        """Return g' at ``g`` ``(n, hidden)`` for the row ``x`` and the state ``h`` before it; 0 at equilibrium."""
        self.fitting(x, h)
        checks.same_shape("g", checks.reals("g", g, like=self.like), tuple(h.shape))
        return self._rate(functional.linear(x, self.w, self.b), g + h)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Return the state ``(n, hidden)`` after the row ``x`` ``(n, inputs)``, from ``h`` ``(n, hidden)``."""
        self.fitting(x, h)
        driven, g = functional.linear(x, self.w, self.b), torch.zeros_like(h)
        for size in self.sizes:
            g = g + size * self._rate(driven, g + h)
        return g

    def _rate(self, driven: Tensor, both: Tensor) -> Tensor:
        return torch.tanh(functional.linear(both, self.u) + driven) - self.decay * both
