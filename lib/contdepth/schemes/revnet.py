"""RevNet: symplectic Euler on two coupled halves, exactly invertible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field, axpy, listed

__all__ = ["RevNet"]


@dataclass(frozen=True)
class RevNet:
    """x' = x + h f1(t, y), y' = y + h f2(t + h, x') on u = (x, y): order 1, one evaluation of each half.

    Gomez et al. 2017 (RevNet), read by Lu et al. 2018 as an Euler step of x' = f1(y), y' = f2(x). Because the
    second half sees the new x it is *symplectic* (semi-implicit) Euler, not forward Euler, and it has an
    explicit inverse. Not the second-order leapfrog (Störmer–Verlet), which halves one of the two updates. The
    times t and t + h are
    ours: the paper's branches have no t.

    Takes a pair ``f = (f1, f2)``; ``f1(t, y)`` has the shape of x and ``f2(t, x)`` that of y.

    Args:
        dim: dimension of u that is cut into two equal halves (features last by default; 1 for image
            channels).
    """

    name: ClassVar[str] = "symplectic Euler (RevNet)"
    order: ClassVar[int] = 1
    stages: ClassVar[int] = 1
    fields: ClassVar[int] = 2

    dim: int = -1

    def step(self, f: tuple[Field, Field], t: Tensor, u: Tensor, h: float | Tensor) -> Tensor:
        """Return the state at ``t + h`` from ``u`` (halves along ``dim``) at ``t``."""
        x, y = self._halves(u)
        x = axpy(x, f[0](t, y), h)
        return torch.cat([x, axpy(y, f[1](t + h, x), h)], self.dim)

    def inverse(self, f: tuple[Field, Field], t: Tensor, u: Tensor, h: float | Tensor) -> Tensor:
        """Return the state at ``t`` from ``u`` at ``t + h``: undoes :meth:`step` up to rounding."""
        x, y = self._halves(u)
        y = axpy(y, f[1](t + h, x), -h)
        return torch.cat([axpy(x, f[0](t, y), -h), y], self.dim)

    def recover(self, f: tuple[Field, Field], u: Tensor, t: Tensor) -> Tensor:
        """Return the state at ``t[0]`` from ``u`` at ``t[-1]``: ``integrate`` over the grid ``t``, undone.

        Uses no stored state, which is what lets a reversible network forget its activations.
        """
        checks.floating("t", t, ndim=1)
        times, steps = t.unbind(), listed(t.diff())
        for n in reversed(range(len(steps))):
            u = self.inverse(f, times[n], u, steps[n])
        return u

    def _halves(self, u: Tensor) -> tuple[Tensor, Tensor]:
        if u.shape[self.dim] % 2:
            checks.fail("u", f"an even size along dimension {self.dim}", f"shape {tuple(u.shape)}")
        return u.chunk(2, self.dim)  # type: ignore[return-value]
