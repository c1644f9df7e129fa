"""The order-2 Fractal block: a two-stage Runge–Kutta step when its coefficients allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field, axpy, axpy_

__all__ = ["FractalBlock"]


@dataclass(frozen=True)
class FractalBlock:
    """x' = k1 x + k2 (k3 x + f1(x)) + f2(k3 x + f1(x)) with f1 = a h f, f2 = b h f: order 2, two stages.

    Larsson et al. 2017 (FractalNet), read by Lu et al. 2018 as a second-order Runge–Kutta step. Derived here:
    with y = k3 x + a h f(x) the step is (k1 + k2 k3) x + k2 a h f(x) + b h f(y). The second slope is taken
    near x only if k3 = 1; then f(y) = f + a h f'f + O(h²) and matching x + h f + h²/2 f'f needs

        k1 + k2 = 1,    k2 a + b = 1,    a b = 1/2.

    The first two give order 1, all three order 2 (and the scheme equals the tableau c = a, weights (k2 a,
    b)). The defaults are Heun's. The paper's half-half average of branches is k1 = k2 = 1/2; in a trained
    network a and b are absorbed in the weights and nothing enforces the conditions. The second stage is
    evaluated at t + a h (ours: the paper's f has no t).
    """

    name: ClassVar[str] = "Fractal block"
    stages: ClassVar[int] = 2

    k1: float = 0.5
    k2: float = 0.5
    k3: float = 1.0
    a: float = 1.0
    b: float = 0.5

    def __post_init__(self) -> None:
        for coefficient in ("k1", "k2", "k3", "a", "b"):
            checks.real(coefficient, getattr(self, coefficient))

    @classmethod
    def second_order(cls, a: float) -> FractalBlock:
        """Return the order-2 member with the given ``a`` (1: Heun, 1/2: midpoint, 2/3: Ralston)."""
        if checks.real("a", a) == 0:
            checks.fail("a", "a number other than 0", a, "a b = 1/2 has no solution")
        b = 1 / (2 * a)
        k2 = (1 - b) / a
        return cls(k1=1 - k2, k2=k2, a=a, b=b)

    def conditions(self) -> dict[str, float]:
        """Return the residual of each condition; zero means that it holds."""
        return {
            "k3 = 1": self.k3 - 1,
            "k1 + k2 = 1": self.k1 + self.k2 - 1,
            "k2 a + b = 1": self.k2 * self.a + self.b - 1,
            "a b = 1/2": self.a * self.b - 0.5,
        }

    @property
    def order(self) -> int:
        """2 if the four conditions hold to 1e-12, 1 if all but the last do, else 0."""
        *consistency, second = (abs(residual) < 1e-12 for residual in self.conditions().values())
        return (2 if second else 1) if all(consistency) else 0

    @property
    def is_second_order(self) -> bool:
        """Whether the order-2 conditions hold."""
        return self.order == 2

    def step(self, f: Field, t: Tensor, u: Tensor, h: float | Tensor) -> Tensor:
        """Return the state at ``t + h`` from ``u`` ``(..., d)`` at ``t``."""
        inner = axpy(u if self.k3 == 1 else self.k3 * u, f(t, u), self.a * h)
        outer = f(t + self.a * h, inner)
        return axpy_(axpy(self.k1 * u, inner, self.k2), outer, self.b * h)
