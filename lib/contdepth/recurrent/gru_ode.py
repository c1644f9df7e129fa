"""The gated recurrent unit as a differential equation, and its jump where something is observed."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from contdepth import checks, devices
from contdepth.recurrent.between import Between
from contdepth.recurrent.sequence import Cell, uniform, zeros

__all__ = ["GRUJump", "GRUODE"]


class GRUODE(Between):
    """h' = (1 - z) ⊙ (g - h), r = σ(U_r h + b_r), z = σ(U_z h + b_z), g = tanh(U_g (r ⊙ h) + b_g).

    De Brouwer et al., NeurIPS 2019, without inputs between observations; the authors' code has no biases there,
    and another cell by default, with z in the place of r. Since |g| < 1 and 1 - z > 0, a state with ‖h‖∞ <= 1
    keeps this; so do Euler steps of at most 1, each a weighted mean of h and g.

    Args:
        hidden: numbers in a state, k; the matrices are drawn between ±1/√k, biases are 0.
        step: size of an Euler step, at most 1 in the unit of time, where a gap has as many equal ones as it needs
            (by a share of 1e-4 they may be longer). None solves to the tolerances, each member by
            steps of its own.
        rtol: relative tolerance.
        atol: absolute one.
        generator: draws the parameters, where it draws; None: the global one of the CPU.

    Raises:
        TypeError, ValueError: a wrong argument; a state or gaps that do not fit; more than 100,000 Euler steps.
        IntegrationError: the tolerances cannot be kept within 10,000 steps.
    """

    def __init__(
        self,
        hidden: int,
        *,
        step: float | None = 0.1,
        rtol: float = 1e-4,
        atol: float = 1e-6,
        generator: torch.Generator | None = None,
    ) -> None:
        hint = "a longer step may leave [-1, 1]"
        super().__init__(hidden, step, rtol, atol, longest=1, hint=hint)
        k = self.hidden
        checks.affordable("hidden", 3 * k, k)
        self.u = uniform(generator, 1 / math.sqrt(k), 3 * k, k)
        self.b = zeros(generator, 3 * k)

    @property
    def like(self) -> Tensor:
        """A parameter: of which dtype the states are, and where."""
        return self.u

    def _rate(self, h: Tensor) -> Tensor:
        matrices, (b_r, b_z, b_g) = self.u.chunk(3), self.b.chunk(3)
        r = torch.sigmoid(functional.linear(h, matrices[0], b_r))
        z = torch.sigmoid(functional.linear(h, matrices[1], b_z))
        return (1 - z) * (torch.tanh(functional.linear(r * h, matrices[2], b_g)) - h)


class GRUJump(Cell):
    """A gated recurrent unit whose input sees only what was observed: GRU-Bayes (De Brouwer et al. 2019).

    For each of the d numbers of a row, y with the mean μ and standard deviation s that were predicted for it gives
    (y, μ, ln s², (y - μ)/s), of which ``features`` rectified affine functions, own ones for each number, are the
    input; those of missing numbers are 0. A series with no number observed in the row keeps its state.
    The authors' code takes PyTorch's cell, which has r ⊙ (U_g h) where this one has U_g (r ⊙ h); both keep
    ‖h‖∞ <= 1.

    Args:
        inputs: d.
        hidden: k; the matrices are drawn between ±1/√k, those of the features between ±1/2, biases are 0.
        features: numbers made of each number of a row.
        generator: draws the parameters, where it draws; None: the global one of the CPU.

    Raises:
        TypeError, ValueError: a wrong argument; tensors that do not fit.
    """

    def __init__(
        self, inputs: int, hidden: int, *, features: int = 4, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(inputs, hidden)
        p, d, k = checks.integer("features", features, at_least=1), self.inputs, self.hidden
        checks.affordable("features", p, d, 3 * k)
        self.prepare = uniform(generator, 0.5, d, 4, p)
        self.offset = zeros(generator, d, p)
        self.w = uniform(generator, 1 / math.sqrt(k), 3 * k, d * p)
        self.u = uniform(generator, 1 / math.sqrt(k), 3 * k, k)
        self.b = zeros(generator, 3 * k)

    def forward(self, x: Tensor, h: Tensor, mask: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Return the states ``(n, hidden)`` after the row.

        Args:
            x: the row ``(n, d)``, any finite number where missing.
            h: states before it, ``(n, hidden)``.
            mask: what was observed, bool ``(n, d)``.
            mean: what was predicted for the row, ``(n, d)``.
            log_variance: the logarithm of its variance, ``(n, d)``.
        """
        self.fitting(x, h)
        for name, one in (("mean", mean), ("log_variance", log_variance)):
            checks.same_shape(name, checks.reals(name, one, like=self.like), tuple(x.shape))
        if checks.same_shape("mask", mask, tuple(x.shape)).dtype != torch.bool:
            checks.fail("mask", "a tensor of bool", f"dtype {mask.dtype}", error=TypeError)
        devices.common(weights=self.like, mask=mask, mean=mean, log_variance=log_variance)
        error = (x - mean) * (-0.5 * log_variance).exp()
        told = torch.stack([x, mean, log_variance, error], dim=-1)
        features = torch.relu(torch.einsum("ndi,dip->ndp", told, self.prepare) + self.offset)
        seen = torch.where(mask[..., None], features, 0).flatten(1)
        driven = functional.linear(seen, self.w, self.b).chunk(3, dim=-1)
        turned = functional.linear(h, self.u[: 2 * self.hidden]).chunk(2, dim=-1)
        r, z = (torch.sigmoid(a + b) for a, b in zip(driven[:2], turned, strict=True))
        g = torch.tanh(driven[2] + functional.linear(r * h, self.u[2 * self.hidden :]))
        return torch.where(mask.any(-1, keepdim=True), z * h + (1 - z) * g, h)
