"""Pre-activation ResNet-18 for 32x32 images, in the form that YOPO and most of adversarial training use."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.nets.init import draw_weights
from contdepth.nets.plan import MOST
from contdepth.nets.staged import StagedNet

__all__ = ["PreActBlock", "PreActResNet18"]


class PreActBlock(nn.Module):
    """norm-ReLU-conv twice plus a shortcut: (batch, inputs, h, w) -> (batch, outputs, h/stride, w/stride).

    Where the shape changes the shortcut is a bare 1x1 convolution of the first norm and ReLU's output.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        same = inputs == outputs and stride == 1
        self.shortcut = None if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, u: Tensor) -> Tensor:
        active = torch.relu(self.norm1(u))
        kept = u if self.shortcut is None else self.shortcut(active)
        return kept + self.conv2(torch.relu(self.norm2(self.conv1(active))))


class PreActResNet18(StagedNet):
    """Images (batch, in_channels, h, w) to logits; 11.17 M parameters and 555.4 MMAC for a 32x32 image by default.

    Stages: ``conv1`` (3x3, bias-free, linear in the image), ``block1`` … ``block8`` of widths (w, 2w, 4w, 8w), two
    each, ``pool``, ``flatten``, ``linear``. As in the official YOPO network there is no norm and no ReLU between
    the last block and the mean over space, unlike He et al. 2016. Weights come from ``seed`` alone, by
    ``draw_weights`` (He's rule); a departure from the official code, which keeps PyTorch's default draw.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 3, seed: int = 0, width: int = 64) -> None:
        checks.integer("num_classes", num_classes, at_least=2, at_most=MOST)
        checks.integer("in_channels", in_channels, at_least=1, at_most=MOST)
        checks.integer("width", width, at_least=1, at_most=MOST)
        widths = [width] + [width * scale for scale in (1, 2, 4, 8) for _ in range(2)]
        with torch.random.fork_rng(devices=[]):
            stages: dict[str, nn.Module] = {"conv1": nn.Conv2d(in_channels, width, 3, padding=1, bias=False)}
            for n in range(8):
                stride = 2 if n in (2, 4, 6) else 1
                stages[f"block{n + 1}"] = PreActBlock(widths[n], widths[n + 1], stride)
            stages |= {
                "pool": nn.AdaptiveAvgPool2d(1),
                "flatten": nn.Flatten(),
                "linear": nn.Linear(8 * width, num_classes),
            }
        super().__init__(stages, in_channels)
        draw_weights(self, seed)
