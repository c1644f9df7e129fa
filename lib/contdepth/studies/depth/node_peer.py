"""The same derivatives by torchdiffeq, the library of the authors, beside those of this one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.schemes import DORMAND_PRINCE, solve

__all__ = ["in_times", "peer_gradients", "penalty", "solved_gradients"]

RTOL, ATOL = 1e-10, 1e-12
PEERS = ("torchdiffeq, fixed", "torchdiffeq, adjoint")


def peer_gradients(f: nn.Module, u0: Tensor, end: float, steps: int | None = None) -> Tensor:
    """Return the gradient ``(d + p,)`` of Σ cos u(end) in ``u0`` ``(d,)`` and in what f holds.

    ``odeint_adjoint`` takes so many equal steps of its ``rk4``, the 3/8 rule; if None, Dormand–Prince's to 1e-10.
    """
    from torchdiffeq import odeint_adjoint

    start, held, t = u0.detach().requires_grad_(), tuple(f.parameters()), u0.new_tensor([0.0, end])
    how: dict[str, Any] = {"method": "dopri5", "rtol": RTOL, "atol": ATOL}
    if steps is not None:
        how = {"method": "rk4", "options": {"step_size": end / steps}}
    loss = odeint_adjoint(f, start, t, adjoint_params=held, **how)[-1].cos().sum()
    return torch.cat([one.reshape(-1) for one in torch.autograd.grad(loss, (start, *held))])


def solved_gradients(f: nn.Module, u0: Tensor, end: float, gradient: str) -> Tensor:
    """Return the same gradient by :func:`contdepth.schemes.solve` to 1e-10."""
    start, held, t = u0.detach().requires_grad_(), tuple(f.parameters()), u0.new_tensor([0.0, end])
    loss = solve(f, start, t, DORMAND_PRINCE, gradient=gradient, rtol=RTOL, atol=ATOL).u[-1].cos().sum()
    return torch.cat([one.reshape(-1) for one in torch.autograd.grad(loss, (start, *held))])


def in_times(f: nn.Module, u0: Tensor, t: Tensor, steps: int, how: str) -> Tensor:
    """Return the derivatives ``(n,)`` of Σ cos of the states at ``t[1:]`` in the times ``t`` ``(n,)``.

    ``how`` is ``"torchdiffeq, fixed"``, so many steps of its ``rk4`` from ``t[0]`` to ``t[-1]``, or a gradient of
    :func:`contdepth.schemes.solve`, which solves to 1e-10.
    """
    from torchdiffeq import odeint

    times = t.detach().requires_grad_()
    if how == PEERS[0]:
        u = odeint(f, u0, times, method="rk4", options={"step_size": float(t[-1] - t[0]) / steps})
    else:
        u = solve(f, u0, times, DORMAND_PRINCE, gradient=how, rtol=RTOL, atol=ATOL).u
    return torch.autograd.grad(u[1:].cos().sum(), times)[0]


def penalty(f: nn.Module, u0: Tensor, end: float, how: str) -> tuple[float, Tensor]:
    """Return P = ‖∂L/∂u0‖² of L = Σ cos u(end) + ½ ‖u0‖², and ∂P/∂u0 ``(d,)``: of L a second derivative.

    ``how`` is ``"torchdiffeq, adjoint"`` or a gradient of :func:`contdepth.schemes.solve`.
    """
    from torchdiffeq import odeint_adjoint

    start, t = u0.detach().requires_grad_(), u0.new_tensor([0.0, end])
    if how == PEERS[1]:
        u = odeint_adjoint(
            f, start, t, method="dopri5", adjoint_params=tuple(f.parameters()), rtol=RTOL, atol=ATOL
        )
    else:
        checks.one_of("how", how, ("backprop", "checkpoints", "adjoint"))
        u = solve(f, start, t, DORMAND_PRINCE, gradient=how, rtol=RTOL, atol=ATOL).u
    first = torch.autograd.grad(u[-1].cos().sum() + start.square().sum() / 2, start, create_graph=True)[0]
    found = first.square().sum()
    return float(found.detach()), torch.autograd.grad(found, start)[0]
