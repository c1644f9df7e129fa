"""The step of a recurrent network whose Jacobian has an imaginary spectrum, plain and with a gate."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from contdepth import checks
from contdepth.recurrent.sequence import Cell, normal, zeros

__all__ = ["AntisymmetricCell"]


class AntisymmetricCell(Cell):
    """h ← h + ε tanh(A h + V x + b) with A = W - Wᵀ - γI (Chang et al., ICLR 2019), a step of Euler's method.

    With a gate: h ← h + ε σ(A h + V_z x + b_z) ⊙ tanh(A h + V x + b), with the same A. The Jacobian of the plain
    right-hand side is D A with a positive diagonal D; for γ = 0 its spectrum is imaginary, and a step of Euler's
    method enlarges what it turns: |1 + ελ| > 1. γ > 0 shifts it to the left; where D = 1 and A has the
    eigenvalues -γ ± iω, no step enlarges as long as ε (γ² + ω²) <= 2γ.

    Only the n(n-1)/2 numbers of W above the diagonal are parameters, ``upper``, drawn from N(0, σ²/n); V is drawn
    from N(0, 1/m) for m inputs; biases are 0.

    Args:
        inputs: m.
        hidden: n.
        step: ε; the paper tries 0.01, 0.1 and 1.
        diffusion: γ, at least 0.
        gated: whether there is a gate.
        spread: σ; the paper tries 0, 1, 2, 4, 8 and 16.
        generator: draws the parameters, where it draws; None: the global one of the CPU.

    Raises:
        TypeError, ValueError: a wrong argument; a row or state that does not fit.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        *,
        step: float = 0.01,
        diffusion: float = 0.01,
        gated: bool = False,
        spread: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(inputs, hidden)
        self.step = checks.real("step", step, above=0)
        self.diffusion = checks.real("diffusion", diffusion, at_least=0)
        spread = checks.real("spread", spread, at_least=0)
        self.gated = checks.instance("gated", gated, bool)
        n, m = self.hidden, self.inputs
        self.upper = normal(generator, spread / math.sqrt(n), n * (n - 1) // 2)
        parts = 2 if self.gated else 1
        self.v = normal(generator, 1 / math.sqrt(m), parts * n, m)
        self.b = zeros(generator, parts * n)

    def matrix(self) -> Tensor:
        """Return A = W - Wᵀ - γI, ``(hidden, hidden)``."""
        n = self.hidden
        i, j = torch.triu_indices(n, n, 1, device=self.upper.device)
        w = self.upper.new_zeros(n, n).index_put((i, j), self.upper)
        eye = torch.eye(n, dtype=w.dtype, device=w.device)
        return w - w.mT - self.diffusion * eye

    def rate(self, x: Tensor, h: Tensor) -> Tensor:
        """Return the right-hand side that the step multiplies by ε, ``(n, hidden)``, for a row and a state."""
        self.fitting(x, h)
        return self._rate(x, h)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Return the state ``(n, hidden)`` after the row ``x`` ``(n, inputs)``, from ``h`` ``(n, hidden)``."""
        self.fitting(x, h)
        return h + self.step * self._rate(x, h)

    def _rate(self, x: Tensor, h: Tensor) -> Tensor:
        turned = functional.linear(h, self.matrix())
        driven = functional.linear(x, self.v, self.b)
        if not self.gated:
            return torch.tanh(turned + driven)
        plain, gate = driven.chunk(2, dim=-1)
        return torch.sigmoid(turned + gate) * torch.tanh(turned + plain)
