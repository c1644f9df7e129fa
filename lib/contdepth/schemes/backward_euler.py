"""Backward Euler, solved to rounding: the scheme that PolyNet truncates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field, axpy

__all__ = ["BackwardEuler"]


@dataclass(frozen=True)
class BackwardEuler:
    """u_{n+1} = u_n + h f(t_{n+1}, u_{n+1}): order 1, one implicit stage, solved by Newton's method.

    Also called implicit Euler. Not the implicit midpoint rule (order 2). Lu et al. 2018 read PolyNet as a
    truncated series of its inverse (I - h f)^{-1}; no network runs it exactly, so this class is the
    yardstick, not a block.

    The Jacobian is formed by torch.func (d backward passes, memory ``batch * d * d``), so it suits small d.
    It assumes that samples are independent: f at one index of ``...`` must not read the state at another.

    Gradients come from the implicit function theorem: the converged state takes one more Newton step in which
    only the residual is recorded. First derivatives are exact (to the tolerance); second derivatives are not
    available and come out wrong, so do not differentiate twice.

    Args:
        tolerance: bound on the largest entry of the residual v - u - h f(v) after a Newton update, relative
            to 1 + max|v|; default 1000 times the rounding unit.
        iterations: Newton iterations allowed.
    """

    name: ClassVar[str] = "backward Euler"
    order: ClassVar[int] = 1
    stages: ClassVar[int] = 1

    tolerance: float | None = None
    iterations: int = 25

    def __post_init__(self) -> None:
        checks.integer("iterations", self.iterations, at_least=1)
        if self.tolerance is not None:
            checks.real("tolerance", self.tolerance, above=0.0)

    def step(self, f: Field, t: Tensor, u: Tensor, h: float | Tensor) -> Tensor:
        """Return the state at ``t + h`` from real ``u`` ``(..., d)`` at ``t``.

        Raises:
            RuntimeError: Newton's method did not converge.
            TypeError: ``u`` is complex.
        """
        if u.is_complex() or u.ndim == 0:
            checks.fail("u", "a real state (..., d)", f"{u.dtype} of shape {tuple(u.shape)}", error=TypeError)
        time = t + h
        with torch.no_grad():
            v, matrix = self._solve(f, time.detach(), u.detach(), h.detach() if isinstance(h, Tensor) else h)
        residual = axpy(v - u, f(time, v), -h)
        return v - torch.linalg.solve(matrix, residual.unsqueeze(-1)).squeeze(-1)

    def stability(self, z: Tensor) -> Tensor:
        """Return the factor 1 / (1 - z) by which a step multiplies u when f = lambda u and z = h lambda."""
        return 1 / (1 - z)

    def _solve(self, f: Field, time: Tensor, u: Tensor, h: float | Tensor) -> tuple[Tensor, Tensor]:
        """Return the solution v and the matrix I - h f'(v), shape ``(..., d, d)``."""
        tolerance = self.tolerance or 1000 * torch.finfo(u.dtype).eps
        identity = torch.eye(u.shape[-1], dtype=u.dtype, device=u.device)
        v = u
        for _ in range(self.iterations):
            matrix = identity - h * _jacobian(f, time, v)
            residual = axpy(v - u, f(time, v), -h)
            v = v - torch.linalg.solve_ex(matrix, residual.unsqueeze(-1))[0].squeeze(-1)
            left = float(axpy(v - u, f(time, v), -h).abs().max() / (1 + v.abs().max()))
            if left <= tolerance:
                return v, identity - h * _jacobian(f, time, v)
        raise RuntimeError(
            f"backward Euler at t = {float(time):.6g}, step {float(h):.3g}: expected a relative residual of "
            f"{tolerance:.1e} within {self.iterations} Newton iterations, found {left:.1e}; take a smaller "
            "step or allow more iterations"
        )


def _jacobian(f: Field, time: Tensor, v: Tensor) -> Tensor:
    """Return df/du of each sample, ``(..., d, d)``; summing over samples is exact as they are independent."""
    d = v.shape[-1]
    summed = torch.func.jacrev(lambda w: f(time, w).reshape(-1, d).sum(0))(v)
    return summed.movedim(0, -2).detach()
