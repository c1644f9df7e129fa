"""PolyNet: truncations of backward Euler, as the paper writes them and nested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field, axpy

__all__ = ["NestedPolyNet", "PolyNet"]


@dataclass(frozen=True)
class PolyNet:
    """u + F(u) + F(F(u)) + … with F = h f(t_{n+1}, .), ``terms`` compositions (poly-2 is ``terms=2``).

    Zhang et al. 2017 (PolyNet), read by Lu et al. 2018 as (I - F)^{-1} cut after F², that is as an
    approximation of backward Euler. What is true (derived here): for linear f the sum is that truncation, one
    step away from backward Euler by O(h^{terms+1}). For non-linear f with f(t, 0) = 0 the distance is O(h²):
    order 1, whatever ``terms``. For f(t, 0) != 0 every further composition adds h f(t, 0), so the scheme
    solves u' = f(t, u) + (terms - 1) f(t, 0): order 0 for u' = f. ``order`` is therefore 0 for ``terms >=
    2``, the order that holds for every f.

    Not the polynomial of Picard iterates, which is :class:`NestedPolyNet`.
    """

    name: ClassVar[str] = "PolyNet"

    terms: int = 2

    def __post_init__(self) -> None:
        checks.integer("terms", self.terms, at_least=1)

    @property
    def order(self) -> int:
        """Order guaranteed for every smooth f."""
        return 1 if self.terms == 1 else 0

    @property
    def stages(self) -> int:
        """Evaluations of f in a step."""
        return self.terms

    def step(self, f: Field, t: Tensor, u: Tensor, h: float | Tensor) -> Tensor:
        """Return the state at ``t + h`` from ``u`` ``(..., d)`` at ``t``."""
        time, total, power = t + h, u, u
        for _ in range(self.terms):
            power = h * f(time, power)
            total = total + power
        return total


@dataclass(frozen=True)
class NestedPolyNet:
    """u + F(u + F(u + …)) with F = h f(t_{n+1}, .), ``terms`` deep: Picard iterates of backward Euler.

    Our correction of the reading above (not in the paper): its distance from backward Euler is O(h^{terms+1})
    for every smooth f, and both forms agree for linear f. Order 1, ``terms`` evaluations. For autonomous f,
    ``terms=2`` is u + h f(u + h f(u)).
    """

    name: ClassVar[str] = "nested PolyNet"
    order: ClassVar[int] = 1

    terms: int = 2

    def __post_init__(self) -> None:
        checks.integer("terms", self.terms, at_least=1)

    @property
    def stages(self) -> int:
        """Evaluations of f in a step."""
        return self.terms

    def step(self, f: Field, t: Tensor, u: Tensor, h: float | Tensor) -> Tensor:
        """Return the state at ``t + h`` from ``u`` ``(..., d)`` at ``t``."""
        time, v = t + h, u
        for _ in range(self.terms):
            v = axpy(u, f(time, v), h)
        return v
