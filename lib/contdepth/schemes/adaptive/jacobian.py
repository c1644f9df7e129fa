"""df/du of each sample and df/dt: by torch.func where they are differentiated further, else by autograd."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth.schemes.adaptive.flow import Flow

__all__ = ["linearised"]

FEW = 16
"""Up to so many coordinates one backward pass after the other is quicker than all at once."""


def linearised(
    flow: Flow, t: Tensor, u: Tensor, blocks: tuple[int, int], recorded: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return f, df/du ``(m, d, d)`` and df/dt, or None if f has none, at ``(t, u)`` for ``blocks`` (m, d).

    The Jacobian is one of sums over samples: exact as long as no sample reads another.
    """
    flow.jacobians += 1
    return _by_func(flow, t, u, blocks) if recorded else _by_autograd(flow, t, u, blocks)


def _by_func(flow: Flow, t: Tensor, u: Tensor, blocks: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor | None]:
    def summed(w: Tensor) -> tuple[Tensor, Tensor]:
        value = flow.f(t, w.reshape(u.shape))
        return value.reshape(blocks).sum(0), value

    rows, value = torch.func.jacrev(summed, has_aux=True)(u.reshape(blocks))
    time = torch.func.jvp(lambda s: flow.f(s, u), (t,), (torch.ones_like(t),))[1]
    flow.calls += 2
    return value, rows.movedim(0, -2), time


def _by_autograd(
    flow: Flow, t: Tensor, u: Tensor, blocks: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor | None]:
    with torch.enable_grad():
        t, u = t.detach().requires_grad_(), u.detach().requires_grad_()
        value = flow(t, u)
        if not value.requires_grad:
            return value, u.new_zeros(*blocks, blocks[1]), None
        each = value.reshape(blocks).sum(0)
        units = torch.eye(blocks[1], dtype=u.dtype, device=u.device)
        one = _gradient(each, (u, t), units[0])
        rest = _rows(each, u, units[1:])
    known = one[0] if one[0] is not None else torch.zeros_like(u)
    jacobian = torch.stack([known.reshape(blocks), *(row.reshape(blocks) for row in rest)], -2)
    return value.detach(), jacobian, _time(flow, t.detach(), u.detach()) if one[1] is not None else None


def _gradient(value: Tensor, at: tuple[Tensor, ...], unit: Tensor) -> tuple[Tensor | None, ...]:
    return torch.autograd.grad(value, at, unit, retain_graph=True, allow_unused=True)


def _rows(each: Tensor, u: Tensor, units: Tensor) -> list[Tensor]:
    """Return the other rows of df/du, each of the shape of ``u``."""
    if len(units) < FEW:
        found = [_gradient(each, (u,), unit)[0] for unit in units]
        return [torch.zeros_like(u) if row is None else row for row in found]
    rows = torch.autograd.grad(each, (u,), units, is_grads_batched=True, allow_unused=True)[0]
    return list(u.new_zeros(len(units), *u.shape) if rows is None else rows)


def _time(flow: Flow, t: Tensor, u: Tensor) -> Tensor:
    """Return df/dt of every sample."""
    flow.calls += 1
    return torch.func.jvp(lambda s: flow.f(s, u), (t,), (torch.ones_like(t),))[1].detach()
