"""Backward Euler, solved to rounding: the scheme that PolyNet truncates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field, axpy, plain, transforms

__all__ = ["BackwardEuler"]


@dataclass(frozen=True)
class BackwardEuler:
    """u_{n+1} = u_n + h f(t_{n+1}, u_{n+1}): order 1, one implicit stage, solved by Newton's method.

    Also called implicit Euler. Not the implicit midpoint rule (order 2). Lu et al. 2018 read PolyNet as a
    truncated series of its inverse (I - h f)^{-1}; no network runs it exactly, so this class is the
    yardstick, not a block.

    The Jacobian is formed by torch.func (d backward passes, memory ``batch * d * d``), so it suits small d.
    Where f at one index of ``...`` reads the state at another, the whole state is solved for as one vector, and d
    is its size.

    Gradients come from the implicit function theorem: the converged state takes one more Newton step in which
    only the residual is recorded. That gives first derivatives, and every further step of this kind one order
    more. Two are taken, and one more for each level of torch.func, whose nested derivatives are therefore right to
    any order. A third derivative by ``autograd.grad`` or ``backward`` is refused.

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
            TypeError: ``u`` is complex or of less than 32 bits.
        """
        if u.is_complex() or u.ndim == 0:
            checks.fail("u", "a real state (..., d)", f"{u.dtype} of shape {tuple(u.shape)}", error=TypeError)
        if u.dtype not in (torch.float32, torch.float64):
            hint = "linear systems are not solved in half precision; call .float()"
            checks.fail("u", f"float32 or float64 for {self.name}", f"dtype {u.dtype}", hint, error=TypeError)
        time = t + h
        if u.numel() == 0:
            return axpy(u, f(time, u), h)
        with torch.no_grad():
            known = time.detach(), u.detach(), h.detach() if isinstance(h, Tensor) else h
            solution = self._solve(f, *known)
        if solution is None:
            whole = BackwardEuler.step(
                self, lambda t, w: f(t, w.reshape(u.shape)).reshape(-1), t, u.reshape(-1), h
            )
            return whole.reshape(u.shape)
        v, matrix = solution

        def update(v: Tensor) -> Tensor:
            return torch.linalg.solve(matrix, axpy(v - u, f(time, v), -h).unsqueeze(-1)).squeeze(-1)

        v = v - update(v)
        levels = transforms()
        if levels or v.requires_grad:
            for _ in range(1 + levels):  # for derivatives alone: the value stays that of a run without them
                more = update(v)
                v = v - (more - more.detach())
        return v if levels or not v.requires_grad else Twice.apply(v, v, 2)

    def stability(self, z: Tensor) -> Tensor:
        """Return the factor 1 / (1 - z) by which a step multiplies u when f = lambda u and z = h lambda."""
        return 1 / (1 - z)

    def _solve(self, f: Field, time: Tensor, u: Tensor, h: float | Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the solution v and the matrix I - h f'(v), ``(..., d, d)``; None if samples read one another."""
        tolerance = self.tolerance or 1000 * torch.finfo(u.dtype).eps
        identity = torch.eye(u.shape[-1], dtype=u.dtype, device=u.device)
        v = u
        for _ in range(self.iterations):
            jacobian = _jacobian(f, time, v)
            if _coupled(f, time, v, jacobian):
                return None
            residual = axpy(v - u, f(time, v), -h)
            v = v - torch.linalg.solve_ex(identity - h * jacobian, residual.unsqueeze(-1))[0].squeeze(-1)
            left = float(plain(axpy(v - u, f(time, v), -h).abs().max() / (1 + v.abs().max())).max())
            if left <= tolerance:
                jacobian = _jacobian(f, time, v)
                return None if _coupled(f, time, v, jacobian) else (v.detach(), identity - h * jacobian)
        at, step = (float(plain(torch.as_tensor(value)).flatten()[0]) for value in (time, h))
        raise RuntimeError(
            f"backward Euler at t = {at:.6g}, step {step:.3g}: expected a relative residual of "
            f"{tolerance:.1e} within {self.iterations} Newton iterations, found {left:.1e}; take a smaller "
            "step or allow more iterations"
        )


def _jacobian(f: Field, time: Tensor, v: Tensor) -> Tensor:
    """Return df/du of each sample, ``(..., d, d)``; summing over samples is exact as they are independent."""
    d = v.shape[-1]
    summed = torch.func.jacrev(lambda w: f(time, w).reshape(-1, d).sum(0))(v)
    return summed.movedim(0, -2).detach()


def _coupled(f: Field, time: Tensor, v: Tensor, jacobian: Tensor) -> bool:
    """Whether a sample of f reads the state of another: then ``jacobian``, made of sums over samples, is not f'.

    Both are applied to one vector of weights, from the left; they differ by more than rounding if so.
    """
    if v.numel() == v.shape[-1]:
        return False
    weights = torch.arange(v.numel(), dtype=v.dtype, device=v.device).cos().reshape(v.shape)
    (whole,) = torch.func.vjp(lambda w: f(time, w), v)[1](weights)
    parts = weights.unsqueeze(-1) * jacobian
    allowed = 1000 * torch.finfo(v.dtype).eps * parts.abs().sum(-2).amax()
    return bool(plain(((whole - parts.sum(-2)).abs() > allowed).any()).any())


class Twice(torch.autograd.Function):
    """The identity on ``value``, which can be differentiated ``left`` times; ``state`` is what it depends on."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, state: Tensor, left: int) -> Tensor:
        ctx.save_for_backward(state)
        ctx.left = left
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        if ctx.left == 0:
            hint = "nest torch.func.grad, or take an explicit scheme"
            checks.fail("derivative", f"at most the second of {BackwardEuler.name}", "a further one", hint)
        tied = Twice.apply(gradients[0], *ctx.saved_tensors, ctx.left - 1)
        return tied, 0 * tied if torch.is_grad_enabled() else None, None
