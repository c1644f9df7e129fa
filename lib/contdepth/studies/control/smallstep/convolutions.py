"""Paired convolutional nets with batch norms: one and the same net with step 1 and with a small one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contdepth.nets import SteppedNet, stepped_resnet
from contdepth.seeds import generator
from contdepth.studies.control.smallstep.training import Parts
from contdepth.training import Recipe, fit

__all__ = ["RATES", "Convolutions", "convolutions", "pictures", "under_noise"]

RATES = (0.05, 0.2)


@dataclass(frozen=True)
class Convolutions:
    """``nets`` of all seeds at the ``rate`` with the best mean on the images to choose with."""

    rate: float
    nets: tuple[SteppedNet, ...]


def pictures(data: Parts, part: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Rows of ``data`` as pixels in [0, 1], (images, 1, 8, 8), and their labels."""
    return (part[0] * data.size + data.mean).clamp(0, 1).view(-1, 1, 8, 8), part[1]


def convolutions(h: float, data: Parts, epochs: int, seeds: Sequence[int], blocks: int = 3) -> Convolutions:
    """Three stages of ``blocks`` pre-activation blocks with step ``h``; first weights are the same for every h."""
    learn, choose = pictures(data, data.learn), pictures(data, data.choose)
    found: list[tuple[float, Convolutions]] = []
    for rate in RATES:
        options = {"batch": 64, "weight_decay": 0.0, "schedule": "one-cycle", "test_every": epochs}
        recipe, nets, right = Recipe("one cycle", epochs, lr=rate, **options), [], []  # type: ignore[arg-type]
        for seed in seeds:
            model = stepped_resnet((blocks,) * 3, width=8, time=blocks * h, in_channels=1, seed=seed)
            fit(model, learn, choose, recipe, seed=seed, progress=False)
            nets.append(model.eval())
            with torch.no_grad():
                right.append(float((model(choose[0]).argmax(-1) == choose[1]).double().mean()))
        found.append((float(np.mean(right)), Convolutions(rate, tuple(nets))))
    return max(found, key=lambda one: one[0])[1]


@torch.no_grad()
def under_noise(nets: Sequence[SteppedNet], x: Tensor, y: Tensor, spread: float, draws: int = 5) -> np.ndarray:
    """Per cent of images (nets,) that are right under noise of ``spread`` on pixels, a mean over ``draws``."""
    noises = [torch.randn(x.shape, generator=generator(draw, "noise/judge")) for draw in range(draws)]
    right = [[(net(x + spread * noise).argmax(-1) == y).double().mean() for noise in noises] for net in nets]
    return 100 * np.array(right).mean(1)
