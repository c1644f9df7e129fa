"""A residual flow on pictures, as the authors' script for densities has it: scales of bounded convolutions.

Behrmann et al. 2019: between scales a squeeze of 2 × 2 pixels into channels; in each scale blocks of an affine map
for each channel and x + g(x), where g is ELU and a bounded convolution three times, with kernels of 3, 1 and 3.
Pixels are dequantised by uniform noise and taken through the logit of 0.05 + 0.9 x, as we remember it. Departure:
no channels leave between scales.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.flows import LipschitzConv2d
from contdepth.flows.base import Pushed
from contdepth.seeds import derive

__all__ = ["EDGE", "PictureFlow", "bits", "opened", "squeezed"]

EDGE = 0.05
"""What keeps the logit from the ends of [0, 1]."""

LogDet = Callable[[Callable[[Tensor], Tensor], Tensor, torch.Generator | None], Pushed]


def squeezed(x: Tensor) -> Tensor:
    """Return (n, c, h, w) as (n, 4 c, h / 2, w / 2)."""
    return nn.functional.pixel_unshuffle(x, 2)


class PictureFlow(nn.Module):
    """Pictures (n, channels, side, side) to normal numbers (n, d); ``blocks`` of each scale, halved in between.

    The affine maps begin with mean and spread of the pictures that ``begin`` is given.
    """

    def __init__(
        self, channels: int, side: int, blocks: Sequence[int], width: int, *, c: float = 0.9, seed: int = 0
    ) -> None:
        super().__init__()
        if side % 2 ** (len(blocks) - 1):
            checks.fail("side", f"a multiple of {2 ** (len(blocks) - 1)}, for {len(blocks)} scales", side)
        self.scales, shifts, stretches = nn.ModuleList(), [], []
        for k, count in enumerate(blocks):
            inner, size = channels * 4**k, side // 2**k
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive(seed, f"iresnet/scale {k}"))
                self.scales.append(nn.ModuleList(_branch(inner, width, size, c) for _ in range(count)))
            shifts.append(nn.Parameter(torch.zeros(count, inner)))
            stretches.append(nn.Parameter(torch.zeros(count, inner)))
        self.shifts, self.stretches = nn.ParameterList(shifts), nn.ParameterList(stretches)

    def forward(self, x: Tensor, log_det: LogDet, generator: torch.Generator | None = None) -> Pushed:
        """Return the normal numbers and ln|det|, volumes of blocks by ``log_det``."""
        total = x.new_zeros(len(x))
        for k, branches in enumerate(self.scales):
            x = squeezed(x) if k else x
            for j, g in enumerate(branches.children()):
                s, b = self.stretches[k][j], self.shifts[k][j]
                x = x * s.exp()[:, None, None] + b[:, None, None]
                x, volume = log_det(g, x, generator)
                total = total + volume + s.sum() * x[0, 0].numel()
        return Pushed(x.flatten(1), total)

    @torch.no_grad()
    def begin(self, x: Tensor) -> None:
        """Set the affine maps so that each channel of ``x`` has mean 0 and spread 1 before each block."""
        for k, branches in enumerate(self.scales):
            x = squeezed(x) if k else x
            for j, g in enumerate(branches.children()):
                spread = x.std((0, 2, 3)).clamp(min=1e-3)
                self.stretches[k][j] = -spread.log()
                self.shifts[k][j] = -x.mean((0, 2, 3)) / spread
                x = x / spread[:, None, None] + self.shifts[k][j][:, None, None]
                x = x + g(x)


def _branch(channels: int, width: int, side: int, c: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs, kernel in ((channels, width, 3), (width, width, 1), (width, channels, 3)):
        layers += [nn.ELU(), LipschitzConv2d(inputs, outputs, kernel, (side, side), c, iterations=1)]
    return nn.Sequential(*layers)


def opened(x: Tensor, levels: int, source: torch.Generator) -> Pushed:
    """Return whole numbers ``x`` of so many ``levels`` with uniform noise as logits, and ln|det| of that."""
    noise = torch.rand(x.shape, generator=source).to(x.device)
    share = EDGE + (1 - 2 * EDGE) * (x + noise) / levels
    steep = math.log(1 - 2 * EDGE) - math.log(levels) - share.log() - (1 - share).log()
    return Pushed(share.logit(), steep.flatten(1).sum(1))


def bits(
    flow: PictureFlow,
    x: Tensor,
    levels: int,
    log_det: LogDet,
    source: torch.Generator,
    probes: torch.Generator | None = None,
) -> Tensor:
    """Return the bits a dimension ``(n,)`` that the flow needs for pictures ``x`` of so many ``levels``.

    ``source`` draws the noise, ``probes`` what ``log_det`` asks for. The mean over the noise is an upper bound of
    what the discrete law needs, if the volumes are right.
    """
    y, steep = opened(x, levels, source)
    z, volume = flow(y, log_det, probes)
    normal = -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)
    return -(normal + volume + steep) / (z.shape[1] * math.log(2))
