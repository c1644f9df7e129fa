"""The authors' chart, number by number, and what their gates cost where they used them."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from contdepth.nets.blocks import BasicBranch
from contdepth.nets.gated.gates import make_gates

__all__ = ["CHART", "gate_share", "outside"]

CHART: dict[str, dict[str, float]] = {
    "CIFAR-10": {"110": 50, "74": 48, "38": 30},
    "CIFAR-100": {"110": 37, "74": 18, "38": 18},
    "SVHN": {"152": 86, "110": 81, "74": 77},
    "ImageNet": {"101": 30, "50": 12, "34": 20},
}
"""Data set → layers → per cent of computation that the whole method saves (docs/image_classification.png)."""


def outside(low: float, high: float) -> int:
    """How many numbers of the chart lie outside [low, high]."""
    return sum(not low <= value <= high for row in CHART.values() for value in row.values())


def gate_share(gate: str) -> float:
    """Multiply-adds of a gate over those of a block of the state that it sees, per cent, the largest of three.

    The nets for CIFAR: 16 channels at 32 x 32, 32 at 16 x 16, 64 at 8 x 8, basic blocks. PyTorch's counter.
    """
    shares = []
    for channels, side in ((16, 32), (32, 16), (64, 8)):
        gates = make_gates((channels,), gate, 0.5, 0)
        block = BasicBranch(channels, channels)
        state = torch.zeros(1, channels, side, side)
        counted = []
        for call in (lambda u: gates(0, u, None), block):  # noqa: B023
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                call(state)
            counted.append(counter.get_total_flops())
        shares.append(counted[0] / counted[1])
    return 100 * max(shares)
