"""The implicit midpoint rule: symplectic for every Hamiltonian, whether or not it separates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from contdepth.schemes.backward_euler import BackwardEuler
from contdepth.schemes.base import Field

__all__ = ["ImplicitMidpoint"]


@dataclass(frozen=True)
class ImplicitMidpoint:
    """u_{n+1} = u_n + h f(t_n + h/2, (u_n + u_{n+1}) / 2): order 2, symmetric, keeps quadratic invariants.

    With m the state in the middle it is backward Euler over h/2, m = u_n + h/2 f(t_n + h/2, m), and then
    u_{n+1} = 2m - u_n: m is found, and derivatives pass through it, as in ``BackwardEuler``, with its limits.
    Not ``MIDPOINT``, which is explicit, nor the two-step midpoint rule.

    Args:
        tolerance: as of ``BackwardEuler``, for m.
        iterations: Newton iterations allowed.
    """

    name: ClassVar[str] = "implicit midpoint"
    order: ClassVar[int] = 2
    stages: ClassVar[int] = 1

    tolerance: float | None = None
    iterations: int = 25

    def __post_init__(self) -> None:
        BackwardEuler(self.tolerance, self.iterations)  # which checks both

    def step(self, f: Field, t: Tensor, u: Tensor, h: float | Tensor) -> Tensor:
        """Return the state at ``t + h`` from real ``u`` ``(..., d)`` at ``t``.

        Raises:
            RuntimeError: Newton's method did not converge.
            TypeError: ``u`` is complex or of less than 32 bits.
        """
        return 2 * BackwardEuler(self.tolerance, self.iterations).step(f, t, u, h / 2) - u

    def stability(self, z: Tensor) -> Tensor:
        """Return the factor (1 + z/2) / (1 - z/2) by which a step multiplies u when f = lambda u."""
        return (1 + z / 2) / (1 - z / 2)
