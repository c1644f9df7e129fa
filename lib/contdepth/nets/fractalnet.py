"""FractalNet-style CIFAR net: f_{c+1} = ½ f_c∘f_c + ½ conv, read as a Runge-Kutta step in the paper."""

from __future__ import annotations

from torch import Tensor, nn

from contdepth import checks
from contdepth.nets.blocks import images
from contdepth.nets.init import draw_weights
from contdepth.nets.plan import MOST

__all__ = ["Fractal", "FractalNet"]


def unit(inputs: int, outputs: int) -> nn.Sequential:
    """Convolution, batch norm, ReLU: f_1 of the recursion."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class Fractal(nn.Module):
    """f_C of the recursion: ``columns`` C, longest path 2^(C-1) units, shortest path one.

    Each join is the mean of its two inputs, exactly the recursion; the original averages all columns that meet at
    one depth in a single join. Drop-path is left out.
    """

    def __init__(self, inputs: int, outputs: int, columns: int) -> None:
        super().__init__()
        self.short = unit(inputs, outputs)
        self.long = (
            nn.Identity()
            if columns == 1
            else nn.Sequential(Fractal(inputs, outputs, columns - 1), Fractal(outputs, outputs, columns - 1))
        )
        self.columns = columns

    def forward(self, u: Tensor) -> Tensor:
        if self.columns == 1:
            return self.short(u)
        return 0.5 * self.long(u) + 0.5 * self.short(u)


class FractalNet(nn.Module):
    """One fractal per stage, widths (w, 2w, 4w, …), 2x2 max-pooling between; (batch, num_classes) logits."""

    def __init__(
        self,
        columns: int = 3,
        *,
        stages: int = 3,
        width: int = 16,
        in_channels: int = 3,
        num_classes: int = 10,
        seed: int = 0,
    ) -> None:
        super().__init__()
        checks.integer("columns", columns, at_least=1, at_most=6)
        checks.integer("stages", stages, at_least=1, at_most=5)
        checks.integer("width", width, at_least=1, at_most=MOST)
        checks.integer("in_channels", in_channels, at_least=1, at_most=MOST)
        checks.integer("num_classes", num_classes, at_least=2, at_most=MOST)
        self.in_channels = in_channels
        layers: list[nn.Module]
        layers, channels = [], in_channels
        for s in range(stages):
            layers += [nn.MaxPool2d(2)] if s else []
            layers.append(Fractal(channels, width * 2**s, columns))
            channels = width * 2**s
        self.body = nn.Sequential(*layers)
        self.linear = nn.Linear(channels, num_classes)
        draw_weights(self, seed)

    def forward(self, x: Tensor) -> Tensor:
        images(x, self.in_channels, self.linear.weight)
        side = 2 ** (len(self.body) // 2)  # a pooling between two stages
        if min(x.shape[2:]) < side:
            raise ValueError(f"x: expected sides of at least {side} pixels, found shape {tuple(x.shape)}")
        return self.linear(self.body(x).mean(dim=(2, 3)))
