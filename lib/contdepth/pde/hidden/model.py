"""Coefficients of an equation from two snapshots: Raissi and Karniadakis, J. Comput. Phys. 357 (2018), 125-141."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import sympy
import torch
from sklearn.base import BaseEstimator

from contdepth import checks
from contdepth.errors import EquationWarning
from contdepth.pde.doors import warn
from contdepth.pde.estimator import NotFittedError
from contdepth.pde.fields.grids import checked_names
from contdepth.pde.hidden.covariance import covariance, cross_covariance
from contdepth.pde.hidden.likelihood import Likelihood
from contdepth.pde.hidden.snapshots import points_of, snapshots_of
from contdepth.pde.hidden.terms import read_terms
from contdepth.pde.symbolic.terms import format_equation

if TYPE_CHECKING:
    from contdepth.pde.fields.grids import Array

__all__ = ["HiddenPhysics"]


class HiddenPhysics(BaseEstimator):
    """u_t = Σ λ_j T_j(u) with terms that are given and λ sought, from values at two times and any points.

    The later snapshot is a Gaussian process with a squared exponential kernel of mean 0, one for each field; the
    earlier one is its backward Euler step, so both are one process, and λ, sizes, lengths and noise are those of
    the largest marginal likelihood. The step makes an error of λ that is proportional to Δt and does not vanish
    with more data.

    Departures: factors of a term are taken from the earlier snapshot at its own points, as the paper does, where
    both snapshots hold all fields at their points. The noise is at least 1e-8 of the variance of the data, and the
    optimiser is L-BFGS-B from several lengths in place of conjugate gradients from one.

    Args:
        terms: ``["u*u_x", "u_xx"]`` for one field, or field → list of terms.
        starts: how many lengths the optimiser starts from; the best end is kept.
        iterations: of the optimiser, for each start.
        seed: of the starts after the first.

    Attributes:
        names_: field names.
        values_: λ ``(terms,)`` in the order given, field by field.
        deviations_: their standard deviations by the curvature of the likelihood. They know nothing of the error
            of the Euler step.
        lengths_: of the kernels, ``(fields, dim)``, in the units of the points.
        noise_: standard deviations ``(fields,)`` of the noise.
        evidence_: logarithm of the marginal likelihood.
    """

    def __init__(self, terms: object, *, starts: int = 3, iterations: int = 200, seed: int = 0) -> None:
        self.terms = terms
        self.starts = checks.integer("starts", starts, at_least=1)
        self.iterations = checks.integer("iterations", iterations, at_least=1)
        self.seed = checks.integer("seed", seed, at_least=0)

    def fit(
        self, x0: Array, u0: Array, x1: Array, u1: Array, *, dt: float, names: Sequence[str] | None = None
    ) -> Self:
        """Find λ from the earlier snapshot ``x0``, ``u0`` and the later one ``x1``, ``u1``.

        Args:
            x0: points ``(n,)`` or ``(n, dim)`` of the earlier snapshot, up to three axes.
            u0: values there, ``(n,)`` or ``(n, fields)``.
            x1: points of the later snapshot, as many axes; they need not be the same points, nor as many.
            u1: values there.
            dt: time between the two.
            names: field names, u, v, w by default.

        Raises:
            TypeError, ValueError: arrays are not as described or hold NaN; a field is the same everywhere; terms
                are not of these fields and axes.

        Warns:
            EquationWarning: the optimiser stopped before it came to rest.
        """
        self.__init__(**self.get_params())  # type: ignore[misc]  # attributes may have been set since
        data = snapshots_of(x0, u0, x1, u1, dt)
        self.names_ = checked_names(names, data.u0.shape[1])
        self._rows = read_terms(self.terms, self.names_, data.x0.shape[1])
        self._likelihood = Likelihood(data, self._rows)
        best = self._likelihood.maximise(self.starts, self.iterations, self.seed)
        if best.nit >= self.iterations:
            found, hint = f"one that stopped after {best.nit}", "give more iterations"
            warn("iterations", "an optimiser at rest", found, hint, category=EquationWarning)
        point = torch.from_numpy(best.x)
        self._state = self._likelihood.parts(point)
        values, _, weights, noise = (part.numpy() for part in self._state)
        self.values_, self.deviations_ = values.copy(), self._likelihood.deviations(point)
        self.lengths_, self.noise_ = 1 / np.sqrt(weights), np.sqrt(noise)
        self.evidence_ = -float(best.fun)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "values_")

    def _fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            hint = "call fit first"
            checks.fail("HiddenPhysics", "a fitted estimator", "an unfitted one", hint, error=NotFittedError)

    def coefficients(self) -> dict[str, dict[str, float]]:
        """Return field → {term: λ}."""
        self._fitted()
        left = iter(self.values_.tolist())
        return {n: {str(t.term): next(left) for t in row} for n, row in zip(self.names_, self._rows, strict=True)}

    def equations(self) -> list[sympy.Eq]:
        """Return one equation ``u_t = …`` for each field."""
        self._fitted()
        left = iter(self.values_.tolist())
        sums = [sympy.Add(*(next(left) * t.term for t in row)) for row in self._rows]
        return [
            sympy.Eq(sympy.Symbol(f"{n}_t"), s, evaluate=False) for n, s in zip(self.names_, sums, strict=True)
        ]

    def print(self, *, precision: int = 3) -> None:
        """Print one line for each field."""
        for name, found in self.coefficients().items():
            builtins.print(format_equation(name, found, precision=precision))

    def posterior(self, x: Array, field: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of the later ``field``, the first by default, at points ``x``."""
        self._fitted()
        which = self.names_.index(checks.one_of("field", self.names_[0] if field is None else field, self.names_))
        values, sizes, weights, _ = self._state
        points = points_of("x", x).to(self._likelihood.data.x0)
        if points.shape[1] != self._likelihood.data.x0.shape[1]:
            checks.fail("x", f"points of {self._likelihood.data.x0.shape[1]} axes", f"shape {tuple(points.shape)}")
        factor = torch.linalg.cholesky(covariance(self._likelihood.data, self._rows, *self._state))
        cross = cross_covariance(points, which, self._likelihood.data, self._rows, values, sizes, weights)
        mean = cross @ torch.cholesky_solve(self._likelihood.data.values[:, None], factor)[:, 0]
        known = torch.linalg.solve_triangular(factor, cross.T, upper=False).square().sum(0)
        deviation = (sizes[which] - known).clamp_min(0).sqrt()
        return mean.cpu().numpy(), deviation.cpu().numpy()
