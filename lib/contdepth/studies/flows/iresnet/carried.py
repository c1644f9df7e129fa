"""The density of a residual flow between its blocks, and between the two ends of a block."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from contdepth.flows import ExactLogDet, ResidualFlow
from contdepth.flows.base import standard_normal

__all__ = ["log_density_at", "on_a_grid"]


@torch.no_grad()
def log_density_at(flow: ResidualFlow, x: Tensor, t: float) -> Tensor:
    """The logarithm at ``x`` (n, 2) of the law that the last ``t`` blocks make of the normal one, 0 ≤ t ≤ blocks.

    Where t is no integer, the block that comes next is taken as x + s g(x), s = t - ⌊t⌋, and the scaling before it
    as x ↦ x·exp(s·a) + s·b. Lip(s g) ≤ Lip(g) < 1, so that this has an inverse and is a density too.
    """
    whole, part = min(math.floor(t), len(flow.blocks)), t - math.floor(t)
    start = len(flow.blocks) - whole
    stages = [(k, 1.0) for k in range(start, len(flow.blocks))]
    if part > 1e-9 and start > 0:
        stages.insert(0, (start - 1, part))
    total = x.new_zeros(len(x))
    for k, s in stages:
        if flow.scaled:
            scale = s * flow.log_scales[k]
            x, total = x * scale.exp() + s * flow.shifts[k], total + scale.sum()
        g = flow.blocks[k].g
        x, log_det = ExactLogDet()(lambda y, g=g, s=s: s * g(y), x)  # type: ignore[misc]
        total = total + log_det
    return standard_normal(x) + total


def on_a_grid(flow: ResidualFlow, t: float, reach: float = 3.0, nodes: int = 81) -> np.ndarray:
    """That density on a square of side 2 · ``reach`` (nodes, nodes), rows from below."""
    side = torch.linspace(-reach, reach, nodes)
    x = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1).reshape(-1, 2)
    return log_density_at(flow, x, t).exp().reshape(nodes, nodes).numpy()
