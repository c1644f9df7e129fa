"""One implicit Euler step as a layer: y = x + h f(y) by Newton's method, differentiated through its solution."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from contdepth import checks
from contdepth.nets.implicit.systems import Dense, Field, Symmetric, System

__all__ = ["ImplicitStep", "checked_step", "implicit_euler"]

HALVINGS = 40


class ImplicitStep(NamedTuple):
    """The ``state`` y; Newton's ``iterations``; ``evaluations`` of the field and products with its Jacobian."""

    state: Tensor
    iterations: int
    evaluations: int


def implicit_euler(
    field: Field, x: Tensor, h: float, *, tolerance: float | None = None, iterations: int = 50
) -> ImplicitStep:
    """Solve y = x + h f(y), the skip connection of Li, He & Lin 2020 (ICML), to a tolerance.

    Newton's method from y = x with steps that are halved, sample by sample, until the residual falls. A field that
    has ``product(y)``, the map v ↦ J v with a symmetric J ≤ 0 (``Dissipative``), is solved by conjugate gradients;
    of any other the Jacobian is formed, d backward passes and memory ``batch * d * d``, and it must read each
    sample alone, (d,) as well as (..., d).

    The gradient is that of the solution, not of the iterations: dy = (I - h J)⁻¹ (dx + h ∂f/∂θ dθ), so one
    transposed system and one evaluation of f on the way back, and nothing of the iterations is kept. It can be
    taken once; ``contdepth.schemes.BackwardEuler`` has higher derivatives, and no safeguard.

    Args:
        field: f, a function of the state that keeps its shape.
        x: states (..., d), float32 or float64.
        h: the step, above 0.
        tolerance: bound on the residual's largest entry relative to 1 + max|y|, for each sample; default 1000
            times the rounding unit. Systems on the way back are solved to it as well.
        iterations: of Newton's method, at most.

    Departure: the paper takes a few gradient steps in place of a solver, see ``relaxed_euler``.

    Raises:
        RuntimeError: the residual did not come down, as where the equation has no solution.
        TypeError, ValueError: states that are not real, a bad number, a field that changes the shape.
    """
    h = checked_step(field, x, h)
    checks.integer("iterations", iterations, at_least=1)
    if tolerance is None:
        tolerance = 1000 * torch.finfo(x.dtype).eps
    tolerance = checks.real("tolerance", tolerance, above=0)
    if x.numel() == 0:
        return ImplicitStep(x + h * field(x), 0, 1)
    with torch.no_grad():
        y, taken, count = _newton(field, x.detach(), h, tolerance, iterations)
    if torch.is_grad_enabled():
        ahead = x + h * field(y)
        if ahead.requires_grad:
            system = _system(field, y, h)
            y = _Solved.apply(y + (ahead - ahead.detach()), system, tolerance)
            count += 1
    return ImplicitStep(y, taken, count)


def checked_step(field: object, x: Tensor, h: float) -> float:
    """``h`` as a float, after a look at the three arguments."""
    if not callable(field):
        checks.fail("field", "a function of the state", type(field).__name__, error=TypeError)
    checks.reals("x", x)
    if x.ndim == 0:
        checks.fail("x", "states (..., d)", "no dimensions")
    return checks.real("h", h, above=0)


def _system(field: Field, y: Tensor, h: float) -> System:
    with torch.no_grad():
        return Symmetric(field, y, h) if hasattr(field, "product") else Dense(field, y, h)


def _newton(field: Field, x: Tensor, h: float, tolerance: float, iterations: int) -> tuple[Tensor, int, int]:
    def residual(y: Tensor) -> Tensor:
        return checks.same_shape("field(x)", x + h * field(y) - y, tuple(x.shape), "that of x")

    def relative(r: Tensor, y: Tensor) -> Tensor:
        return r.abs().amax(-1, keepdim=True) / (1 + y.abs().amax(-1, keepdim=True))

    y, r, count = x, residual(x), 1
    left = relative(r, y)
    for taken in range(iterations + 1):
        open_ = ~(left <= tolerance)
        if not bool(open_.any()):
            return y, taken, count
        if taken == iterations or not bool(torch.isfinite(left).all()):
            break
        system = _system(field, y, h)
        step = torch.where(open_, system.solve(r, min(0.1, float(left.amax()))), 0)
        count += system.evaluations
        size = torch.linalg.vector_norm(r, dim=-1, keepdim=True)
        share = torch.ones_like(size)
        for _ in range(HALVINGS):
            ahead = residual(y + share * step)
            count += 1
            worse = open_ & ~(torch.linalg.vector_norm(ahead, dim=-1, keepdim=True) <= (1 - 1e-4 * share) * size)
            if not bool(worse.any()):
                break
            share = torch.where(worse, share / 2, share)
        y, r = y + share * step, ahead
        left = relative(r, y)
    raise RuntimeError(
        f"implicit Euler, step {h:.3g}: expected a relative residual of {tolerance:.1e} within {iterations} "
        f"Newton iterations, found {float(left.amax()):.1e}; take a smaller step or allow more iterations"
    )


class _Solved(torch.autograd.Function):
    """The identity, whose way back solves the transposed system."""

    @staticmethod
    def forward(
        ctx: Any,
        value: Tensor,
        system: System,
        tolerance: float,
    ) -> Tensor:
        ctx.system, ctx.tolerance = system, tolerance
        return value.view_as(value)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return ctx.system.solve_transposed(gradient, ctx.tolerance), None, None
