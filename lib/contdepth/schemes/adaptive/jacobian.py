"""df/du of each sample and df/dt: by torch.func where they are differentiated further, else by autograd."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._C import _functorch as functorch

from contdepth.schemes.adaptive.flow import Flow

__all__ = ["linearised"]


def linearised(
    flow: Flow, t: Tensor, u: Tensor, blocks: tuple[int, int], recorded: bool, units: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return f, df/du ``(m, d, d)`` and df/dt, or None if f has none, at ``(t, u)`` for ``blocks`` (m, d).

    The Jacobian is one of sums over samples: exact as long as no sample reads another. ``units`` is the identity
    ``(d, d)`` where the caller has it.
    """
    flow.jacobians += 1
    if recorded:
        return _by_func(flow, t, u, blocks)
    units = torch.eye(blocks[1], dtype=u.dtype, device=u.device) if units is None else units
    return _by_autograd(flow, t, u, blocks, units)


def _by_func(flow: Flow, t: Tensor, u: Tensor, blocks: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor | None]:
    def summed(w: Tensor) -> tuple[Tensor, Tensor]:
        value = flow.f(t, w.reshape(u.shape))
        return value.reshape(blocks).sum(0), value

    rows, value = torch.func.jacrev(summed, has_aux=True)(u.reshape(blocks))
    time = torch.func.jvp(lambda s: flow.f(s, u), (t,), (torch.ones_like(t),))[1]
    flow.calls += 2
    return value, rows.movedim(0, -2), time


def _by_autograd(
    flow: Flow, t: Tensor, u: Tensor, blocks: tuple[int, int], units: Tensor
) -> tuple[Tensor, Tensor, Tensor | None]:
    members, width = blocks
    with torch.enable_grad():
        t, u = t.detach().requires_grad_(), u.detach().requires_grad_()
        value = flow(t, u)
        if not value.requires_grad:
            return value, u.new_zeros(members, width, width), None
        each = value.reshape(blocks).sum(0) if members > 1 else value if value.ndim == 1 else value.reshape(-1)
        by_u, by_t = _rows(flow, each, (u, t), units)
    if by_u is None:
        jacobian = u.new_zeros(members, width, width)
    else:
        jacobian = by_u.view(1, width, width) if members == 1 else by_u.reshape(width, *blocks).movedim(0, 1)
    return value.detach(), jacobian, None if by_t is None else _time(flow, t, u, by_t, members)


def _rows(flow: Flow, each: Tensor, at: tuple[Tensor, Tensor], units: Tensor) -> list[Tensor | None]:
    """Return the derivatives of every coordinate: all in one backward pass, or one after the other.

    The latter where f holds what cannot be batched, such as a backward of its own that looks at numbers.
    """
    if flow.batches:
        try:
            return _together(each, at, units)
        except RuntimeError:
            flow.batches = False
    found = [torch.autograd.grad(each, at, unit, retain_graph=True, allow_unused=True) for unit in units]
    return [None if any(x is None for x in column) else torch.stack(column) for column in zip(*found, strict=True)]


def _together(each: Tensor, at: tuple[Tensor, Tensor], units: Tensor) -> list[Tensor | None]:
    """As ``torch.autograd.grad`` with ``is_grads_batched``, without its trees, which take as long as the pass."""
    level = functorch._vmap_increment_nesting(len(units), "error")
    try:
        batch = functorch._add_batch_dim(units, 0, level)
        found = torch.autograd.grad(each, at, batch, retain_graph=True, allow_unused=True)
        return [None if x is None else functorch._remove_batch_dim(x, level, len(units), 0) for x in found]
    finally:
        functorch._vmap_decrement_nesting()


def _time(flow: Flow, t: Tensor, u: Tensor, rows: Tensor, members: int) -> Tensor:
    """Return df/dt of every sample; ``rows`` is that of the sums over samples."""
    if t.numel() == members:
        return rows.reshape(-1, members).T.reshape(u.shape)
    flow.calls += 1
    t, u = t.detach(), u.detach()
    return torch.func.jvp(lambda s: flow.f(s, u), (t,), (torch.ones_like(t),))[1].detach()
