"""Euler's gradient for states that a solver outside of this library has found."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field, transforms
from contdepth.schemes.base import _check_grid as check_grid
from contdepth.schemes.base import _checked as checked
from contdepth.schemes.gradients.euler import with_euler_gradient

__all__ = ["euler_gradient"]


def euler_gradient(f: Field, u: Tensor, u0: Tensor, t: Tensor, *, static: bool = False) -> Tensor:
    """Return states that any solver has found, with derivatives of one Euler step between neighbours.

    The states of u' = F(t, u) + M(t, u) come from where no derivative is known, such as SciPy. Between t_n and
    t_{n+1} = t_n + h, ∂u_{n+1}/∂u_n is taken as I + h ∂f/∂u, or as I where ``static``, and ∂u_{n+1}/∂θ as
    h ∂f/∂θ (Ouala et al. 2023, arXiv 2311.10665, equations 17 and 19 as their convergence notebook counts them).
    ``f`` is F + M where F can be differentiated: then over a fixed time the gradient errs by O(h). Where F is
    a black box f is M alone: F has no parameters, and only its Jacobian is left out. Departure: the paper's own
    theorem has the exact Jacobian of the flow, Euler's is that of the authors' variant EGA-J.

    Args:
        f: ``f(t, u)``, asked once for every state but the last.
        u: states found ``(N + 1, ..., d)``, the first of them at ``t[0]``; of no derivative of theirs use is made.
        u0: state ``(..., d)`` at ``t[0]`` whose derivative is wanted, with the values of ``u[0]``.
        t: times ``(N + 1,)``, strictly increasing or strictly decreasing.
        static: leave the Jacobians out.

    Returns:
        ``(N + 1, ..., d)``, the values of ``u``, differentiable in ``u0``, in what ``f`` holds and in ``t``.

    Raises:
        TypeError, ValueError: a wrong argument or value of ``f``; a first state that is not ``u0``.
    """
    checks.floating("u0", u0)
    checks.floating("u", u)
    check_grid(t)
    checks.same_shape("u", u, (len(t), *u0.shape), hint="a state for each time, the first at t[0]")
    if not callable(f):
        checks.fail("f", "a function of (t, u)", type(f).__name__, error=TypeError)
    if u.dtype != u0.dtype:
        checks.fail("u", f"dtype {u0.dtype}, that of u0", str(u.dtype), error=TypeError)
    if static not in (True, False):
        checks.fail("static", "True or False", f"{static!r:.60}", error=TypeError)
    if transforms():
        checks.fail("u", "a call outside torch.func", "one inside", "these derivatives are autograd's")
    if not torch.equal(u[0].detach(), u0.detach()):
        checks.fail("u", "u0 as the first state", "another one", "let the solver begin at u0")
    found = list(u.detach()[1:].unbind())
    return torch.stack([u0, *with_euler_gradient(checked(f, u0.shape), found, u0, t, static=static)])
