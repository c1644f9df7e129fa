"""A classifier that is a chain of named stages, so that any of them can be cut off by name."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from contdepth import checks
from contdepth.nets.blocks import images

__all__ = ["StagedNet"]


class StagedNet(nn.Sequential):
    """Stages in order, called by name (``net.conv1``) or place (``net[0]``); a slice is a plain ``nn.Sequential``.

    No stage changes its input in place. Images are (batch, ``in_channels``, h, w) in [0, 1]; ``size`` fixes h = w.

    Raises:
        TypeError, ValueError: on call, for images of another kind or shape.
    """

    def __init__(self, stages: dict[str, nn.Module], in_channels: int, size: int | None = None) -> None:
        super().__init__()
        for name, stage in stages.items():
            self.add_module(name, stage)
        self.in_channels, self.size = in_channels, size

    def __getitem__(self, which: int | slice) -> nn.Module:
        if isinstance(which, slice):
            return nn.Sequential(OrderedDict(list(self.named_children())[which]))
        return super().__getitem__(which)

    def forward(self, x: Tensor) -> Tensor:
        images(x, self.in_channels, next(self.parameters()))
        checks.same_shape("x", x, (len(x), self.in_channels, self.size or x.shape[2], self.size or x.shape[3]))
        return super().forward(x)
