"""What is measured on nets with a small step: stretching, gradients along the depth, noise and attacks."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from contdepth import robust
from contdepth.nets import SmallStepNet
from contdepth.seeds import generator
from contdepth.studies.control.smallstep.training import Arm, Parts, Plan, descend

__all__ = ["early_gradients", "stretching", "survivors"]


def stretching(nets: SmallStepNet, x: Tensor, iterations: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Norm of ∂x_L/∂x_0 and its bound ∏ (1 + h ‖F_n'‖), (nets, images) each, in float64 and evaluation mode."""
    model = copy.deepcopy(nets).double().eval().requires_grad_(False)
    states = list(model.trajectory(x.double()))

    def through(state: Tensor) -> Tensor:
        for n in range(model.depth):
            state = model.step(n, state)
        return state

    measured = robust.jacobian_norm(through, states[0], iterations=iterations)
    branches = [partial(model.branch, n) for n in range(model.depth)]
    bound = robust.amplification_bound(branches, states, model.h[..., 0], iterations=iterations)
    return measured.numpy(), bound.numpy()


def early_gradients(
    arm: Arm, data: Parts, plan: Plan, rate: float, seeds: Sequence[int], steps: int
) -> np.ndarray:
    """Norms of the loss's gradient by x_0 … x_L, (steps, L + 1, seeds), before each of the first steps of SGD."""
    norms: list[np.ndarray] = []

    def watch(nets: SmallStepNet, x: Tensor, y: Tensor) -> bool:
        if len(norms) == steps:
            return True
        states = list(nets.trajectory(x))
        logits = states[-1] @ nets.last + nets.last_shift
        loss = cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum") / y.shape[1]
        slopes = torch.autograd.grad(loss, states)
        norms.append(torch.stack([slope.flatten(1).norm(dim=1) for slope in slopes]).numpy())
        return False

    descend(arm, data, plan, rate, seeds, watch)
    return np.stack(norms)


def survivors(models: Sequence[nn.Module], x: Tensor, y: Tensor, epsilon: str) -> dict[str, np.ndarray]:
    """Per cent of images (models,) that survive PGD from several starts and the whole audit, and flags raised."""
    audits = [robust.audit(one, x, y, robust.Threat(epsilon), source=generator(0, "audit")) for one in models]
    found = {row: np.array([each.accuracy(row) for each in audits]) for row in ("clean", "pgd", "autoattack")}
    return found | {"flags": np.array([len(each.flags) for each in audits])}
