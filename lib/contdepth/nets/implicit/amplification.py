"""By how much a map can enlarge a small disturbance of its input."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from contdepth import checks

__all__ = ["amplification"]


def amplification(step: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Largest singular value of the Jacobian of ``step`` at each of the states ``x`` (..., d), as (...).

    The Jacobian is formed by one backward pass for each entry of the output (..., k), which must read each sample
    alone; ``robust.jacobian_norm`` finds the same by power iteration. For one implicit Euler step it is
    ‖(I - h J)⁻¹‖, at most 1 where the field is dissipative.

    Raises:
        TypeError, ValueError: states that are not real, a step that changes the leading dimensions.
    """
    checks.reals("x", x)
    if x.ndim == 0 or x.numel() == 0:
        checks.fail("x", "states (..., d), at least one", f"shape {tuple(x.shape)}")
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        out = checks.reals("step(x)", step(x.clone()))  # a step may write into what it is given
        if out.shape[:-1] != x.shape[:-1] or out.ndim != x.ndim:
            checks.fail("step(x)", f"{(*x.shape[:-1], 'k')}", f"shape {tuple(out.shape)}")
        rows = []
        for i in range(out.shape[-1]):
            total = out[..., i].sum()
            if not total.requires_grad:
                rows.append(torch.zeros_like(x))
                continue
            (row,) = torch.autograd.grad(total, x, retain_graph=True, materialize_grads=True)
            rows.append(row)
    return torch.linalg.matrix_norm(torch.stack(rows, -2), 2)
