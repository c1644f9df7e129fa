"""What systems with H = T(p) + V(q) share: the field from its parts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field
from contdepth.schemes.symplectic import halves

__all__ = ["Separable", "fitting", "like"]


class Separable:
    """A system of n degrees of freedom with states u = (q, p) ``(..., 2n)``."""

    degrees: int

    def force(self, q: Tensor) -> Tensor:
        raise NotImplementedError  # abstract: each system has its own

    def velocity(self, p: Tensor) -> Tensor:
        raise NotImplementedError  # abstract: each system has its own

    def field(self, t: Tensor, u: Tensor) -> Tensor:
        """Return (∂T/∂p, -∂V/∂q) ``(..., 2n)``; t is not looked at."""
        q, p = self._split(u)
        return torch.cat((self.velocity(p), self.force(q)), -1)

    @property
    def parts(self) -> tuple[Field, Field]:
        """The pair (q' as a function of p, p' as a function of q) for partitioned schemes."""
        return (lambda t, p: self.velocity(p)), (lambda t, q: self.force(q))

    def _split(self, u: Tensor) -> tuple[Tensor, Tensor]:
        fitting("u", u, 2 * self.degrees)
        return halves(u)


def like(values: Sequence[float], x: Tensor) -> Tensor:
    return torch.tensor(values, dtype=x.dtype, device=x.device)


def fitting(name: str, x: Tensor, size: int) -> None:
    checks.reals(name, x)
    if x.ndim < 1 or x.shape[-1] != size:
        checks.fail(name, f"shape (..., {size})", f"shape {tuple(x.shape)}")
