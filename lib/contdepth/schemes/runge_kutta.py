"""Explicit Runge–Kutta schemes from coefficient tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field, axpy, axpy_

__all__ = ["HEUN2", "HEUN3", "KUTTA3", "MIDPOINT", "RALSTON2", "RK4", "THREE_EIGHTHS", "RungeKutta", "Tableau"]


@dataclass(frozen=True)
class Tableau:
    """Coefficients of an explicit scheme: k_i = f(t + c_i h, u + h sum_j a_ij k_j), then u + h sum_i b_i k_i.

    Args:
        name: as tables and errors show it.
        order: order claimed, 0 to 4; the algebraic order conditions are checked up to it.
        a: s rows; row i holds its i entries below the diagonal.
        b: s weights.
        c: s nodes; each the sum of its row of ``a`` (so that u' = f(t, u) is treated like its autonomous
            form).

    Raises:
        ValueError: shapes that do not fit, nodes that are not row sums, or an order the coefficients do not
            have.
    """

    name: str
    order: int
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    c: tuple[float, ...]

    def __post_init__(self) -> None:
        checks.integer("order", self.order, at_least=0, at_most=4)
        for name, row in (*(("a", row) for row in self.a), ("b", self.b), ("c", self.c)):
            for entry in row:
                checks.real(name, entry)
        stages = len(self.b)
        if tuple(len(row) for row in self.a) != tuple(range(stages)) or len(self.c) != stages:
            checks.fail(
                "a, b, c",
                f"rows of 0 to {stages - 1} entries and {stages} nodes, as b has {stages}",
                f"rows of {[len(row) for row in self.a]} entries and {len(self.c)} nodes",
            )
        if self.order and any(abs(sum(row) - node) > 1e-12 for row, node in zip(self.a, self.c, strict=True)):
            checks.fail("c", f"the row sums of a, {[sum(row) for row in self.a]}", list(self.c))
        if self.order > self.verified_order():
            checks.fail("order", f"at most {self.verified_order()} for these coefficients", self.order)

    @property
    def stages(self) -> int:
        """Number of evaluations of f in a step."""
        return len(self.b)

    def matrix(self) -> np.ndarray:
        """Return ``a`` as a full ``(s, s)`` array."""
        full = np.zeros((self.stages, self.stages))
        for i, row in enumerate(self.a):
            full[i, :i] = row
        return full

    def order_conditions(self) -> dict[int, list[float]]:
        """Return the residuals of the algebraic conditions of orders 1 to 4, one for each rooted tree."""
        a, b, c = self.matrix(), np.array(self.b), np.array(self.c)
        return {
            1: [b.sum() - 1],
            2: [b @ c - 1 / 2],
            3: [b @ c**2 - 1 / 3, b @ a @ c - 1 / 6],
            4: [b @ c**3 - 1 / 4, (b * c) @ a @ c - 1 / 8, b @ a @ c**2 - 1 / 12, b @ a @ a @ c - 1 / 24],
        }

    def verified_order(self) -> int:
        """Return the largest order up to 4 whose conditions, and all before, hold to 1e-12."""
        order = 0
        for p, residuals in self.order_conditions().items():
            if max(map(abs, residuals)) > 1e-12:
                break
            order = p
        return order

    @cached_property
    def done(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the slopes that no stage after each stage needs, so that their memory can go."""
        s = self.stages
        last = [max((i for i in range(j + 1, s) if self.a[i][j]), default=s) for j in range(s)]
        return tuple(tuple(j for j in range(i) if last[j] == i) for i in range(s))

    def stability_coefficients(self) -> list[float]:
        """Return 1, b·1, b·A·1, …: coefficients in z = h lambda of a step's factor on u if f = lambda u."""
        power, coefficients = np.ones(self.stages), [1.0]
        for _ in range(self.stages):
            coefficients.append(float(np.array(self.b) @ power))
            power = self.matrix() @ power
        return coefficients


@dataclass(frozen=True)
class RungeKutta:
    """The explicit Runge–Kutta scheme of ``tableau``, whose name, order and stages it takes."""

    tableau: Tableau

    def __post_init__(self) -> None:
        if not isinstance(self.tableau, Tableau):
            found = f"{self.tableau!r} ({type(self.tableau).__name__})"
            checks.fail("tableau", "a Tableau", found, "such as contdepth.schemes.RK4", error=TypeError)

    @property
    def name(self) -> str:
        """Name of the tableau."""
        return self.tableau.name

    @property
    def order(self) -> int:
        """Order of the tableau."""
        return self.tableau.order

    @property
    def stages(self) -> int:
        """Evaluations of f in a step."""
        return self.tableau.stages

    def step(self, f: Field, t: Tensor, u: Tensor, h: float | Tensor) -> Tensor:
        """Return the state at ``t + h`` from ``u`` ``(..., d)`` at ``t``."""
        slopes: list[Tensor]
        total: Tensor | None
        table, slopes, total, node, time = self.tableau, [], None, 0.0, t
        unused = ((),) * len(table.b) if torch.compiler.is_compiling() else table.done  # kept behind a lock
        for row, weight, c, done in zip(table.a, table.b, table.c, unused, strict=True):
            if c != node:
                node, time = c, (t + c * h if c else t)
            stage = u
            for a, k in zip(row, slopes, strict=True):
                if a:
                    stage = axpy(u, k, a * h) if stage is u else axpy_(stage, k, a * h)
            for j in done:
                slopes[j] = None  # type: ignore[call-overload]
            k = f(time, stage)
            slopes.append(k)
            if weight:
                total = axpy(u, k, weight * h) if total is None else axpy_(total, k, weight * h)
        return u if total is None else total


HEUN2 = Tableau("Heun", 2, ((), (1.0,)), (1 / 2, 1 / 2), (0.0, 1.0))
"""Trapezoid with an Euler predictor; also "improved Euler". Not Heun's third-order scheme."""

MIDPOINT = Tableau("explicit midpoint", 2, ((), (1 / 2,)), (0.0, 1.0), (0.0, 1 / 2))
"""Also "modified Euler". Not the two-step leapfrog, which older books call midpoint."""

RALSTON2 = Tableau("Ralston", 2, ((), (2 / 3,)), (1 / 4, 3 / 4), (0.0, 2 / 3))
"""Second order with the smallest bound on the local error (Ralston 1962). Some books call this one Heun."""

KUTTA3 = Tableau("Kutta, third order", 3, ((), (1 / 2,), (-1.0, 2.0)), (1 / 6, 2 / 3, 1 / 6), (0.0, 1 / 2, 1.0))
"""Simpson's rule as a Runge–Kutta scheme."""

HEUN3 = Tableau("Heun, third order", 3, ((), (1 / 3,), (0.0, 2 / 3)), (1 / 4, 0.0, 3 / 4), (0.0, 1 / 3, 2 / 3))
"""torchdiffeq's ``heun3``."""

RK4 = Tableau(
    "classical RK4",
    4,
    ((), (1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0)),
    (1 / 6, 1 / 3, 1 / 3, 1 / 6),
    (0.0, 1 / 2, 1 / 2, 1.0),
)
"""The scheme most books mean by RK4; torchdiffeq's ``rk4`` is :data:`THREE_EIGHTHS`."""

THREE_EIGHTHS = Tableau(
    "3/8 rule",
    4,
    ((), (1 / 3,), (-1 / 3, 1.0), (1.0, -1.0, 1.0)),
    (1 / 8, 3 / 8, 3 / 8, 1 / 8),
    (0.0, 1 / 3, 2 / 3, 1.0),
)
"""Kutta's other fourth-order scheme: what torchdiffeq runs under the name ``rk4``."""
