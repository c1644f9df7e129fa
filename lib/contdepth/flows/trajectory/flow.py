"""A continuous flow through snapshots of a population whose points are not followed.

Letters: ``t_0 < … < t_K`` times of the snapshots, f right-hand side of x' = f(t, x), λ weight of the energy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.flows.base import standard_normal
from contdepth.flows.continuous import ContinuousFlow
from contdepth.flows.transport import Transport
from contdepth.schemes.adaptive.pairs import EmbeddedPair
from contdepth.schemes.adaptive.rosenbrock import Rosenbrock
from contdepth.schemes.base import Field, Scheme

__all__ = ["TrajectoryFlow", "TrajectoryLoss"]


class TrajectoryLoss(NamedTuple):
    """``total`` ``()``, mean ``log_density`` ``(K + 1,)``, and ``energy`` and ``jacobian`` ``()`` unweighted."""

    total: Tensor
    log_density: Tensor
    energy: Tensor
    jacobian: Tensor


class TrajectoryFlow(ContinuousFlow):
    """One flow x' = f(t, x) whose law at each time t_i is to be that of a snapshot, from a normal base.

    Tong et al. 2020 (TrajectoryNet): maximum likelihood of every snapshot along the flow back to the base, and
    λ∫|f|² dt, which makes the paths those of optimal transport between the laws (Benamou & Brenier 2000). As a
    density model it is that of the last snapshot. Left out are the growth of the population, the likeness to
    near neighbours (density) and to measured directions (velocity).

    Args:
        f: as in ``ContinuousFlow``.
        dimension: d.
        times: t_0 < … < t_K, at least two.
        base: the time of the standard normal law, at most t_0, where equality takes the first snapshot's law for
            known; None lies before t_0 by as much as t_1 lies behind it.
        trace: see ``ContinuousFlow``, as all that follow.
        probes: normal probes of the estimate.
        steps: equal steps between two neighbours of base and times, and in a part of such an interval; None steps
            to the tolerances.
        scheme: of the steps.
        rtol: relative tolerance.
        atol: absolute one.
        gradient: how the solver finds gradients.
        parameters: what f holds; None: those of a module.

    Raises:
        TypeError, ValueError: as of ``ContinuousFlow``; times that do not increase, a base after the first.
    """

    def __init__(
        self,
        f: Field | nn.Module,
        dimension: int,
        times: Sequence[float],
        *,
        base: float | None = None,
        trace: str = "exact",
        probes: int = 1,
        steps: int | None = None,
        scheme: Scheme | EmbeddedPair | Rosenbrock | None = None,
        rtol: float = 1e-6,
        atol: float = 1e-9,
        gradient: str = "backprop",
        parameters: Iterable[Tensor] | None = None,
    ) -> None:
        knots = [checks.real("times", one) for one in checks.several("times", times, "give a list of times")]
        if len(knots) < 2 or any(a >= b for a, b in zip(knots, knots[1:], strict=False)):
            checks.fail("times", "at least two, each after the one before", knots)
        first = knots[0] - (knots[1] - knots[0])
        if base is not None:
            first = checks.real("base", base, at_most=knots[0])
        super().__init__(
            f,
            dimension,
            span=(first, knots[-1]),
            trace=trace,
            probes=probes,
            steps=steps,
            scheme=scheme,
            rtol=rtol,
            atol=atol,
            gradient=gradient,
            parameters=parameters,
        )
        self.times = tuple(knots)

    def push(self, x: Tensor, start: float, end: float) -> Tensor:
        """Return where the paths that are in ``x`` ``(..., d)`` at time ``start`` are at time ``end``.

        Either may be the earlier one; both lie between the base and t_K.
        """
        return self._solved(self.f, self._placed("x", x), self._between(start, end))

    def paths(self, x: Tensor, start: float, times: Sequence[float]) -> Tensor:
        """Return the points ``(len(times), ..., d)`` at ``times``, in any order, of the paths from ``x``."""
        stops = checks.several("times", times, "give a list of times")
        if not stops:
            checks.fail("times", "at least one", "none")
        found, at = [x], start
        for one in stops:
            found.append(self.push(found[-1], at, one))
            at = one
        return torch.stack(found[1:])

    def energy(self, x: Tensor, start: float, end: float) -> Tensor:
        """Return ∫|f|² dt ``(...)`` of the paths from ``x`` between the two times; it is never negative."""
        self._placed("x", x)
        span = self._between(start, end)

        def rates(t: Tensor, u: Tensor) -> Tensor:
            value = self.f(t, u[..., :-1])
            return torch.cat([value, value.square().sum(-1, keepdim=True)], dim=-1)

        found = self._solved(rates, torch.cat([x, torch.zeros_like(x[..., :1])], dim=-1), span)[..., -1]
        return found if span[1] >= span[0] else -found

    def log_density_at(self, x: Tensor, time: float, generator: torch.Generator | None = None) -> Tensor:
        """Return ln p ``(...)`` of the law at ``time`` in the points ``x`` ``(..., d)``."""
        self._points("x", x, generator)
        low, high = self.span
        span = (checks.real("time", time, at_least=low, at_most=high), low)
        z, log_det = self._carried(x, span, generator)
        return standard_normal(z) + log_det

    def loss(
        self,
        snapshots: Sequence[Tensor],
        energy: float = 0.0,
        generator: torch.Generator | None = None,
        *,
        jacobian: float = 0.0,
    ) -> TrajectoryLoss:
        """Return -Σ_i mean ln p_{t_i} + λ mean ∫|f|² dt of ``snapshots``, K + 1 samples ``(n_i, d)``.

        ``energy`` is λ; ``jacobian`` is the weight of mean ∫|df/dx|² dt, with the Frobenius norm (Finlay et al.
        2020). All samples go back to the base in one pass, each joining at its time. Both costs are those of the
        last snapshot's paths from the base on, so that each interval counts once: a choice of this library. A
        positive λ biases the ends too: between normal laws of one covariance at unit distance in time it shortens
        the shift by 1 + 2λ.

        Raises:
            TypeError, ValueError: not one snapshot for each time, points that do not fit.
        """
        samples = self._snapshots(snapshots)
        weight = checks.real("energy", energy, at_least=0)
        stiff = checks.real("jacobian", jacobian, at_least=0)
        last, stops = samples[-1], (self.span[0], *self.times)
        self._points("snapshots", last, generator)
        probes, u = self._probes(last, generator), torch.cat([last, last.new_zeros(len(last), 3)], dim=-1)
        transport = Transport(self.f, probes, density=True)
        u = self._solved(transport, u, stops[:-3:-1])
        for k, x in reversed(list(enumerate(samples[:-1]))):
            probes = torch.cat([probes, self._probes(x, generator)], dim=1)
            transport = Transport(self.f, probes, density=True)
            u = torch.cat([u, torch.cat([x, x.new_zeros(len(x), 3)], dim=-1)])
            u = self._solved(transport, u, (stops[k + 1], stops[k]))
        z, kinetic, bent = transport.carried(u)[:3]
        parts = (standard_normal(z) - u[..., -1]).split([len(x) for x in reversed(samples)])
        log_density = torch.stack([part.mean() for part in reversed(parts)])
        spent, bending = -kinetic[: len(last)].mean(), -bent[: len(last)].mean()
        total = weight * spent + stiff * bending - log_density.sum()
        return TrajectoryLoss(total, log_density, spent, bending)

    def _snapshots(self, snapshots: Sequence[Tensor]) -> list[Tensor]:
        samples = list(checks.several("snapshots", snapshots, "give a list of samples"))
        if len(samples) != len(self.times):
            checks.fail("snapshots", f"{len(self.times)}, one for each time", len(samples))
        for x in samples:
            checks.reals("snapshots", x, ndim=2, like=self.origin)
            self._placed("snapshots", x)
        return samples

    def _between(self, start: float, end: float) -> tuple[float, float]:
        low, high = self.span
        return (
            checks.real("start", start, at_least=low, at_most=high),
            checks.real("end", end, at_least=low, at_most=high),
        )

    def _solved(self, f: Field | nn.Module, u: Tensor, span: Sequence[float]) -> Tensor:
        """Return u at the end of ``span``, from one of the snapshots' times to the next."""
        start, end = span
        inner = [t for t in self.times if min(start, end) < t < max(start, end)]
        stops = [start, *(inner if end > start else reversed(inner)), end]
        for a, b in zip(stops, stops[1:], strict=False):
            if a != b:
                u = super()._solved(f, u, (a, b))
        return u
