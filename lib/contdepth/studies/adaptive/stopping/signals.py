"""Signals with jumps, dead leaves and real crops, with noise: what units restore and policies stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from contdepth.data import pictures
from contdepth.restoration.degrade import blind, gaussian, to_tensor
from contdepth.restoration.models.unit import RestorationUnit, UnitShape
from contdepth.restoration.photos import centre_crop
from contdepth.restoration.training.patches import training_images
from contdepth.seeds import derive, generator

__all__ = ["GREY", "Noisy", "SignalUnit", "crops", "dead_leaves", "degraded", "judged", "signals"]

GREY = 255 / 4
"""Grey levels of one unit of a signal's amplitude: a signal s is kept as the row 1/2 + s/4 of grey values."""


@dataclass(frozen=True)
class Noisy:
    """``clean`` and ``noisy`` ``(n, 1, h, w)`` with their ``levels`` ``(n,)``, in grey levels of 255."""

    clean: Tensor
    noisy: Tensor
    levels: Tensor


class SignalUnit(RestorationUnit):
    """The increment g(x, y) of signals as rows, ``(n, 1, 1, w)``: four convolutions along the row.

    The middle two are dilated by 2 and 4, so that 33 places are seen. The last layer starts at zero, so that the
    first step is the signal itself.
    """

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        self.shape = UnitShape(width=width)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "init"))
            layers: list[nn.Module] = [nn.Conv2d(2, width, (1, 5), padding=(0, 2)), nn.ReLU()]
            for d in (2, 4):
                layers += [nn.Conv2d(width, width, (1, 5), padding=(0, 2 * d), dilation=(1, d)), nn.ReLU()]
            last = nn.Conv2d(width, 1, (1, 5), padding=(0, 2))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.body = nn.Sequential(*layers, last)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The increment, ``(n, 1, 1, w)``."""
        return self.body(torch.cat([x, y], dim=1))


def signals(count: int, width: int, source: Generator) -> Tensor:
    """Pieces of sines and levels between jumps, ``(count, 1, 1, width)``, within the grey values 1/4 and 3/4."""
    place = torch.arange(width) / width
    cuts = torch.rand(count, 5, generator=source).sort(1).values
    piece = (place[None, :, None] > cuts[:, None, :]).sum(2)
    heights = 1.2 * torch.rand(count, 6, generator=source) - 0.6
    slopes = 0.4 * torch.rand(count, 6, generator=source)
    phase = 6.28 * torch.rand(count, 1, generator=source)
    rate = 2 + 4 * torch.rand(count, 1, generator=source)
    s = heights.gather(1, piece) + slopes.gather(1, piece) * torch.sin(6.28 * rate * place + phase)
    return (0.5 + s / 4)[:, None, None, :]


def dead_leaves(count: int, side: int, source: Generator, leaves: int = 60) -> Tensor:
    """Discs that hide one another, radii like 1/r³, any grey, ``(count, 1, side, side)``: edges of all sizes."""
    grid = torch.arange(side, dtype=torch.float32)
    found = torch.full((count, side, side), 0.5)
    for _ in range(leaves):
        u, row, column, grey = torch.rand(4, count, 1, 1, generator=source)
        radius = (u / (0.03 * side) ** 2 + (1 - u) / (0.5 * side) ** 2) ** -0.5
        inside = (grid[:, None] - side * row).square() + (grid - side * column).square() < radius.square()
        found = torch.where(inside, 0.05 + 0.9 * grey, found)
    return found[:, None]


def crops(name: str, count: int, side: int, seed: int) -> Tensor:
    """Crops of random places of a training set, ``(count, 1, side, side)``; ``"leaves"`` are made, not read."""
    source = generator(seed, "stopping/crops")
    if name == "leaves":
        return dead_leaves(count, side, source)
    images, found = training_images(name), []
    for pick in torch.randint(len(images), (count,), generator=source).tolist():
        rows, columns = (int(torch.randint(n - side + 1, (), generator=source)) for n in images[pick].shape)
        found.append(to_tensor(images[pick][rows : rows + side, columns : columns + side].copy()))
    return torch.cat(found)


def judged(name: str, side: int, every: int) -> Tensor:
    """Middles of every ``every``-th picture of a test set, ``(n, 1, side, side)``; ``"leaves"`` are made."""
    if name == "leaves":
        return dead_leaves(6, side, generator(1, "stopping/test"))
    return torch.cat([to_tensor(centre_crop(p.pixels, side)) for p in pictures(name)[::every]])


def degraded(clean: Tensor, levels: Sequence[float], seed: int, *, between: bool = False) -> Noisy:
    """``clean`` with noise: at each of ``levels`` in turn, or each at one ``between`` the first and last."""
    source = generator(seed, "stopping/noise")
    if between:
        noisy, drawn = blind(clean, min(levels), max(levels), source)
        return Noisy(clean, noisy, drawn)
    each = torch.tensor(levels, dtype=torch.float32).repeat_interleave(len(clean))
    many = clean.repeat(len(levels), 1, 1, 1)
    return Noisy(many, gaussian(many, each, source), each)
