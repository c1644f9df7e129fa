"""The marginal likelihood of two snapshots as a function of one vector, and where it is largest."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import OptimizeResult, minimize
from torch import Tensor

from contdepth import seeds
from contdepth.pde.hidden.covariance import covariance
from contdepth.pde.hidden.snapshots import Snapshots
from contdepth.pde.hidden.terms import Linearised

__all__ = ["LEAST_NOISE", "Likelihood"]

LEAST_NOISE = 1e-8
"""Least variance of the noise over that of the values, so that the covariance can be factored in float64."""


class Likelihood:
    """-log p(u1, u0) of the vector λ / units, log γ², log w, log σ²; w are the inverse squares of lengths."""

    def __init__(self, data: Snapshots, rows: Sequence[Sequence[Linearised]]) -> None:
        self.data, self.rows = data, rows
        self.count, self.fields, self.dim = sum(map(len, rows)), len(rows), data.x0.shape[1]
        self.spread = torch.cat([data.u0, data.u1]).var(0)
        points = torch.cat([data.x0, data.x1])
        self.extent = (points.amax(0) - points.amin(0)).clamp_min(1e-300)
        self.units = torch.stack([self._unit(k, term) for k, row in enumerate(rows) for term in row])
        """What λ are measured in while they are sought, so that one step of the optimiser suits all."""

    def _unit(self, field: int, term: Linearised) -> Tensor:
        """A tenth of the field's spread over Δt, by the size of a term whose length is a tenth of the extent."""
        factor = torch.stack([self.data.u0[:, k] ** p for k, p in enumerate(term.powers)]).prod(0)
        slopes = torch.stack([(10 / e) ** n for e, n in zip(self.extent, term.orders, strict=True)]).prod()
        size = factor.square().mean().sqrt() * self.spread[term.field].sqrt() * slopes
        return 0.1 * self.spread[field].sqrt() / self.data.dt / size

    def parts(self, point: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """λ, γ² ``(fields,)``, w ``(fields, dim)`` and σ² ``(fields,)`` of a vector."""
        values, logs, n = self.units * point[: self.count], point[self.count :].exp(), self.fields
        return values, logs[:n], logs[n:-n].reshape(n, self.dim), logs[-n:]

    def __call__(self, point: Tensor) -> Tensor:
        """The negative logarithm of the marginal likelihood; 1e25 where the covariance cannot be factored."""
        y = self.data.values
        factor, failed = torch.linalg.cholesky_ex(covariance(self.data, self.rows, *self.parts(point)))
        if bool(failed):
            return point.sum() * 0 + 1e25
        white = torch.linalg.solve_triangular(factor, y[:, None], upper=False)
        return white.square().sum() / 2 + factor.diagonal().log().sum() + len(y) * math.log(2 * math.pi) / 2

    def _for_scipy(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient."""
        leaf = torch.from_numpy(point).requires_grad_()
        loss = self(leaf)
        (slope,) = torch.autograd.grad(loss, leaf)
        return float(loss.detach()), slope.numpy()

    def maximise(self, starts: int, iterations: int, seed: int) -> OptimizeResult:
        """Return SciPy's result of the best of ``starts`` runs of L-BFGS-B from λ = 0 and different lengths.

        The first length is a tenth of the extent of the points, further ones are drawn between 1/20 and 1/2 of it.
        """
        rng, ends = seeds.generator(seed, "hidden physics/starts"), []
        least = [math.log(LEAST_NOISE * float(size)) for size in self.spread]
        for k in range(starts):
            share = 0.1 if k == 0 else 0.05 * 10 ** float(torch.rand((), generator=rng, dtype=torch.float64))
            weights = (-2 * (share * self.extent).log()).repeat(self.fields)
            values = torch.zeros(self.count, dtype=torch.float64)
            begin = torch.cat([values, self.spread.log(), weights, (1e-4 * self.spread).log()]).numpy()
            free = [(None, None)] * (len(begin) - self.fields)
            bounds, options = (
                free + [(low, None) for low in least],
                {"maxiter": iterations, "maxfun": 2 * iterations},
            )
            ends.append(
                minimize(self._for_scipy, begin, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
            )
        return min(ends, key=lambda end: end.fun)

    def deviations(self, point: Tensor) -> np.ndarray:
        """Standard deviations of λ by the inverse Hessian, NaN where that is not positive definite.

        Noise that stands at its border is held there.
        """
        hessian = torch.autograd.functional.hessian(self, point)
        loose = self.parts(point)[3] > 2 * LEAST_NOISE * self.spread
        free = torch.cat([torch.ones(len(point) - self.fields, dtype=torch.bool), loose])
        inside = hessian[free][:, free]
        if bool(torch.linalg.cholesky_ex(inside)[1]):
            return np.full(self.count, np.nan)
        return (self.units * torch.linalg.inv(inside).diagonal()[: self.count].sqrt()).numpy()
