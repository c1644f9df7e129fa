"""Residual branches f(u) in pre-activation order (norm, ReLU, convolution), and the shortcut where shapes change.

Shapes: ``u`` is (batch, channels, height, width). A branch never adds its input: the net's update rule does.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from contdepth import checks

__all__ = ["BasicBranch", "BottleneckBranch", "Shortcut", "branch", "images"]


def images(x: Tensor, channels: int, like: Tensor | None = None) -> Tensor:
    """``x`` if it is images or states (batch, ``channels``, h, w) with pixels, in the dtype of ``like`` if given.

    Raises:
        TypeError, ValueError: another type, dtype or shape.
    """
    checks.floating("x", x, ndim=4, hint="images are (batch, channels, height, width)")
    checks.same_shape("x", x, (len(x), channels, *x.shape[2:]), f"this net takes {channels} channels")
    if 0 in x.shape[2:]:
        raise ValueError(f"x: expected images with pixels, found shape {tuple(x.shape)}")
    return checks.reals("x", x, like=x if like is None else like)


def norm_relu_conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Batch norm, ReLU, convolution without bias; the padding keeps the size at stride 1."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(), conv)


class BasicBranch(nn.Sequential):
    """Two 3x3 convolutions: (batch, inputs, h, w) -> (batch, outputs, h/stride, w/stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(norm_relu_conv(inputs, outputs, 3, stride), norm_relu_conv(outputs, outputs, 3))


class BottleneckBranch(nn.Sequential):
    """1x1, 3x3 (strided, maybe grouped), 1x1: (batch, inputs, h, w) -> (batch, outputs, h/stride, w/stride)."""

    def __init__(self, inputs: int, mid: int, outputs: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(
            norm_relu_conv(inputs, mid, 1),
            norm_relu_conv(mid, mid, 3, stride, groups),
            norm_relu_conv(mid, outputs, 1),
        )


class Shortcut(nn.Module):
    """Projection of the state where the shape changes: norm, ReLU, strided 1x1 convolution.

    The paper does not say what the projection is; norm and ReLU before it follow the authors' code.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.project = norm_relu_conv(inputs, outputs, 1, stride)

    def forward(self, u: Tensor) -> Tensor:
        return self.project(u)


def branch(kind: str, inputs: int, mid: int, outputs: int, stride: int, groups: int) -> nn.Module:
    """The residual branch of one block; ``kind`` is ``"basic"`` or ``"bottleneck"``."""
    if kind == "basic":
        return BasicBranch(inputs, outputs, stride)
    return BottleneckBranch(inputs, mid, outputs, stride, groups)


class Head(nn.Module):
    """Batch norm, ReLU, mean over space, linear: (batch, channels, h, w) -> (batch, num_classes) logits."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, u: Tensor) -> Tensor:
        return self.linear(torch.relu(self.norm(u)).mean(dim=(2, 3)))
