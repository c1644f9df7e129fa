"""A given equation in the place of a learned one: the baseline that knows, and the solver of PDE-FIND."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
import torch

from contdepth import checks
from contdepth.pde.estimator import Estimator
from contdepth.pde.fields.trajectories import Trajectories
from contdepth.pde.peers.lines import DifferenceRHS
from contdepth.pde.simulate.equations import Equation
from contdepth.pde.simulate.integrate import dop853, etdrk4
from contdepth.pde.simulate.spectral import SpectralRHS
from contdepth.pde.symbolic.terms import collect, monomial

__all__ = ["KnownEquation"]

BOUNDARIES = ("periodic", "replicate", "one-sided")


class KnownEquation(Estimator):
    """The method of lines for ``equation`` on the grid of the data; ``fit`` takes no more than the grid.

    Args:
        equation: field → right-hand side, as SymPy expression, string or term mapping.
        derivatives: "spectral" (de-aliased, periodic, equal side lengths), or 2, 4, …: central differences
            of that accuracy.
        boundary: "periodic", or for differences "replicate" or "one-sided" (as accurate at the
            border as inside).
        rtol: relative tolerance of the time integration, absolute ``rtol`` / 100. Equations with derivatives
            of order 3 and more are integrated by ETDRK4 if spectral, the others by DOP853.

    A trajectory that cannot be continued is NaN from there on. A spectral first frame is ``u0`` itself; later
    ones lack the highest mode of an even grid.
    """

    _lines: SpectralRHS | DifferenceRHS | None

    def __init__(
        self,
        *,
        equation: object,
        derivatives: str | int = "spectral",
        boundary: str = "periodic",
        rtol: float = 1e-6,
    ) -> None:
        self.equation = equation
        self.derivatives = checked_derivatives(derivatives, boundary, BOUNDARIES)
        self.boundary = boundary
        self.rtol = checks.real("rtol", rtol, above=0)

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and pickled: all but compiled functions, which are made again when they are needed."""
        return super().__getstate__() | {"_lines": None}

    @property
    def _fit_wraps(self) -> bool:
        return False  # it takes the grid alone

    def _fit(self, data: Trajectories) -> None:
        self._lines = None

    def _expressions(self) -> dict[str, sympy.Expr]:
        given = self.equation
        if not isinstance(given, dict):
            given = {self.names_[0]: given}
        if set(given) != set(self.names_):
            checks.fail("equation", f"one right-hand side for each of {self.names_}", sorted(given))
        return {name: _expression(given[name]) for name in self.names_}

    def _right(self, shape: tuple[int, ...]) -> SpectralRHS | DifferenceRHS:
        if self._lines is None or self._lines.shape != shape:
            sides = [n * h for n, h in zip(shape, self.dx_, strict=True)]
            spectral = self.derivatives == "spectral"
            if spectral and not np.allclose(sides, sides[0]):
                checks.fail("u", "equal side lengths for spectral derivatives", sides, "take derivatives=4")
            expressions = self._expressions()
            equation = Equation("learned equation", self.names_, len(shape), sides[0], expressions)
            self._lines = (
                SpectralRHS(equation, shape)
                if spectral
                else DifferenceRHS(equation, shape, self.dx_, accuracy=self.derivatives, boundary=self.boundary)  # type: ignore[arg-type]
            )
        return self._lines

    def _rhs(self, u: torch.Tensor) -> torch.Tensor:
        return self._right(tuple(u.shape[2:]))(u)

    def _step(self, u: torch.Tensor) -> torch.Tensor:
        return self._rollout(u, 1)[:, 1]

    def _rollout(self, u: torch.Tensor, steps: int) -> torch.Tensor:
        frames = self._march(u, steps)
        if len(u) > 1 and not bool(torch.isfinite(frames).all()):
            frames = torch.cat([self._march(one, steps) for one in u.split(1)])
        return frames

    def _march(self, u: torch.Tensor, steps: int) -> torch.Tensor:
        rhs = self._right(tuple(u.shape[2:]))
        highest = max(
            (len(str(s).partition("_")[2]) for e in self._expressions().values() for s in e.free_symbols),
            default=0,
        )
        method = etdrk4 if self.derivatives == "spectral" and highest >= 3 else dop853
        out = torch.full((len(u), steps + 1, *u.shape[1:]), torch.nan, dtype=torch.float64)
        out[:, 0] = u
        times = [self.dt_ * k for k in range(steps + 1)]
        try:
            with np.errstate(all="ignore"):
                frames = method(rhs, u, times, self.rtol, self.rtol / 100) if steps else ()  # type: ignore[arg-type]
                for k, frame in enumerate(frames, 1):
                    if not bool(torch.isfinite(frame).all()):
                        break
                    out[:, k] = frame
        except (RuntimeError, FloatingPointError):
            pass
        return out


def checked_derivatives(
    derivatives: str | int, boundary: str, boundaries: tuple[str, ...] = BOUNDARIES[:2]
) -> str | int:
    """``derivatives`` if it is "spectral" or an even accuracy; spectral ones need a periodic boundary."""
    checks.one_of("boundary", boundary, boundaries)
    if derivatives == "spectral":
        if boundary != "periodic":
            checks.fail("derivatives", "differences 2 or 4 for a boundary that is not periodic", "'spectral'")
        return derivatives
    checks.integer("derivatives", derivatives, at_least=2, at_most=8, hint="or 'spectral'")
    if derivatives % 2:
        checks.fail("derivatives", "an even accuracy order or 'spectral'", derivatives)
    return int(derivatives)


def _expression(given: object) -> sympy.Expr:
    if hasattr(given, "items"):
        return sympy.Add(*(sympy.Float(value) * term for term, value in collect(given).items()))
    return monomial(given)
