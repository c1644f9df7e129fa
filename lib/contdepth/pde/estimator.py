"""The interface of every method that learns an equation: fit, read equations, predict, simulate, score."""

from __future__ import annotations

import builtins
import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import sklearn.exceptions
import sympy
import torch
from sklearn.base import BaseEstimator

from contdepth import checks, devices
from contdepth.errors import EquationWarning
from contdepth.pde.doors import warn
from contdepth.pde.fields.grids import as_real
from contdepth.pde.fields.periodic import warn_unless_periodic
from contdepth.pde.fields.trajectories import Trajectories, frames_sample, require_range, trajectories
from contdepth.pde.symbolic.terms import collect, format_equation, term_size, typical_sizes

if TYPE_CHECKING:
    from contdepth.pde.fields.grids import Array, Times

__all__ = ["Estimator", "NotFittedError"]


class NotFittedError(RuntimeError, sklearn.exceptions.NotFittedError):
    """A method that needs a fitted estimator was called before ``fit``."""


class Estimator(BaseEstimator, ABC):
    """Base of PDE-Net, PDE-Net 2.0 and their peers, with PySINDy's calls and axis order.

    It is a scikit-learn estimator: ``sklearn.base.clone``, ``get_params``, ``set_params``, ``check_is_fitted`` and
    ``GridSearchCV`` over a list of trajectories work.

    A subclass takes its hyper-parameters as keyword-only arguments of ``__init__`` and keeps each as an attribute
    of the same name, a right one as the object it is. It implements ``_fit(data)``, ``_expressions()`` and
    ``_rhs(u)``, and may implement ``_step(u)``, one time step ``dt_``, which is the explicit Euler step otherwise.
    Tensors there are ``(B, F, *space)`` float64.

    Attributes:
        names_: field names.
        dt_: time step of the training data.
        dx_: its grid spacings.
        grid_: its points per axis. All four are set before ``_fit`` is called.
    """

    names_: tuple[str, ...]
    dt_: float
    dx_: tuple[float, ...]
    grid_: tuple[int, ...]
    _terms: dict[str, dict[sympy.Expr, float]] | None = None
    _sizes: dict[str, float] | None = None

    @property
    def _where(self) -> torch.device:
        """Where it computes: fitted, where its weights are, else on its ``device``, if it has one."""
        learned = vars(self).values() if self.__sklearn_is_fitted__() else ()
        weights = next((part for part in learned if isinstance(part, torch.nn.Module)), None)
        return torch.device(getattr(self, "device", "cpu")) if weights is None else devices.of(weights)

    @property
    def _wraps(self) -> bool:
        """Whether ``predict``, ``simulate`` and ``score`` go on from the last point of an axis to the first."""
        return getattr(self, "boundary", None) == "periodic"

    @property
    def _fit_wraps(self) -> bool:
        """Whether ``fit`` does."""
        return self._wraps

    @abstractmethod
    def _fit(self, data: Trajectories) -> None:
        """Learn from the trajectories; what is learned goes into attributes."""

    @abstractmethod
    def _expressions(self) -> dict[str, sympy.Expr]:
        """Right-hand side for every field."""

    @abstractmethod
    def _rhs(self, u: torch.Tensor) -> torch.Tensor:
        """Time derivative of ``u`` ``(B, F, *space)``, same shape."""

    def _step(self, u: torch.Tensor) -> torch.Tensor:
        """State one time step ``dt_`` later, ``(B, F, *space)``."""
        return u + self.dt_ * self._rhs(u)

    def _scored(self, values: torch.Tensor) -> torch.Tensor:
        """The points of ``(B, F, *space)`` that ``score`` counts: all of them, if not said otherwise."""
        return values

    def _scorer(self, data: Trajectories) -> Estimator:
        """The estimator whose steps ``score`` judges on these data: this one, if not said otherwise."""
        return self

    def parameters(self) -> dict[str, Any]:
        """Hyper-parameters by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def with_parameters(self, **changes: Any) -> Self:
        """A new, unfitted estimator with some hyper-parameters changed; ``TypeError`` for an unknown one."""
        known = self.parameters()
        for name in changes:
            if name not in known:
                expected = f"a parameter of {type(self).__name__}: {', '.join(known)}"
                checks.fail(name, expected, "an unknown one", error=TypeError)
        return type(self)(**known | changes)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Hyper-parameters by name; with ``deep`` also those of an estimator among them, ``estimator__seed``."""
        return super().get_params(deep) | self.parameters()

    def set_params(self, **params: Any) -> Self:
        """Change hyper-parameters in place, with the checks of the constructor, and return the estimator.

        A name such as ``estimator__seed`` changes one of an estimator among them. What was learned stays until the
        next ``fit``.

        Raises:
            TypeError, ValueError: an unknown name; a value out of range.
        """
        own = {name: value for name, value in params.items() if "__" not in name}
        type(self).__init__(self, **self.with_parameters(**own).get_params(deep=False))
        return super().set_params(**{name: value for name, value in params.items() if name not in own})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.parameters().items())})"

    def fit(
        self,
        u: Array | Sequence[Array] | Trajectories,
        *,
        dt: float | None = None,
        t: Times | Sequence[Times] | None = None,
        dx: float | Sequence[float] | Array | None = None,
        names: Sequence[str] | None = None,
    ) -> Self:
        """Learn from ``u``: arrays as ``contdepth.pde.trajectories`` takes them, or ``Trajectories``.

        Args:
            u: ``(*space, time)``, ``(*space, time, fields)``, a list of such, or ``Trajectories``.
            dt: time between frames; or
            t: times of the frames, which may be any whole multiples of ``dt`` apart if both are given.
            dx: grid spacing per space dimension.
            names: field names.

        Raises:
            TypeError, ValueError: the data are not as described; one sentence says where.

        Warns:
            EquationWarning: the method takes the fields for periodic, and they are not.
        """
        if isinstance(u, Trajectories):
            for key, value in {"dt": dt, "t": t, "dx": dx, "names": names}.items():
                if value is not None:
                    checks.fail(key, "nothing beside Trajectories, which carry it", value)
            data = u
        else:
            if dx is None:
                checks.fail(
                    "dx", "the grid spacing for every space dimension", "none", "for example dx=(0.1, 0.1)"
                )
            data = trajectories(u, dt=dt, t=t, dx=dx, names=names)
        self.set_params()  # attributes may have been set since
        require_range(data)
        sample = frames_sample(data)
        if self._fit_wraps:
            warn_unless_periodic("u", sample)
        self._fitted = False
        self.names_, self.dt_, self.dx_, self.grid_ = data.names, data.dt, data.dx, data.grid
        self._fit(data.to(self._where))
        self._fitted, self._terms = True, None
        self._sizes = typical_sizes(sample, self.names_, self.dx_)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return getattr(self, "_fitted", False)

    def _require_fit(self) -> None:
        if not self.__sklearn_is_fitted__():
            checks.fail(
                type(self).__name__,
                "a fitted estimator",
                "an unfitted one",
                "call fit first",
                error=NotFittedError,
            )

    def expressions(self) -> dict[str, sympy.Expr]:
        """Field → right-hand side, in the symbols u, u_x, u_xx, …"""
        self._require_fit()
        return self._expressions()

    def equations(self) -> list[sympy.Eq]:
        """One equation ``u_t = …`` per field."""
        return [
            sympy.Eq(sympy.Symbol(f"{name}_t"), right, evaluate=False)
            for name, right in self.expressions().items()
        ]

    def terms(self) -> dict[str, dict[sympy.Expr, float]]:
        """Field → {SymPy term: coefficient}, read once after each ``fit``; the constant term is 1."""
        self._require_fit()
        if self._terms is None:
            self._terms = self._collected()
        return {name: dict(terms) for name, terms in self._terms.items()}

    def _collected(self) -> dict[str, dict[sympy.Expr, float]]:
        """What ``terms`` keeps."""
        return {name: collect(right) for name, right in self.expressions().items()}

    def coefficients(self) -> dict[str, dict[str, float]]:
        """Field → {term such as ``"u*u_x"``: coefficient}; the constant term is ``"1"``."""
        return {name: {str(term): value for term, value in terms.items()} for name, terms in self.terms().items()}

    def print(self, *, precision: int = 3, threshold: float | None = None) -> None:
        """Print one line per field; terms below ``threshold`` are left out and counted at the end.

        By default those are left out that contribute less than one thousandth of what the largest term does: the
        coefficient times the typical size of the term in the training data, so units do not matter.
        """
        for name, terms in self.terms().items():
            sizes = None if self._sizes is None else {term: term_size(term, self._sizes) for term in terms}
            builtins.print(
                format_equation(name, terms, precision=precision, threshold=threshold, rest=True, sizes=sizes)
            )

    def rollout(self, u0: torch.Tensor, steps: int) -> torch.Tensor:
        """States at 0, 1, …, ``steps`` time steps: ``(B, F, *space)`` to ``(B, steps + 1, F, *space)``.

        They are computed where the estimator is and returned where ``u0`` is.
        Once a trajectory is no longer finite, the learned step has blown up; what follows is inf or NaN.
        """
        self._require_fit()
        checks.integer("steps", steps, at_least=0)
        u = checks.floating("u0", u0, ndim=2 + len(self.dx_)).to(torch.float64)
        if u.shape[1] != len(self.names_):
            checks.fail("u0", f"{len(self.names_)} fields on axis 1", f"shape {tuple(u.shape)}")
        checks.finite("u0", u)
        with torch.no_grad():
            frames = self._rollout(u.to(self._where), steps)
        return frames.to(u.device)

    def _rollout(self, u: torch.Tensor, steps: int) -> torch.Tensor:
        frames = [u]
        for _ in range(steps):
            frames.append(self._step(frames[-1]))
        return torch.stack(frames, 1)

    def simulate(self, u0: Array | Sequence[Array], steps: int) -> Any:
        """Follow the learned equation from an initial state, one frame per time step of the training data.

        Args:
            u0: ``(*space)`` for one field or ``(*space, fields)``, or a list of such.
            steps: number of time steps.

        Returns:
            array: ``(*space, steps + 1)`` or ``(*space, steps + 1, fields)``, frame 0 is ``u0``; or a list. After
                a blow-up it is inf or NaN.

        Warns:
            EquationWarning: a trajectory blows up, and when; ``u0`` is taken for periodic and is not.
        """
        self._require_fit()
        many = isinstance(u0, list | tuple)
        items: list[Any] = list(u0) if many else [u0]
        starts = [self._start(f"u0[{i}]" if many else "u0", item) for i, item in enumerate(items)]
        if not starts:
            checks.fail("u0", "at least one initial state", "an empty list")
        for i, (start, _) in enumerate(starts):
            checks.same_shape(f"u0[{i}]", start, tuple(starts[0][0].shape), hint="all states share one grid")
        u = torch.stack([start for start, _ in starts])
        frames = self.rollout(u, steps)
        if self._wraps:
            warn_unless_periodic("u0", u)
        finite = frames.isfinite().flatten(2).all(2)
        if not bool(finite.all()):
            step = int((~finite).any(0).nonzero()[0])
            which = f" from u0[{int((~finite[:, step]).nonzero()[0])}]" if many else ""
            warn(
                "simulate",
                f"finite states for {steps} steps",
                f"inf or NaN{which} at t = {step * self.dt_:.6g}, step {step}, and after",
                "the learned step blows up: it amplifies what the data do not hold, such as short waves; "
                "take fewer steps, a simpler model, a coarser grid or more data",
                category=EquationWarning,
            )
        out = [outward(f.cpu().numpy(), bare) for f, (_, bare) in zip(frames, starts, strict=True)]
        return out if many else out[0]

    def _start(self, label: str, u: Array) -> tuple[torch.Tensor, bool]:
        array = as_real(label, u)
        dim, fields = len(self.dx_), len(self.names_)
        bare = array.ndim == dim and fields == 1
        if bare:
            array = array[..., None]
        if array.ndim != dim + 1 or array.shape[-1] != fields:
            expected = f"axes (*space, fields) with {dim} space dimensions and {fields} fields"
            checks.fail(label, expected, f"shape {array.shape}", "no time axis here")
        state = torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, 0)))
        return state.to(self._where), bare

    def predict(self, u: Array | Sequence[Array] | Trajectories) -> Any:
        """Time derivative of every frame; axis order as in ``u``, NaN for missing frames.

        Args:
            u: as for ``fit``: an array, a list, or ``Trajectories``, which give ``(N, T, F, *space)``; or a
                single frame ``(*space)`` or ``(*space, fields)``, or a list of such.
        """
        self._require_fit()
        many = isinstance(u, list | tuple)
        if not isinstance(u, Trajectories):
            frames: list[Any] = list(u) if many else [u]
            if frames and all(self._is_frame(frame) for frame in frames):
                single = [self._frame_rate(f"u[{i}]" if many else "u", f) for i, f in enumerate(frames)]
                return single if many else single[0]
        data = self._again(u)
        with torch.no_grad():
            rates = torch.full_like(data.values, torch.nan)
            for n, present in enumerate(data.present):
                rates[n, present] = self._rhs(data.values[n, present])
        if self._wraps:
            warn_unless_periodic("u", frames_sample(data))
        if isinstance(u, Trajectories):
            return rates.to(u.values.device)
        items = u if many else [u]
        out = [
            outward(r[: np.shape(item)[len(self.dx_)]].cpu().numpy(), np.ndim(item) == len(self.dx_) + 1)
            for r, item in zip(rates, items, strict=True)
        ]
        return out if many else out[0]

    def _is_frame(self, u: Array) -> bool:
        """Whether ``u`` has no time axis or a single frame on it."""
        shape, dim, fields = tuple(np.shape(u)), len(self.dx_), len(self.names_)
        if len(shape) == dim + 1:
            return shape[-1] == fields
        return (len(shape) == dim and fields == 1) or (len(shape) == dim + 2 and shape[-2:] == (1, fields))

    def _frame_rate(self, label: str, u: Array) -> np.ndarray:
        array = as_real(label, u)
        shape, timed = array.shape, array.ndim == len(self.dx_) + 2
        start, _ = self._start(label, array[..., 0, :] if timed else array)
        if bool(start.isnan().all()):
            return np.full(shape, np.nan)
        checks.finite(label, start)
        with torch.no_grad():
            rate = self._rhs(start[None])[0]
        if self._wraps:
            warn_unless_periodic(label, start[None])
        return np.moveaxis(rate.cpu().numpy(), 0, -1).reshape(shape)

    def score(
        self,
        u: Array | Sequence[Array] | Trajectories,
        *,
        dt: float | None = None,
        t: Times | Sequence[Times] | None = None,
    ) -> float:
        """R² of the one-step increments: 1 minus squared error of ``step(u_n) - u_n`` over their variance.

        Args:
            u: as for ``fit``; ``dt`` is that of the training data if neither ``dt`` nor ``t`` is given.
            dt: time step, which must be that of the training data.
            t: times of the frames.

        Raises:
            TypeError, ValueError: the data are not as described, or their increments are all the same.
        """
        self._require_fit()
        if isinstance(u, Trajectories):
            for key, value in {"dt": dt, "t": t}.items():
                if value is not None:
                    checks.fail(key, "nothing beside Trajectories, which carry it", value)
        data = self._again(u, dt=dt, t=t)
        scorer = self._scorer(data)
        pairs = data.present[:, :-1] & data.present[:, 1:]
        if not bool(pairs.any()):
            checks.fail("u", "at least one pair of consecutive frames", "none")
        before, after = data.values[:, :-1][pairs], data.values[:, 1:][pairs]
        with torch.no_grad():
            wrong = scorer._scored(scorer._step(before) - after)
        if scorer._wraps:
            warn_unless_periodic("u", frames_sample(data))
        change = scorer._scored(after - before)
        spread = change - change.mean([0, *range(2, change.ndim)], keepdim=True)
        if not bool(wrong.isfinite().all()):
            checks.fail("score", "a finite step from every frame", "inf or NaN", "the learned step blows up")
        rounding = 1e-14 * float(before.abs().max() + after.abs().max())
        if float(spread.abs().max()) <= rounding:
            checks.fail(
                "u",
                "frames that change",
                "the same increment at every point and frame",
                "R² has no meaning without variance",
            )
        return float(1 - wrong.square().sum() / spread.square().sum())

    def _again(
        self,
        u: Array | Sequence[Array] | Trajectories,
        *,
        dt: float | None = None,
        t: Times | Sequence[Times] | None = None,
    ) -> Trajectories:
        """New data on the training grid spacing and fields."""
        given = isinstance(u, Trajectories)
        dt = self.dt_ if dt is None and t is None else dt
        data: Trajectories = u if given else trajectories(u, dt=dt, t=t, dx=self.dx_, names=self.names_)  # type: ignore[assignment, arg-type]
        # a step that is read from rounded times is known to fewer digits
        for key, value, ours, near in (("dt", (data.dt,), (self.dt_,), 1e-3), ("dx", data.dx, self.dx_, 1e-6)):
            if len(value) != len(ours) or not np.allclose(value, ours, rtol=near, atol=0):
                checks.fail(key, f"that of the training data, {ours}", value)
        if data.names != self.names_:
            checks.fail("names", f"those of the training data, {self.names_}", data.names)
        return data.to(self._where)


def outward(frames: np.ndarray, bare: bool) -> np.ndarray:
    """``(T, F, *space)`` to ``(*space, T, F)``, or ``(*space, T)`` if ``bare``."""
    moved = np.ascontiguousarray(np.moveaxis(frames, (0, 1), (-2, -1)))
    return moved[..., 0] if bare else moved
