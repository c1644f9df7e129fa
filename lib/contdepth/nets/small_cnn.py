"""The small MNIST classifier of TRADES and YOPO: four 3x3 convolutions, three linear layers."""

from __future__ import annotations

import math

import torch
from torch import nn

from contdepth import checks
from contdepth.nets.init import draw_weights
from contdepth.nets.plan import MOST
from contdepth.nets.staged import StagedNet

__all__ = ["SmallCNN"]


class SmallCNN(StagedNet):
    """Images (batch, in_channels, size, size) to logits (batch, num_classes); 312,202 parameters at the defaults.

    conv-ReLU-conv-ReLU-pool twice, then linear-ReLU twice and linear; stages ``conv1``, ``relu1``, ``conv2``, ….
    From size 28 on the convolutions have no padding, below it padding 1: small images survive two poolings.

    Weights come from ``seed`` alone: convolutions N(0, 2/(9·inputs)), zero bias, as in the official code, linear
    layers uniform on ±1/√inputs. Two departures, which the arguments undo: the official net has ``dropout`` = 0.5
    after the first linear layer, and a ``zero_last`` layer at the start, so that its first input gradient is 0.
    """

    def __init__(
        self,
        in_channels: int = 1,
        size: int = 28,
        channels: tuple[int, int, int, int] = (32, 32, 64, 64),
        hidden: int = 200,
        num_classes: int = 10,
        seed: int = 0,
        *,
        dropout: float = 0.0,
        zero_last: bool = False,
    ) -> None:
        checks.integer("in_channels", in_channels, at_least=1, at_most=MOST)
        checks.integer("size", size, at_least=4, at_most=MOST)
        checks.integer("hidden", hidden, at_least=1, at_most=MOST)
        checks.integer("num_classes", num_classes, at_least=2, at_most=MOST)
        checks.real("dropout", dropout, at_least=0, below=1)
        if len(channels) != 4:
            checks.fail("channels", "four numbers, one for each convolution", channels)
        a, b, c, d = (checks.integer("channels", number, at_least=1, at_most=MOST) for number in channels)
        pad = int(size < 28)
        left = ((size - 4 + 4 * pad) // 2 - 4 + 4 * pad) // 2
        with torch.random.fork_rng(devices=[]):
            stages: dict[str, nn.Module] = {
                "conv1": nn.Conv2d(in_channels, a, 3, padding=pad),
                "relu1": nn.ReLU(),
                "conv2": nn.Conv2d(a, b, 3, padding=pad),
                "relu2": nn.ReLU(),
                "pool1": nn.MaxPool2d(2),
                "conv3": nn.Conv2d(b, c, 3, padding=pad),
                "relu3": nn.ReLU(),
                "conv4": nn.Conv2d(c, d, 3, padding=pad),
                "relu4": nn.ReLU(),
                "pool2": nn.MaxPool2d(2),
                "flatten": nn.Flatten(),
                "fc1": nn.Linear(d * left * left, hidden),
                "relu5": nn.ReLU(),
                "dropout": nn.Dropout(dropout),
                "fc2": nn.Linear(hidden, hidden),
                "relu6": nn.ReLU(),
                "fc3": nn.Linear(hidden, num_classes),
            }
        if not dropout:
            del stages["dropout"]
        super().__init__(stages, in_channels, size)
        self.conv1: nn.Conv2d
        self.conv2: nn.Conv2d
        self.conv3: nn.Conv2d
        self.conv4: nn.Conv2d
        self.fc3: nn.Linear
        draw_weights(self, seed)
        with torch.no_grad():
            for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
                conv.weight.mul_(math.sqrt(conv.out_channels / conv.in_channels))
                conv.bias.zero_()
            if zero_last:
                self.fc3.weight.zero_()
                self.fc3.bias.zero_()
