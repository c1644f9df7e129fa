"""Another start of reaction diffusion: cosine filters with one small influence function each."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth.restoration.models.influence import fitted_weights
from contdepth.restoration.models.reaction import ReactionDiffusion

__all__ = ["cosine_start", "lorentzian"]


def lorentzian(z: Tensor) -> Tensor:
    """φ(z) = 0.02 z/(1 + (z/0.1)²), the influence of the penalty log(1 + (z/0.1)²) times 1e-4."""
    return 0.02 * z / (1 + (z / 0.1) ** 2)


@torch.no_grad()
def cosine_start(net: ReactionDiffusion) -> ReactionDiffusion:
    """``net`` in place with the first cosine filters, all with the same influence, as far as Gaussians have it.

    Every filter works from the start; with the start as Perona–Malik two do.
    """
    weights = fitted_weights(lorentzian)[0]
    for stage in net.stages:
        stage.coefficients.copy_(torch.eye(*stage.coefficients.shape))  # type: ignore[operator, misc]
        stage.influence.weights.copy_(weights.expand_as(stage.influence.weights))  # type: ignore[union-attr, operator, arg-type]
    return net
