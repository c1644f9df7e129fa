"""DnCNN: the feed-forward residual denoiser that the paper compares with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.seeds import derive

__all__ = ["DnCNN", "DnCNNShape", "make_dncnn"]


@dataclass(frozen=True)
class DnCNNShape:
    """``depth`` convolutions of ``width`` channels; 20 and 64 (667 thousand weights) for the blind DnCNN-B."""

    depth: int = 20
    width: int = 64

    def __post_init__(self) -> None:
        checks.integer("depth", self.depth, at_least=2, at_most=10_000)
        checks.integer("width", self.width, at_least=1, at_most=10_000)


class DnCNN(nn.Module):
    """y − R(y): ``depth`` 3 × 3 convolutions with batch normalisation inside (Zhang et al. 2017, IEEE TIP 26(7)).

    ``forward(y)``: the restored image for ``(n, 1, h, w)``. One pass, no loop, no stopping. No departure in the
    layout; the start is Kaiming's, the last layer is zero.
    """

    def __init__(self, shape: DnCNNShape) -> None:
        super().__init__()
        self.shape = shape
        c = shape.width
        inner = (
            m
            for _ in range(shape.depth - 2)
            for m in (nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c), nn.ReLU(inplace=True))
        )
        self.noise = nn.Sequential(
            nn.Conv2d(1, c, 3, padding=1), nn.ReLU(inplace=True), *inner, nn.Conv2d(c, 1, 3, padding=1)
        )

    def forward(self, y: Tensor) -> Tensor:
        """The restored images ``(n, 1, h, w)``."""
        return y - self.noise(y)


def make_dncnn(shape: DnCNNShape, seed: int) -> DnCNN:
    """A DnCNN whose start depends on ``seed`` alone."""
    checks.instance("shape", shape, DnCNNShape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "init"))
        net = DnCNN(shape)
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(net.noise[-1].weight)  # type: ignore[arg-type]
    nn.init.zeros_(net.noise[-1].bias)  # type: ignore[arg-type]
    return net
