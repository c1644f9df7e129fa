"""YOPO as the paper's algorithm reads, in plain autograd: oracle of the fast version, base of its timings."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from contdepth import checks
from contdepth.robust.threat import Threat

__all__ = ["reference_gradients"]


def reference_gradients(
    first: nn.Module,
    rest: Callable[[Tensor], Tensor],
    x: Tensor,
    y: Tensor,
    delta: Tensor,
    threat: Threat,
    *,
    steps: int,
    inner_steps: int,
    step_size: float,
    restore: str = "copy",
) -> Tensor:
    """Add YOPO's gradient sum for the model rest(first(·)) to every ``.grad``; returns the last δ, shape of ``x``.

    The backward pass runs through the first layer too, so its gradient there has to be taken back before the
    Hamiltonian's is added. ``restore`` = ``"copy"`` does that. ``"reference"`` does what the authors' code
    does: it keeps a reference to ``.grad`` and puts it back, which undoes the first pass (where ``.grad`` was
    None) and no other.
    """
    checks.one_of("restore", restore, ("copy", "reference"))
    weights = list(first.parameters())
    for _ in range(steps):
        before = [w.grad.clone() if restore == "copy" and w.grad is not None else w.grad for w in weights]
        state = first(x + delta)
        state.retain_grad()
        cross_entropy(rest(state), y).backward()
        slack = state.grad.detach()
        for w, kept in zip(weights, before, strict=True):
            w.grad = kept
        for _ in range(inner_steps):
            delta = delta.detach().requires_grad_()
            hamiltonian = (slack * first(x + delta)).sum()
            ascent = torch.autograd.grad(hamiltonian, delta)[0].sign()
            delta = threat.project(delta.detach() + step_size * ascent, x)
        (slack * first(x + delta)).sum().backward()
    return delta
