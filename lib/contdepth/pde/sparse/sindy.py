"""Ordinary differential equations from arrays of states: Brunton, Proctor and Kutz, PNAS 113 (2016), 3932-3937."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import sympy
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from contdepth import checks
from contdepth.errors import EquationWarning
from contdepth.pde.doors import boolean, warn
from contdepth.pde.estimator import NotFittedError
from contdepth.pde.fields.grids import as_real
from contdepth.pde.sparse.polynomials import Polynomials
from contdepth.pde.sparse.rates import rates_of
from contdepth.pde.sparse.stlsq import stlsq
from contdepth.pde.symbolic.terms import format_equation
from contdepth.schemes import solve

if TYPE_CHECKING:
    from contdepth.pde.fields.grids import Array, Times

__all__ = ["SINDy"]


class SINDy(BaseEstimator):
    """x' = Θ(x) Ξ with a sparse Ξ: monomials of the states, by least squares with sequential thresholds.

    It is a scikit-learn estimator with PySINDy's calls. Columns are not scaled and, as in the paper, there is no
    ridge, where PySINDy's STLSQ has one of 0.05 if not told otherwise.

    Args:
        degree: highest total degree of the monomials.
        threshold: least modulus of a coefficient, in the units of its term.
        ridge: see :func:`stlsq`.
        constant: whether 1 is a term.
        window: None, rates by central differences of order 2; or the odd length, at least 5, of the windows on
            which cubic polynomials are fitted (Savitzky and Golay), whose values and slopes are taken. The
            paper's answer to noise in states is total variation, which is not here.

    Attributes:
        names_: names of the states.
        terms_: the terms, as SymPy expressions.
        coefficients_: Ξ, an array ``(m, d)``.
    """

    names_: tuple[str, ...]
    terms_: list[sympy.Expr]
    coefficients_: np.ndarray

    def __init__(
        self,
        *,
        degree: int = 2,
        threshold: float = 0.1,
        ridge: float = 0.0,
        constant: bool = True,
        window: int | None = None,
    ) -> None:
        self.degree = checks.integer("degree", degree, at_least=1)
        self.threshold = checks.real("threshold", threshold, at_least=0)
        self.ridge = checks.real("ridge", ridge, at_least=0)
        self.constant = boolean("constant", constant)
        self.window = window
        if window is not None and checks.integer("window", window, at_least=5) % 2 == 0:
            checks.fail("window", "an odd length", window)

    def fit(
        self,
        x: Array | Sequence[Array],
        *,
        t: float | Times | Sequence[Times] | None = None,
        rates: Array | Sequence[Array] | None = None,
        names: Sequence[str] | None = None,
    ) -> Self:
        """Learn from trajectories.

        Args:
            x: states ``(n, d)``, or a list of such.
            t: time step, or times ``(n,)``, one array for each trajectory; not needed beside ``rates``.
            rates: measured rates, shaped as ``x``; else they are found from ``x`` and ``t``.
            names: of the states; x, y, z by default, x0, x1, … if there are more than three.

        Raises:
            TypeError, ValueError: arrays are not as described, hold NaN, or too few samples for so many terms.

        Warns:
            EquationWarning: an equation has no terms left: the threshold is above all its coefficients.
        """
        self.__init__(**self.get_params())  # type: ignore[misc]  # attributes may have been set since
        states, slopes = rates_of(x, t, rates, self.window)
        self.names_ = _checked(names, states.shape[1])
        self._library = Polynomials(states.shape[1], self.degree, constant=self.constant)
        self.terms_ = self._library.terms(self.names_)
        self.coefficients_ = stlsq(self._library(states), slopes, self.threshold, ridge=self.ridge).numpy()
        empty = [n for n, kept in zip(self.names_, self.coefficients_.T, strict=True) if not kept.any()]
        if empty:
            found = f"none for {', '.join(empty)}"
            warn("threshold", "terms in each equation", found, "take a lower one", category=EquationWarning)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coefficients_")

    def _fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            checks.fail("SINDy", "a fitted estimator", "an unfitted one", "call fit first", error=NotFittedError)

    def rhs(self, t: Tensor, u: Tensor) -> Tensor:
        """Return Θ(u) Ξ for states ``(..., d)``; the time is not looked at. To be given to ``integrate``."""
        self._fitted()
        return self._library(u) @ torch.from_numpy(self.coefficients_).to(u)

    def terms(self) -> dict[str, dict[sympy.Expr, float]]:
        """Return state → {term: coefficient} of what is not zero."""
        self._fitted()
        return {
            name: {e: float(c) for e, c in zip(self.terms_, column, strict=True) if c != 0}
            for name, column in zip(self.names_, self.coefficients_.T, strict=True)
        }

    def equations(self) -> list[sympy.Eq]:
        """Return one equation ``x_t = …`` for each state."""
        sums = {n: sympy.Add(*(c * e for e, c in terms.items())) for n, terms in self.terms().items()}
        return [sympy.Eq(sympy.Symbol(f"{name}_t"), right, evaluate=False) for name, right in sums.items()]

    def print(self, *, precision: int = 3) -> None:
        """Print one line for each state."""
        for name, terms in self.terms().items():
            builtins.print(format_equation(name, terms, precision=precision))

    def predict(self, x: Array) -> np.ndarray:
        """Return the rates at states ``(n, d)``."""
        self._fitted()
        return self.rhs(torch.zeros(()), _states("x", x, 2, len(self.names_))).numpy()

    def simulate(self, x0: Array, t: Times, *, rtol: float = 1e-8) -> np.ndarray:
        """Follow the equations from ``x0`` ``(d,)`` or ``(b, d)`` through times ``t`` ``(n,)``, increasing.

        Returns:
            ``(n, d)`` or ``(b, n, d)``; NaN where a solution has blown up.

        Warns:
            EquationWarning: a solution does not reach the end, and where it stops.
        """
        self._fitted()
        many = np.ndim(x0) == 2
        start = _states("x0", x0, 2 if many else 1, len(self.names_)).reshape(-1, len(self.names_))
        times = torch.from_numpy(as_real("t", t if isinstance(t, Tensor) else np.asarray(t)))
        found = solve(self.rhs, start, times, rtol=rtol, atol=1e-3 * rtol, steps="own", failures="status")
        reached = found.statistics.reached
        if reached is not None and not bool((reached >= times[-1]).all()):
            which, stop = (f" from x0[{int(reached.argmin())}]" if many else ""), float(reached.min())
            hint = "the equations blow up: more data, a higher threshold or a lower degree"
            warn(
                "simulate",
                "states up to the last time",
                f"none after {stop:.4g}{which}",
                hint,
                category=EquationWarning,
            )
        states = found.u.transpose(0, 1).numpy()
        return states if many else states[0]

    def score(self, x: Array | Sequence[Array], *, t: Any = None, rates: Any = None) -> float:
        """Return R² of the rates of trajectories given as to ``fit``: 1 is perfect, a constant has 0 or less."""
        self._fitted()
        states, slopes = rates_of(x, t, rates, self.window)
        left = (slopes - self.rhs(torch.zeros(()), states)).square().sum()
        return float(1 - left / (slopes - slopes.mean(0)).square().sum())


def _checked(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """Names of the states."""
    if names is None:
        return tuple("xyz"[:count]) if count <= 3 else tuple(f"x{k}" for k in range(count))
    names = tuple(names)
    good = all(isinstance(name, str) and name.isidentifier() for name in names)
    if len(names) != count or not good or len(set(names)) != count:
        checks.fail("names", f"{count} distinct identifiers", names)
    return names


def _states(label: str, x: Array, ndim: int, count: int) -> Tensor:
    """States as a float64 tensor."""
    array = as_real(label, x)
    if array.ndim != ndim or array.shape[-1] != count:
        checks.fail(label, f"{ndim} axes, the last of {count} states", f"shape {array.shape}")
    return checks.finite(label, torch.from_numpy(np.ascontiguousarray(array)))
