"""Restoration units: the weight-tied right-hand side g(x, y; w) of the residual dynamics."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.schemes.base import Field
from contdepth.seeds import derive

__all__ = ["CompactUnit", "DilatedUNet", "RestorationUnit", "UnitShape", "make_unit", "trajectory"]

ACTIVATIONS = {"prelu": lambda: nn.PReLU(init=0.1), "relu": lambda: nn.ReLU(inplace=True)}


@dataclass(frozen=True)
class UnitShape:
    """What a unit is made of.

    ``layout``: ``"unet"`` (the layout attributed to the paper) or ``"compact"`` (ours, at a quarter of the
    pixels); ``width``: channels; ``bias``: False leaves every additive constant out, so that
    g(cx, cy) = c g(x, y) for c > 0; ``activation``: ``"prelu"`` (slope 0.1 at the start, learnt) or ``"relu"``;
    ``start``: random weights as PyTorch draws them, or Kaiming's, which are larger. JPEG errors are small, and
    from the smaller weights nothing was learnt of them in 1,500 steps.
    """

    layout: str = "compact"
    width: int = 32
    bias: bool = True
    activation: str = "relu"
    start: str = "pytorch"

    def __post_init__(self) -> None:
        checks.one_of("layout", self.layout, tuple(LAYOUTS))
        checks.integer("width", self.width, at_least=1, at_most=10_000)
        checks.one_of("activation", self.activation, tuple(ACTIVATIONS))
        checks.one_of("start", self.start, ("pytorch", "kaiming"))


class RestorationUnit(nn.Module):
    """X_n = X_{n-1} + g(X_{n-1}, y; w) with one w for all n (Zhang et al. 2019, arXiv 1805.07709).

    ``forward(x, y)`` is the increment g, ``(n, 1, h, w)`` for iterate and observation of that shape; ``step`` adds
    it to the iterate. ``field(y)`` is the same g as a right-hand side f(t, x), so that the recurrence is forward
    Euler with h = 1. The paper's table of layers was not seen.
    """

    shape: UnitShape

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """The next iterate ``(n, 1, h, w)``."""
        return x + self(x, y)

    def field(self, y: Tensor) -> Field:
        """The autonomous right-hand side f(t, x) = g(x, y) of the observation ``y``."""
        return lambda t, x: self(x, y)


class DilatedUNet(RestorationUnit):
    """One U-shaped level with dilations 1, 2, 4; 192,233 parameters at width 32 with PReLU.

    The layout that two public repositories attribute to the paper (of which the first carries it for this
    purpose: l2stop's ``EnhanceUnit``). A 4 × 4 transposed convolution comes back to full resolution, smoothed by a
    2 × 2 mean against checkerboards. Odd sides are extended by their last row or column.
    """

    def __init__(self, shape: UnitShape) -> None:
        super().__init__()
        self.shape = shape
        c, b, act = shape.width, shape.bias, ACTIVATIONS[shape.activation]
        self.stem = nn.Sequential(
            nn.Conv2d(2, c, 5, padding=2, bias=b), act(), nn.Conv2d(c, c, 3, padding=1, bias=b), act()
        )
        self.down = nn.Sequential(
            nn.Conv2d(c, 2 * c, 3, stride=2, padding=1, bias=b),
            act(),
            *(m for d in (1, 2, 4) for m in (nn.Conv2d(2 * c, 2 * c, 3, padding=d, dilation=d, bias=b), act())),
        )
        self.up = nn.Sequential(
            nn.ConvTranspose2d(2 * c, c, 4, stride=2, padding=1, bias=b),
            act(),
            nn.ReplicationPad2d((0, 1, 0, 1)),
            nn.AvgPool2d(2, stride=1),
        )
        self.head = nn.Sequential(
            nn.Conv2d(2 * c, c, 3, padding=1, bias=b), act(), nn.Conv2d(c, 1, 5, padding=2, bias=b)
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The increment g(x, y), ``(n, 1, h, w)``."""
        full, size = even_sides(torch.cat([x, y], dim=1))
        skip = self.stem(full)
        return self.head(torch.cat([self.up(self.down(skip)), skip], dim=1))[..., : size[0], : size[1]]


class CompactUnit(RestorationUnit):
    """Seven 3 × 3 convolutions on the four interleaved half-resolution images; dilations 1, 2, 4, 2, 1 inside.

    49,732 parameters at width 32, 12.4 thousand multiply-adds a pixel and step: a small unit for two CPU cores. A
    departure: it is not the paper's layout.
    """

    def __init__(self, shape: UnitShape) -> None:
        super().__init__()
        self.shape = shape
        c, b, act = shape.width, shape.bias, ACTIVATIONS[shape.activation]
        inner = (m for d in (1, 2, 4, 2, 1) for m in (nn.Conv2d(c, c, 3, padding=d, dilation=d, bias=b), act()))
        self.body = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(8, c, 3, padding=1, bias=b),
            act(),
            *inner,
            nn.Conv2d(c, 4, 3, padding=1, bias=b),
            nn.PixelShuffle(2),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The increment g(x, y), ``(n, 1, h, w)``."""
        full, size = even_sides(torch.cat([x, y], dim=1))
        return self.body(full)[..., : size[0], : size[1]]


LAYOUTS = {"unet": DilatedUNet, "compact": CompactUnit}


def make_unit(shape: UnitShape, seed: int) -> RestorationUnit:
    """A unit whose start depends on ``seed`` alone; its last layer is zero, so that the first step is x itself."""
    checks.instance("shape", shape, UnitShape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "init"))
        unit = LAYOUTS[shape.layout](shape)
        layers = [m for m in unit.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        if shape.start == "kaiming":
            for layer in layers:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
    for parameter in layers[-1].parameters():
        nn.init.zeros_(parameter)
    return unit


def trajectory(unit: RestorationUnit, y: Tensor, steps: int) -> Tensor:
    """X_0 = y, X_1, …, X_steps without gradients: ``(steps + 1, n, 1, h, w)``, unclipped.

    Raises:
        TypeError, ValueError: ``y`` is not ``(n, 1, h, w)`` floating point, or ``steps`` is negative.
    """
    if not hasattr(unit, "step"):
        raise TypeError(
            f"unit: expected a RestorationUnit, found {type(unit).__name__}; make_unit(shape, seed) makes one"
        )
    checks.reals("y", y, ndim=4, hint="one grey channel: (n, 1, h, w) with values in [0, 1]")
    checks.reals("y", y, like=next(unit.parameters(), y))
    if 0 in y.shape[-2:]:
        raise ValueError(f"y: expected images with pixels, found shape {tuple(y.shape)}")
    checks.integer("steps", steps, at_least=0)
    states = [y]
    with torch.inference_mode():
        for _ in range(steps):
            states.append(unit.step(states[-1], y))
    return torch.stack(states)


def even_sides(x: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """``x`` with odd sides extended by their last row or column, and the sizes before that."""
    h, w = x.shape[-2:]
    if h % 2 or w % 2:
        x = nn.functional.pad(x, (0, w % 2, 0, h % 2), mode="replicate")
    return x, (h, w)
