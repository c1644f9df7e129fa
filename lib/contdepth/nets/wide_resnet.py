"""Wide ResNet (Zagoruyko, Komodakis 2016) for 32x32 images; WRN-34-10 is the large net of adversarial training."""

from __future__ import annotations

import torch
from torch import nn

from contdepth import checks
from contdepth.nets.init import draw_weights
from contdepth.nets.plan import MOST
from contdepth.nets.preact_resnet18 import PreActBlock
from contdepth.nets.staged import StagedNet

__all__ = ["WideResNet"]


class WideResNet(StagedNet):
    """Images (batch, in_channels, h, w) to logits; 46.16 M parameters, 6658.9 MMAC for a 32x32 image by default.

    Stages: ``conv1`` (3x3 to 16 channels, bias-free, linear in the image), ``block1`` … of widths (16k, 32k, 64k),
    k = ``widen``, (``depth`` - 4)/6 each, ``norm``, ``relu``, ``pool``, ``flatten``, ``linear``. Departures from
    the TRADES/YOPO code: its second copy of the first group, 2.1 M parameters that no image ever meets, is left
    out (48.26 M with it); the mean is over all of space, the same at 32x32. Weights come from ``seed`` alone.

    Raises:
        TypeError, ValueError: a depth that is not 6n + 4, or numbers outside their range.
    """

    def __init__(
        self, depth: int = 34, widen: int = 10, num_classes: int = 10, in_channels: int = 3, seed: int = 0
    ) -> None:
        checks.integer("widen", widen, at_least=1, at_most=MOST)
        checks.integer("num_classes", num_classes, at_least=2, at_most=MOST)
        checks.integer("in_channels", in_channels, at_least=1, at_most=MOST)
        each, rest = divmod(checks.integer("depth", depth, at_least=10, at_most=MOST) - 4, 6)
        if rest:
            checks.fail("depth", "6n + 4", depth, f"the nearest are {6 * each + 4} and {6 * each + 10}")
        inputs = 16
        with torch.random.fork_rng(devices=[]):
            stages: dict[str, nn.Module] = {"conv1": nn.Conv2d(in_channels, inputs, 3, padding=1, bias=False)}
            for group in range(3):
                for n in range(each):
                    outputs = 16 * widen * 2**group
                    stride = 2 if group and n == 0 else 1
                    stages[f"block{group * each + n + 1}"] = PreActBlock(inputs, outputs, stride)
                    inputs = outputs
            stages |= {
                "norm": nn.BatchNorm2d(inputs),
                "relu": nn.ReLU(),
                "pool": nn.AdaptiveAvgPool2d(1),
                "flatten": nn.Flatten(),
                "linear": nn.Linear(inputs, num_classes),
            }
        super().__init__(stages, in_channels)
        draw_weights(self, seed)
