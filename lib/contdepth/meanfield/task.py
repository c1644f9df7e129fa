"""The small regression task of the chapter."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.meanfield.block import Block
from contdepth.meanfield.network import MeanFieldNet, lift
from contdepth.seeds import generator

__all__ = ["small_net", "waves"]


def waves(
    count: int = 20, seed: int = 0, purpose: str = "train", device: str | torch.device = "cpu"
) -> tuple[Tensor, Tensor]:
    """x (``count``, 2) uniform on [-1, 1]², y = sin(3x₁)x₂ + ½cos(4x₂), float64; one stream a ``purpose``.

    x is drawn on the CPU and moved to ``device``: every device has the same data.
    """
    checks.affordable("count", checks.integer("count", count, at_least=1), 2)
    x = 2 * torch.rand(count, 2, generator=generator(seed, f"waves/{purpose}"), dtype=torch.float64) - 1
    x = x.to(devices.named("device", device))
    return x, torch.sin(3 * x[:, 0]) * x[:, 1] + 0.5 * torch.cos(4 * x[:, 1])


def small_net(
    width: int = 1,
    weighting: str = "equal",
    dimension: int = 4,
    activation: str = "tanh",
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> MeanFieldNet:
    """Nets for ``waves``: states of ``dimension``, blocks of ``width`` neurons; lift, read-out from ``seed``.

    Lift and read-out are drawn on the CPU and moved to ``device``, where the net then computes.
    """
    where = devices.named("device", device)
    w2, w1 = lift(2, dimension, generator(seed, "lift"))
    return MeanFieldNet(Block(dimension, width, activation), w2.to(where), w1.to(where), weighting)
