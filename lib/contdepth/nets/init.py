"""Initial weights from one seed, the same for every net that has the same layers."""

from __future__ import annotations

import math

import torch
from torch import nn

from contdepth.seeds import generator

__all__ = ["draw_weights"]


@torch.no_grad()
def draw_weights(model: nn.Module, seed: int) -> None:
    """Redraw all convolutions and linear layers of ``model`` in place, in module order, from ``seed``.

    Convolutions: N(0, 2 / (kernel² · outputs / groups)), as in the authors' code. Linear: uniform on ±1/√inputs.
    Batch norms keep weight 1 and bias 0. Parameters outside such layers (the k of LM-ResNet) are untouched, so a
    ResNet and an LM-ResNet of equal depth get bit-equal weights from one seed.
    """
    source = generator(seed, "init")
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
            module.weight.normal_(0, math.sqrt(2 / fan_out), generator=source)
        elif isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
            module.weight.uniform_(-bound, bound, generator=source)
            if module.bias is not None:
                module.bias.uniform_(-bound, bound, generator=source)
