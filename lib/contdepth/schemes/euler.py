"""Forward Euler: the plain residual network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from contdepth.schemes.base import Field, axpy

__all__ = ["ForwardEuler"]


@dataclass(frozen=True)
class ForwardEuler:
    """u_{n+1} = u_n + h f(t_n, u_n): order 1, one stage.

    Also called explicit Euler. Lu et al. 2018 (arXiv 1710.10121) read the residual block u + f(u) as this
    step with h = 1. Not symplectic Euler (``RevNet``), not backward Euler. No departure.
    """

    name: ClassVar[str] = "forward Euler (ResNet)"
    order: ClassVar[int] = 1
    stages: ClassVar[int] = 1

    def step(self, f: Field, t: Tensor, u: Tensor, h: float | Tensor) -> Tensor:
        """Return the state at ``t + h`` from ``u`` ``(..., d)`` at ``t``."""
        return axpy(u, f(t, u), h)
