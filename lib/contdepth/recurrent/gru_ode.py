"""The gated recurrent unit as a differential equation, and its jump where something is observed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from contdepth import checks, devices
from contdepth.recurrent.sequence import Cell, uniform, zeros
from contdepth.schemes.adaptive.solution import solve

__all__ = ["GRUJump", "GRUODE"]

MOST, SLACK = 100_000, 1e-4


class GRUODE(nn.Module):
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
        super().__init__()
        self.hidden = k = checks.integer("hidden", hidden, at_least=1)
        checks.affordable("hidden", 3 * k, k)
        hint = "a longer step may leave [-1, 1]"
        self.step = None if step is None else checks.real("step", step, above=0, at_most=1, hint=hint)
        self.rtol, self.atol = checks.real("rtol", rtol, at_least=0), checks.real("atol", atol, above=0)
        self.u = uniform(generator, 1 / math.sqrt(k), 3 * k, k)
        self.b = zeros(generator, 3 * k)

    def rate(self, h: Tensor) -> Tensor:
        """Return h' ``(..., hidden)`` at ``h`` ``(..., hidden)``."""
        checks.same_shape("h", checks.reals("h", h, like=self.u), (*h.shape[:-1], self.hidden))
        devices.common(weights=self.u, h=h)
        return self._rate(h)

    def forward(self, h: Tensor, gaps: Tensor) -> Tensor:
        """Return the states ``(n, hidden)`` a time ``gaps`` ``(n,)`` >= 0 after ``h`` ``(n, hidden)``."""
        checks.same_shape("h", checks.reals("h", h, ndim=2, like=self.u), (len(h), self.hidden))
        checks.same_shape("gaps", checks.reals("gaps", gaps, like=self.u), (len(h),))
        devices.common(weights=self.u, h=h, gaps=gaps)
        if len(gaps) == 0:
            return h
        least, most = (float(one) for one in checks.finite("gaps", gaps.detach()).aminmax())
        if least < 0:
            checks.fail("gaps", "times >= 0", least)
        if most == 0:
            return h
        return self._solved(h, gaps) if self.step is None else self._by_euler(h, gaps, self.step)

    def _rate(self, h: Tensor) -> Tensor:
        matrices, (b_r, b_z, b_g) = self.u.chunk(3), self.b.chunk(3)
        r = torch.sigmoid(functional.linear(h, matrices[0], b_r))
        z = torch.sigmoid(functional.linear(h, matrices[1], b_z))
        return (1 - z) * (torch.tanh(functional.linear(r * h, matrices[2], b_g)) - h)

    def _by_euler(self, h: Tensor, gaps: Tensor, step: float) -> Tensor:
        """Equal steps, their number each member's own: no batch changes a member.

        A gap that rounding makes a little longer than a number of steps takes that number.
        """
        counts = (gaps.detach() / step - SLACK).ceil().clamp_min(1)
        if not float(counts.max()) <= MOST:
            checks.fail("gaps", f"at most {MOST:,} steps of {step}", f"{float(counts.max()):g}")
        size = (gaps / counts).clamp_max(1)[:, None]
        for k in range(int(counts.max())):
            h = torch.where((k < counts)[:, None], h + size * self._rate(h), h)
        return h

    def _solved(self, h: Tensor, gaps: Tensor) -> Tensor:
        """All members from 0 to 1 in their own unit of time, ``gaps``."""
        t = torch.tensor([0.0, 1.0], dtype=h.dtype, device=h.device)

        def field(_: Tensor, u: Tensor) -> Tensor:
            return gaps[:, None] * self._rate(u)

        found = solve(field, h, t, rtol=self.rtol, atol=self.atol, steps="own", most=10_000)
        return found.u[-1]


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
