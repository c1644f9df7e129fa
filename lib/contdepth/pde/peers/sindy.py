"""PDE-FIND and weak SINDy through PySINDy, with their results in the terms of the other methods."""

from __future__ import annotations

import copy
import itertools
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import sympy
import torch

from contdepth import checks, seeds
from contdepth.errors import EquationWarning
from contdepth.pde.doors import boolean, warn
from contdepth.pde.estimator import Estimator
from contdepth.pde.fields.periodic import open_axes
from contdepth.pde.fields.trajectories import Trajectories, frames_sample, require_change
from contdepth.pde.filters.moments import derivatives as multi_indices
from contdepth.pde.peers.known import KnownEquation, checked_derivatives
from contdepth.pde.symbolic.terms import format_term, symbol_name

__all__ = ["PDEFIND", "WeakSINDy", "library_terms"]


LEAST_EFFECT = 0.003
"""A term that ``threshold`` removed is spoken of if its root mean square is at least that share of u_t's."""

SAFE_SPREAD = 1e6
"""Columns whose norms differ more are scaled before least squares, which else take small ones for dependent."""


def _pysindy() -> ModuleType:
    try:
        import pysindy
    except ImportError as missing:
        raise ImportError("pysindy: expected the package, found none; install contdepth[peers]") from missing
    return pysindy


def library_terms(
    names: tuple[str, ...], alphas: list[tuple[int, ...]], powers: np.ndarray, bias: bool
) -> list[sympy.Expr]:
    """Terms in the order of PySINDy's PDE libraries: constant, polynomials, derivatives, products of the two.

    ``powers`` (polynomials, fields) are the exponents of the polynomial library.
    """
    fields = sympy.symbols(list(names))
    polynomials = [sympy.Mul(*(f ** int(p) for f, p in zip(fields, row, strict=True))) for row in powers]
    rates = [sympy.Symbol(symbol_name(name, alpha)) for alpha in alphas for name in names]
    products = [polynomial * rate for rate in rates for polynomial in polynomials]
    return [sympy.Integer(1)] * bias + polynomials + rates + products


def _thresholded(pysindy: ModuleType, normalise: bool, scaled: bool, **options: Any) -> Any:
    """PySINDy's STLSQ with a threshold that holds after the last fit, the one without ridge, too.

    ``threshold`` is that of the coefficients or, with ``normalise``, of those for columns of norm 1 and rates of
    root mean square 1. With ``scaled`` the ridge sees columns of norm 1, so that it does not shrink small ones
    more. After ``fit``, ``missed_`` has for every field the columns that were removed although with them the
    squared error is less than a tenth: column → coefficient.
    """

    class Thresholded(pysindy.STLSQ):  # type: ignore[name-defined]
        def _reduce(self, x: np.ndarray, y: np.ndarray) -> None:
            self._norms, unit, least = _positive(np.linalg.norm(x, axis=0)), np.ones(y.shape[1]), self.threshold  # type: ignore[has-type]
            if normalise:
                unit = _positive(np.sqrt(np.square(y).mean(0)))
                self._least = least * unit[:, None] / self._norms
            else:
                self._least = np.full((y.shape[1], x.shape[1]), least)
            if normalise or scaled:
                self.threshold = least if normalise else least * self._norms  # one for each column
                super()._reduce(x / self._norms, y / unit)
                self.coef_ = self.coef_ * unit[:, None] / self._norms  # type: ignore[has-type]
                self.threshold = least
            else:
                super()._reduce(x, y)

        def _unbias(self, x: np.ndarray, y: np.ndarray) -> None:
            small = self.coef_ == 0
            while True:
                self.ind_ = (self.coef_ != 0) & ~small
                used = self._norms[self.ind_.any(0)]
                norms = self._norms if used.size and used.max() > SAFE_SPREAD * used.min() else None
                super()._unbias(x if norms is None else x / norms, y)
                self.coef_ = self.coef_ if norms is None else self.coef_ / norms
                small = np.abs(self.coef_) < self._least
                if not (small & self.ind_).any():
                    break
            self.missed_ = [_missed(x, rate, row) for rate, row in zip(y.T, self.coef_, strict=True)]

    return Thresholded(**options)


def _positive(sizes: np.ndarray) -> np.ndarray:
    """``sizes`` with 1 for 0, to divide by."""
    return np.where(sizes > 0, sizes, 1.0)


def _missed(x: np.ndarray, y: np.ndarray, found: np.ndarray) -> dict[int, float]:
    """Columns of ``x`` (M, p) that ``found`` (p,) lacks and that explain most of what it leaves of ``y`` (M,)."""
    size, whole = _positive(np.linalg.norm(x, axis=0)), float(np.linalg.norm(y)) or 1.0
    gram, right = x.T @ x / np.outer(size, size), x.T @ y / (size * whole)

    def fitted(columns: np.ndarray) -> tuple[np.ndarray, float]:
        shares = np.zeros(len(found))
        shares[columns] = np.linalg.lstsq(gram[np.ix_(columns, columns)], right[columns], rcond=1e-10)[0]
        return shares, 1 - 2 * shares @ right + shares @ gram @ shares

    kept = found != 0
    shares, _ = fitted(np.full(len(found), True))
    more = kept | (np.abs(shares) >= LEAST_EFFECT)
    if (more == kept).all():
        return {}
    shares, left = fitted(more)
    extra = np.flatnonzero(~kept & (np.abs(shares) >= LEAST_EFFECT))
    if not len(extra) or fitted(kept)[1] < max(10 * left, LEAST_EFFECT**2):
        return {}
    return {int(k): float(shares[k] * whole / size[k]) for k in extra}


class _Sparse(Estimator):
    """What both share: thresholded least squares on a library, and the solver of what it finds."""

    def _check(self) -> None:
        for name, least in (("order", 1), ("degree", 1), ("max_iter", 1)):
            checks.integer(name, getattr(self, name), at_least=least)
        for name in ("threshold", "alpha"):
            checks.real(name, getattr(self, name), at_least=0)
        for name in ("normalise", "bias"):
            setattr(self, name, boolean(name, getattr(self, name)))

    def _alphas(self, dim: int) -> list[tuple[int, ...]]:
        return multi_indices(self.order, dim)[1:]

    def _regress(
        self, library: Any, x: list[np.ndarray], rates: list[np.ndarray] | None, boxes: int | None = None
    ) -> None:
        """Fit PySINDy's model on ``x`` (frames last but one, fields last) and translate its coefficients.

        ``boxes`` is the number of equations of a weak form.
        """
        pysindy = _pysindy()
        powers = library.function_library.fit(np.zeros((2, len(self.names_)))).powers_
        terms = library_terms(self.names_, self._alphas(len(self.dx_)), powers, library.include_bias)
        if boxes is not None and boxes < len(terms):
            found = f"{self.domains} for {len(x)} piece{'s' * (len(x) > 1)}"
            checks.fail("domains", f"at least {len(terms)} boxes in all, one for each term", found, "take more")
        # The first guess is not used by the regression; giving one spares a singular value decomposition.
        settings = dict(
            threshold=self.threshold,
            alpha=self.alpha,
            max_iter=self.max_iter,
            copy_X=False,
            initial_guess=np.zeros((len(self.names_), len(terms))),
        )
        for scaled in (False, True):  # the ridge may have removed small columns that are needed
            optimiser = _thresholded(pysindy, self.normalise, scaled, **settings)
            model = pysindy.SINDy(optimizer=optimiser, feature_library=library)
            with warnings.catch_warnings():
                # An empty equation is an error below; a support that still changes shows in the terms.
                warnings.filterwarnings("ignore", message="Sparsity parameter is too big|STLSQ did not converge")
                model.fit(x, t=self.dt_, x_dot=rates, feature_names=list(self.names_))
            if not any(optimiser.missed_):
                break
        table = np.asarray(model.coefficients(), dtype=float)
        checks.one_of("shape of PySINDy's coefficients", table.shape, [(len(self.names_), len(terms))])
        if not table.any():
            hint = f"{self._lower()}, or look whether axes, (*space, time), dx and dt are right"
            checks.fail("threshold", "one that leaves at least one term", self.threshold, hint)
        self._speak_of(optimiser.missed_, terms)
        self._found = {
            name: sympy.Add(*(sympy.Float(c) * t for c, t in zip(row, terms, strict=True) if c))
            for name, row in zip(self.names_, table, strict=True)
        }
        self._prepare()

    def _require(self, data: Trajectories) -> None:
        """Raise ``ValueError`` if frames are all the same, or squares of terms or rates may overflow."""
        require_change(data)
        largest, slope = np.float64(data.values.abs().max()), np.float64(max(1.0, np.pi / min(data.dx)))
        with np.errstate(over="ignore"):
            term = max(largest, 1.0) ** self.degree * largest * slope**self.order
            if not max(term, largest / data.dt) < 1e140:
                checks.fail(
                    "u",
                    f"terms up to degree {self.degree} and order {self.order} whose squares are finite",
                    f"values up to {largest:.3g} with dx = {min(data.dx):.3g} and dt = {data.dt:.3g}",
                    "measure them in other units",
                )

    def _lower(self) -> str:
        return "lower it" + ("" if self.normalise else ", or pass normalise=True")

    def _speak_of(self, missed: list[dict[int, float]], terms: list[sympy.Expr]) -> None:
        """Warn of terms that the threshold removed although the equation needs them."""
        for name, found in zip(self.names_, missed, strict=True):
            if found:
                needed = ", ".join(f"{value:.3g} {format_term(terms[k])}" for k, value in found.items())
                warn(
                    "threshold",
                    f"one that leaves the terms that {name}_t needs",
                    f"{self.threshold:g}, which removes {needed}; without, the error is over three times larger",
                    self._lower(),
                    category=EquationWarning,
                )

    def _prepare(self) -> None:
        """Make the solver of the found equation, and its right-hand side."""
        self._solver = KnownEquation(equation=self._found, derivatives=self.derivatives, boundary=self.boundary)
        one_sided = "one-sided" if self.boundary == "replicate" else self.boundary
        self._rate = self._solver.with_parameters(boundary=one_sided)
        for known in (self._solver, self._rate):
            known.names_, known.dt_, known.dx_, known._lines = self.names_, self.dt_, self.dx_, None

    def _expressions(self) -> dict[str, sympy.Expr]:
        return dict(self._found)

    def _rhs(self, u: torch.Tensor) -> torch.Tensor:
        return self._rate._rhs(u)

    def _scored(self, values: torch.Tensor) -> torch.Tensor:
        if self.boundary == "periodic":
            return values
        for axis in range(2, values.ndim):
            margin = min(self.order + int(self.derivatives), (values.shape[axis] - 1) // 2)
            values = values.narrow(axis, margin, values.shape[axis] - 2 * margin)
        return values

    def _step(self, u: torch.Tensor) -> torch.Tensor:
        return self._solver._step(u)

    def _rollout(self, u: torch.Tensor, steps: int) -> torch.Tensor:
        return self._solver._rollout(u, steps)


class PDEFIND(_Sparse):
    """Sparse regression of u_t on a library of terms (Rudy et al., Science Advances 3, 2017), by PySINDy.

    Args:
        order: highest order of derivatives.
        degree: highest degree of the polynomial before a derivative, and of the pure polynomials.
        derivatives: "spectral", or 2, 4, …: accuracy of finite differences in space.
        threshold: smallest coefficient kept by sequentially thresholded least squares, in the units of the data.
            A warning says which term it removes that the equation needs.
        alpha: ridge penalty inside it; the kept terms are fitted again without.
        normalise: ``threshold`` is that of the coefficients for columns of norm 1 and rates of root mean square 1,
            and units do not matter.
        bias: add the constant term.
        time_accuracy: accuracy of finite differences in time, 2 or 4; one-sided at both ends.
        every: use each such frame, for memory: PySINDy keeps about six copies of the matrix with a row for
            every point of every frame and a column for every term.
        boundary: "periodic" or "replicate". With "replicate", ``fit`` and ``predict`` take one-sided
            differences near the border; ``simulate`` repeats the outermost value there, which is stable, so
            ``score`` counts only points ``order + derivatives`` or more away from it (on small grids, only
            the middle).
        max_iter: limit of thresholding rounds.

    ``simulate`` solves the found equation by the method of lines, see ``KnownEquation``. Missing frames cut a
    trajectory into pieces.

    Raises:
        TypeError, ValueError: a hyper-parameter out of range; data as in ``Estimator.fit``, at rest, too few, or
            such that ``threshold`` leaves no term.
    """

    def __init__(
        self,
        *,
        order: int = 2,
        degree: int = 2,
        derivatives: str | int = "spectral",
        threshold: float = 0.02,
        alpha: float = 1e-8,
        normalise: bool = False,
        bias: bool = False,
        time_accuracy: int = 4,
        every: int = 1,
        boundary: str = "periodic",
        max_iter: int = 50,
    ) -> None:
        self.order, self.degree, self.threshold, self.alpha = order, degree, threshold, alpha
        self.normalise, self.bias, self.max_iter, self.boundary = normalise, bias, max_iter, boundary
        self.derivatives = checked_derivatives(derivatives, boundary)
        self.time_accuracy = checks.one_of("time_accuracy", time_accuracy, (2, 4))
        self.every = checks.integer("every", every, at_least=1)
        self._check()

    def _fit(self, data: Trajectories) -> None:
        pysindy = _pysindy()
        self._require(data)
        least = self.time_accuracy + 1
        points = self._least_points()
        if min(data.grid) < points:
            checks.fail(
                "u",
                f"at least {points} grid points per space axis for derivatives of order {self.order}",
                data.grid,
                "take a lower order or accuracy, or a finer grid",
            )
        pieces = [np.moveaxis(run.numpy(), (0, 1), (-2, -1)) for run in data.segments(least)]
        if not pieces:
            checks.fail(
                "u",
                f"{least} consecutive frames, for time differences",
                "none",
                "take time_accuracy=2" if self.time_accuracy == 4 else "",
            )
        in_time = pysindy.FiniteDifference(order=self.time_accuracy, axis=-2)
        rates = [np.asarray(in_time._differentiate(piece, data.dt))[..., :: self.every, :] for piece in pieces]
        pieces = [piece[..., :: self.every, :] for piece in pieces]
        sides = [h * np.arange(n) for h, n in zip(data.dx, data.grid, strict=True)]
        axes = np.meshgrid(*sides, indexing="ij")
        if self.derivatives == "spectral":
            how, options = pysindy.SpectralDerivative, {}
        else:
            periodic = self.boundary == "periodic"
            how = pysindy.FiniteDifference
            options = {"order": self.derivatives, "periodic": periodic, "is_uniform": True}
        library = pysindy.PDELibrary(
            function_library=pysindy.PolynomialLibrary(degree=self.degree, include_bias=False),
            derivative_order=self.order,
            spatial_grid=np.stack(axes, -1),
            include_bias=self.bias,
            multiindices=np.array(self._alphas(data.dim)),
            differentiation_method=how,
            diff_kwargs=options,
        )
        self._regress(library, pieces, rates)

    def _least_points(self) -> int:
        """Points that the highest derivative needs on an axis; 4 for spectral ones."""
        if self.derivatives == "spectral":
            return 4
        if self.boundary == "periodic":
            return 2 * ((self.order + 1) // 2) - 1 + self.derivatives  # type: ignore[operator]
        return self.order + self.derivatives  # type: ignore[operator]


class WeakSINDy(_Sparse):
    """Sparse regression of weak forms over space-time boxes (PySINDy's weak PDE library).

    Args:
        domains: number K of boxes per trajectory.
        size: half widths of the boxes, one per space axis and time; by default a tenth of the domain,
            but at least two spacings and at most 0.45 of the domain.
        power: degree p of the test functions.
        order, degree, threshold, alpha, normalise, bias, max_iter: as for ``PDEFIND``.
        derivatives: how ``simulate`` and ``predict`` evaluate the found equation; the library itself takes
            PySINDy's differences of accuracy 2 where integration by parts leaves derivatives.
        boundary: the same.
        seed: places of the boxes.

    PySINDy's boxes belong to one space-time grid, so longer pieces are cut to the length of the shortest.

    The weak form needs no periodic field. ``predict`` and ``simulate`` do if ``boundary`` is "periodic", and warn;
    ``score`` of data that are not periodic is that of ``boundary="replicate"``, with differences of accuracy 4 in
    the place of spectral derivatives.

    Raises:
        TypeError, ValueError: as for ``PDEFIND``; fewer boxes than terms.
    """

    def __init__(
        self,
        *,
        order: int = 2,
        degree: int = 2,
        domains: int = 200,
        size: tuple[float, ...] | None = None,
        power: int = 4,
        threshold: float = 0.02,
        alpha: float = 1e-8,
        normalise: bool = False,
        bias: bool = False,
        derivatives: str | int = "spectral",
        boundary: str = "periodic",
        max_iter: int = 50,
        seed: int = 0,
    ) -> None:
        self.order, self.degree, self.threshold, self.alpha = order, degree, threshold, alpha
        self.normalise, self.bias, self.max_iter, self.boundary = normalise, bias, max_iter, boundary
        self.derivatives = checked_derivatives(derivatives, boundary)
        self.domains = checks.integer("domains", domains, at_least=1)
        self.power = checks.integer("power", power, at_least=1)
        self.seed = checks.integer("seed", seed, at_least=0)
        positive = (checks.real("size", s, above=0) for s in (() if size is None else size))
        self.size = tuple(size) if size is not None and all(positive) else None
        self._check()

    def _fit(self, data: Trajectories) -> None:
        pysindy = _pysindy()
        self._require(data)
        runs = data.segments(5)
        if not runs:
            checks.fail("u", "five consecutive frames", "none")
        frames = min(len(run) for run in runs)
        pieces = [np.moveaxis(run[:frames].numpy(), (0, 1), (-2, -1)) for run in runs]
        sides = [h * np.arange(n) for h, n in zip((*data.dx, data.dt), (*data.grid, frames), strict=True)]
        axes = [*(f"points along axis {k}" for k in range(data.dim)), "consecutive frames"]
        for axis, side in zip(axes, sides, strict=True):
            if len(side) < 5:
                checks.fail("u", f"at least five {axis}", len(side), "weak forms need boxes inside it")
        size = self.size or tuple(min(max(side[-1] / 10, 2 * side[1]), 0.45 * side[-1]) for side in sides)
        if len(size) != len(sides):
            checks.fail("size", f"{len(sides)} half widths, one per space axis and time", size)
        for axis, half, side in zip(axes, size, sides, strict=True):
            if not 2 * (side[1] - side[0]) <= 2 * half < side[-1]:
                checks.fail(
                    "size",
                    f"half widths from {side[1]:.3g} to below {side[-1] / 2:.3g}",
                    half,
                    f"there are {len(side)} {axis}",
                )
        grid = np.stack(np.meshgrid(*sides, indexing="ij"), -1)
        before = np.random.get_state()  # noqa: NPY002  PySINDy draws the boxes from NumPy's global generator
        np.random.seed(seeds.derive(self.seed, "weak sindy/boxes") % 2**32)  # noqa: NPY002
        try:
            library = pysindy.WeakPDELibrary(
                function_library=pysindy.PolynomialLibrary(degree=self.degree, include_bias=False),
                derivative_order=self.order,
                spatiotemporal_grid=grid,
                include_bias=self.bias,
                K=self.domains,
                H_xt=np.array(size),
                p=self.power,
            )
        finally:
            np.random.set_state(before)  # noqa: NPY002
        self._regress(library, pieces, None, self.domains * len(pieces))

    @property
    def _fit_wraps(self) -> bool:
        return False

    def _scorer(self, data: Trajectories) -> Estimator:
        if not self._wraps or not open_axes(frames_sample(data)):
            return self
        inner = copy.copy(self)
        inner.boundary, inner.derivatives = "replicate", 4 if self.derivatives == "spectral" else self.derivatives
        inner._prepare()
        return inner

    def _alphas(self, dim: int) -> list[tuple[int, ...]]:
        # PySINDy counts the last axis fastest.
        every = itertools.product(range(self.order + 1), repeat=dim)
        return [alpha for alpha in every if 0 < sum(alpha) <= self.order]
