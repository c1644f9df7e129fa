"""Test problems u' = f(t, u) on [0, T] with a known solution.

Every problem has ``u0`` ``(d,)`` float64, ``T``, ``f(t, u)`` for ``u`` ``(..., d)`` of any floating dtype,
and ``solution(t)``: ``(d,)`` for a number, ``(n, d)`` for n times, float64. Times and states are
dimensionless. ``u0`` is on the problem's ``device``, the CPU unless one is given, and so is the solution at a
number; at times it is where they are, and ``f`` follows ``u``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from torch import Tensor

from contdepth import checks, devices

__all__ = ["LinearSystem", "Pendulum", "Problem", "Quadratic", "Scaled", "TimeDependent", "reference"]


class Problem(Protocol):
    """What schemes and measurements need of a problem."""

    @property
    def T(self) -> float: ...

    @property
    def u0(self) -> Tensor: ...

    def f(self, t: Tensor, u: Tensor) -> Tensor: ...

    def solution(self, t: float | Tensor) -> Tensor: ...


def as_times(t: float | Tensor, device: str | torch.device = "cpu") -> Tensor:
    """``t`` in float64, numbers on ``device``; raise ``TypeError`` if it is no number or numbers."""
    found = checks.numbers("t", t, "a time or times (n,)", dtype=torch.float64)
    return found if isinstance(t, Tensor) else found.to(devices.named("device", device))


def reference(
    f: Callable[[Tensor, Tensor], Tensor], u0: Tensor, t: float | Tensor, *, tolerance: float = 1e-13
) -> Tensor:
    """Return the solution from ``u0`` at t = 0 by SciPy's DOP853, for problems without a formula.

    Args:
        f: right-hand side.
        u0: state ``(d,)`` at 0; f is computed on its device, where the result is, and DOP853 on the CPU.
        t: a time, or times ``(n,)`` all on one side of 0 and in order of distance from it.
        tolerance: relative tolerance; the absolute one is a tenth of it.
    """
    checks.finite("u0", checks.reals("u0", u0, ndim=1))
    checks.real("tolerance", tolerance, above=0)
    times = np.atleast_1d(as_times(t).detach().cpu().numpy())
    if times.ndim != 1 or len(times) == 0 or not (abs(times) <= 1e6).all():
        raise ValueError(f"t: expected times, one or (n,), of at most 1e6, found {times.tolist()}")
    if times[-1] == 0.0:
        return u0.double().expand(np.shape(t) + u0.shape).clone()

    def numpy_field(s: float, u: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            time, state = torch.tensor(s, dtype=torch.float64, device=u0.device), torch.from_numpy(u).to(u0.device)
            rate = checks.tensor("f(t, u)", f(time, state))
            return checks.same_shape("f(t, u)", rate, u.shape).cpu().numpy()

    start = u0.detach().double().cpu().numpy()
    checks.finite("f(0, u0)", torch.from_numpy(numpy_field(0.0, start)))
    found = solve_ivp(
        numpy_field,
        (0.0, times[-1]),
        start,
        method="DOP853",
        t_eval=times,
        rtol=tolerance,
        atol=tolerance / 10,
    )
    if not found.success:
        raise RuntimeError(f"reference: expected DOP853 to reach t = {times[-1]:.6g}, found: {found.message}")
    values = torch.from_numpy(found.y.T.copy()).to(u0.device)
    return values[0] if np.ndim(t) == 0 else values


@dataclass(frozen=True)
class Pendulum:
    """q' = p, p' = torque - sin q for u = (q, p): non-linear, Hamiltonian; f(0) = 0 iff torque = 0."""

    T: float = 2.0
    angle: float = 1.0
    speed: float = 0.5
    torque: float = 0.0
    device: str | torch.device = field(default="cpu", repr=False, kw_only=True)

    @property
    def u0(self) -> Tensor:
        """Initial angle and speed."""
        where = devices.named("device", self.device)
        return torch.tensor([self.angle, self.speed], dtype=torch.float64, device=where)

    def f(self, t: Tensor, u: Tensor) -> Tensor:
        """Return (p, torque - sin q)."""
        q, p = u.unbind(-1)
        return torch.stack([p, self.torque - torch.sin(q)], -1)

    @property
    def parts(self) -> tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]:
        """The halves (q' as a function of p, p' as a function of q) for partitioned schemes."""
        return (lambda t, p: p), (lambda t, q: self.torque - torch.sin(q))

    def energy(self, u: Tensor) -> Tensor:
        """Return p²/2 + 1 - cos q - torque q, ``(...)``: constant along solutions."""
        if checks.floating("u", u).ndim == 0:
            raise ValueError("u: expected states (..., 2), found a single number")
        q, p = u.unbind(-1)
        return p**2 / 2 + 1 - torch.cos(q) - self.torque * q

    def solution(self, t: float | Tensor) -> Tensor:
        """Return the reference solution at ``t``."""
        return reference(self.f, self.u0.to(t.device) if isinstance(t, Tensor) else self.u0, t)


@dataclass(frozen=True)
class TimeDependent:
    """x' = x - 2t/x, y' = -x y from (1, 1): non-linear, non-autonomous, coupled.

    Solution x = √(1 + 2t), y = exp((1 - (1 + 2t)^{3/2}) / 3). f depends on t and u in a way that does not
    separate, so a wrong node shows up as a lost order.
    """

    T: float = 1.0
    device: str | torch.device = field(default="cpu", repr=False, kw_only=True)

    @property
    def u0(self) -> Tensor:
        """(1, 1)."""
        return torch.ones(2, dtype=torch.float64, device=devices.named("device", self.device))

    def f(self, t: Tensor, u: Tensor) -> Tensor:
        """Return (x - 2t/x, -x y)."""
        x, y = u.unbind(-1)
        return torch.stack([x - 2 * t / x, -x * y], -1)

    def solution(self, t: float | Tensor) -> Tensor:
        """Return the closed-form solution at ``t``."""
        s = 1 + 2 * as_times(t, self.device)
        return torch.stack([s.sqrt(), torch.exp((1 - s**1.5) / 3)], -1)


@dataclass(frozen=True)
class LinearSystem:
    """u' = A u; the default A is a damped rotation with a non-normal coupling."""

    T: float = 2.0
    rows: tuple[tuple[float, ...], ...] = ((-0.3, 1.0, 0.5), (-1.0, -0.2, 0.4), (0.0, 0.0, -0.7))
    start: tuple[float, ...] = (1.0, -0.5, 0.8)
    device: str | torch.device = field(default="cpu", repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if {len(row) for row in self.rows} != {len(self.start)} or len(self.rows) != len(self.start):
            checks.fail(
                "rows",
                f"{len(self.start)} rows of {len(self.start)} entries (as start has)",
                f"rows of {[len(row) for row in self.rows]} entries",
            )

    @property
    def u0(self) -> Tensor:
        """Initial state."""
        return torch.tensor(self.start, dtype=torch.float64, device=devices.named("device", self.device))

    @property
    def matrix(self) -> Tensor:
        """A, ``(d, d)`` float64."""
        return torch.tensor(self.rows, dtype=torch.float64, device=devices.named("device", self.device))

    def f(self, t: Tensor, u: Tensor) -> Tensor:
        """Return A u."""
        return u @ self.matrix.to(u).T

    def solution(self, t: float | Tensor) -> Tensor:
        """Return exp(t A) u0."""
        times = as_times(t, self.device)[..., None, None]
        flow = expm((times * self.matrix.to(times)).detach().cpu().numpy())
        return torch.from_numpy(flow).to(times.device) @ self.u0.to(times)


@dataclass(frozen=True)
class Quadratic:
    """u' = -A u, gradient flow of u·A u / 2; ``d`` eigenvalues of A in geometric steps from 1/kappa to 1."""

    kappa: float = 100.0
    d: int = 10
    T: float = 1.0
    device: str | torch.device = field(default="cpu", repr=False, kw_only=True)

    def __post_init__(self) -> None:
        checks.real("kappa", self.kappa, at_least=1.0)
        checks.integer("d", self.d, at_least=2)

    @property
    def u0(self) -> Tensor:
        """All ones in the eigenbasis."""
        return torch.ones(self.d, dtype=torch.float64, device=devices.named("device", self.device))

    @property
    def eigenvalues(self) -> Tensor:
        """Eigenvalues of A, ``(d,)``; the largest, the Lipschitz constant L, is 1."""
        where = devices.named("device", self.device)
        return torch.logspace(-math.log10(self.kappa), 0.0, self.d, dtype=torch.float64, device=where)

    def f(self, t: Tensor, u: Tensor) -> Tensor:
        """Return -A u."""
        return -self.eigenvalues.to(u) * u

    def solution(self, t: float | Tensor) -> Tensor:
        """Return exp(-t A) u0."""
        times = as_times(t, self.device)[..., None]
        return torch.exp(-times * self.eigenvalues.to(times)) * self.u0.to(times)


@dataclass(frozen=True)
class Scaled:
    """The problem u' = factor f(t, u), from the same start and over the same time."""

    problem: Problem
    factor: float

    @property
    def T(self) -> float:
        """Final time of the problem."""
        return self.problem.T

    @property
    def u0(self) -> Tensor:
        """Initial state of the problem."""
        return self.problem.u0

    def f(self, t: Tensor, u: Tensor) -> Tensor:
        """Return factor f(t, u)."""
        return self.factor * self.problem.f(t, u)

    def solution(self, t: float | Tensor) -> Tensor:
        """Return the reference solution at ``t``."""
        return reference(self.f, self.u0.to(t.device) if isinstance(t, Tensor) else self.u0, t)
