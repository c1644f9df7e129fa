"""ln det(I + J) of a residual map x + g(x), J = dg/dx: exact, by a power series, and by Russian roulette.

While |J| < 1, ln det(I + J) = Σ_k (-1)^{k+1} tr(J^k) / k, and it is that of a positive number. Each object is
called with ``(g, x, generator)`` for points ``(n, ...)`` of d numbers each, evaluates g once, and returns
x + g(x) with the logarithm, ``(n,)``. Letters: ``v`` a probe with E v vᵀ = I, ``w`` the row vᵀJ^k.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks
from contdepth.flows.base import Pushed
from contdepth.flows.residual.terms import NumberOfTerms
from contdepth.flows.transport import draw_probes, exact_probes

__all__ = ["ExactLogDet", "RouletteLogDet", "SeriesLogDet"]

Map = Callable[[Tensor], Tensor]


class _Linearised:
    """g at ``x``: its value and products vᵀJ, with or without a graph behind them."""

    def __init__(self, g: Map, x: Tensor) -> None:
        if not callable(g):
            checks.fail("g", "a function of points (n, ...)", type(g).__name__, error=TypeError)
        if checks.reals("x", x).ndim < 2 or x.numel() == 0:
            checks.fail("x", "points (n, ...)", f"shape {tuple(x.shape)}")
        self.recorded = torch.is_grad_enabled()
        with torch.enable_grad():
            self.x = x if x.requires_grad and self.recorded else x.detach().requires_grad_()
            self.value = checks.same_shape(
                "g(x)", g(self.x), tuple(x.shape), "g must keep the shape of its points"
            )
        self.count, self.dimension = len(x), x[0].numel()

    def pulled(self, v: Tensor, recorded: bool) -> Tensor:
        """Return vᵀJ."""
        if not self.value.requires_grad:
            return torch.zeros_like(v)
        with torch.enable_grad():
            more = {"create_graph": recorded, "retain_graph": True, "materialize_grads": True}
            (found,) = torch.autograd.grad(self.value, self.x, v, **more)
        return found

    def pushed(self, log_det: Tensor) -> Pushed:
        """Return the result."""
        y = self.x + self.value
        return Pushed(y, log_det) if self.recorded else Pushed(y.detach(), log_det.detach())

    def probes(self, count: int | None, generator: torch.Generator | None) -> Tensor:
        """Return probes ``(m, n, ...)``; for None those that leave nothing to chance."""
        if count is None:
            if generator is not None:
                checks.fail("generator", "None", type(generator).__name__, "traces are exact", error=TypeError)
            checks.affordable("x", self.dimension, *self.x.shape)
            return exact_probes(self.x.detach().flatten(1)).reshape(self.dimension, *self.x.shape)
        checks.affordable("probes", count, *self.x.shape)
        return draw_probes(self.x.detach(), _needed(generator), count)


def _needed(generator: torch.Generator | None) -> torch.Generator:
    return checks.instance("generator", generator, torch.Generator, "the volume is estimated by random numbers")


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(1)


@dataclass(frozen=True)
class ExactLogDet:
    """The logarithm of the determinant of all of I + J, from d products: for few coordinates."""

    chance = False

    def __call__(self, g: Map, x: Tensor, generator: torch.Generator | None = None) -> Pushed:
        """Return x + g(x) and ln|det(I + J)|, whatever the norm of J."""
        if generator is not None:
            checks.fail("generator", "None", type(generator).__name__, "the volume is exact", error=TypeError)
        at = _Linearised(g, x)
        checks.affordable("x", at.count, at.dimension, at.dimension)
        unit = torch.eye(at.dimension, dtype=x.dtype, device=x.device)
        rows = [at.pulled(one.expand(at.count, -1).reshape(x.shape), at.recorded).flatten(1) for one in unit]
        return at.pushed(torch.linalg.slogdet(unit + torch.stack(rows, 1)).logabsdet)


@dataclass(frozen=True)
class SeriesLogDet:
    """The first ``terms`` of the series, with the mean over ``probes`` normal probes, or exact traces for None.

    Behrmann et al. 2019. Biased by at most :func:`series_error` in the mean over
    probes; the way back goes through every term, so that memory grows with their number.
    """

    terms: int = 10
    probes: int | None = 1

    def __post_init__(self) -> None:
        checks.integer("terms", self.terms, at_least=1)
        if self.probes is not None:
            checks.integer("probes", self.probes, at_least=1)

    @property
    def chance(self) -> bool:
        """Whether probes are drawn."""
        return self.probes is not None

    def __call__(self, g: Map, x: Tensor, generator: torch.Generator | None = None) -> Pushed:
        """Return x + g(x) and the sum of the series, differentiable term by term."""
        at, total = _Linearised(g, x), x.new_zeros(len(x))
        probes = at.probes(self.probes, generator)
        for v in probes:
            w = v
            for k in range(1, self.terms + 1):
                w = at.pulled(w, at.recorded)
                total = total + (-1) ** (k + 1) / k * _dot(w, v)
        return at.pushed(total / len(probes))


@dataclass(frozen=True)
class RouletteLogDet:
    """The series to a random N, each term divided by P(N ≥ k): right on average, gradients too.

    Chen et al. 2019 (arXiv 1906.02735). N is drawn once a call, for all points. ``"neumann"`` takes the gradient
    tr((I + J)⁻¹ dJ) from the series Σ (-1)^k vᵀJ^k / P(N ≥ k) found without a graph: one product is kept, whatever
    N is. The value stays that of the first series; the authors' code gives Σ (-1)^k vᵀJ^{k+1}v / P(N ≥ k) for it.
    ``"backprop"`` goes back through every term. The value is the same, and both gradients are right on average.
    Values have first derivatives only.
    """

    law: NumberOfTerms = NumberOfTerms()
    probes: int = 1
    gradient: str = "neumann"
    chance = True

    def __post_init__(self) -> None:
        checks.instance("law", self.law, NumberOfTerms)
        checks.integer("probes", self.probes, at_least=1)
        checks.one_of("gradient", self.gradient, ("neumann", "backprop"))

    def __call__(self, g: Map, x: Tensor, generator: torch.Generator | None = None) -> Pushed:
        """Return x + g(x) and the estimate."""
        at, total, count = _Linearised(g, x), x.new_zeros(len(x)), self.law.draw(_needed(generator))
        through = at.recorded and self.gradient == "backprop"
        for v in at.probes(self.probes, generator):
            w, rows = v, v
            for k in range(1, count + 1):
                w = at.pulled(w, through)
                weight = (-1) ** k / self.law.survival(k)
                total = total - weight / k * _dot(w, v)
                rows = rows if through else rows + weight * w
            if at.recorded and not through:
                slope = _dot(at.pulled(rows, True), v)
                total = total + (slope - slope.detach())
        return at.pushed(total / self.probes)
