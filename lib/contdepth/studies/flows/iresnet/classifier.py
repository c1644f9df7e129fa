"""A classifier of digits made of residual blocks: norms of its convolutions bounded, mistaken, or free."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from contdepth.data import load
from contdepth.errors import DivergenceError
from contdepth.flows import LipschitzConv2d, settle
from contdepth.studies.flows.iresnet.inversion import scaled_norms
from contdepth.training import Recipe, fit

__all__ = [
    "BOUNDED",
    "FREE",
    "KERNEL",
    "Classifier",
    "KernelNorm",
    "Parts",
    "Trained",
    "contest",
    "parts",
    "trained",
]

BOUNDED, KERNEL, FREE = "convolution", "kernel", "no bound"
"""The arms: of what the norm is bounded by the coefficient c."""

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Parts:
    """Images (n, 1, 8, 8) less their mean, divided by their spread, and labels: to learn, choose and judge by."""

    learn: Pair
    choose: Pair
    judge: Pair


def parts() -> Parts:
    """The digits; every fifth image of their learning part is held out for choices."""
    (x, y), (test_x, test_y) = load("digits", "train"), load("digits", "test")
    held = torch.arange(len(x)) % 5 == 4
    mean, size = float(x[~held].double().mean()), float(x[~held].double().std(correction=0))
    x, test_x = ((one.double() - mean).div(size).float() for one in (x, test_x))
    return Parts((x[~held], y[~held]), (x[held], y[held]), (test_x, test_y))


class KernelNorm(LipschitzConv2d):
    """The same layer, scaled by the norm of its kernel as a matrix (outputs, inputs · kernel²): the wrong one."""

    def norm(self) -> Tensor:
        """The norm of that matrix."""
        return torch.linalg.matrix_norm(self.weight.flatten(1), 2)

    def refine(self, iterations: int) -> float:
        """Nothing is iterated."""
        return 0.0


class Classifier(nn.Module):
    """Pixels in one of ``channels``, zeros in the others, ``blocks`` of x + g(x), means of 2 × 2, a linear map.

    g is ELU and a convolution three times, with kernels of 3, 1 and 3, as in the released code.
    """

    def __init__(self, arm: str, blocks: int, seed: int, *, channels: int = 8, width: int = 16, c: float = 0.9):
        super().__init__()
        self.channels = channels
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.branches = nn.ModuleList(_branch(arm, channels, width, c) for _ in range(blocks))
            self.head = nn.Linear(16 * channels, 10)

    def start(self, x: Tensor) -> Tensor:
        """The state before the first block (n, channels, 8, 8) of pixels (n, 1, 8, 8)."""
        return nn.functional.pad(x, (0, 0, 0, 0, 0, self.channels - x.shape[1]))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, 10)."""
        x = self.start(x)
        for g in self.branches:
            x = x + g(x)
        return self.head(nn.functional.avg_pool2d(nn.functional.elu(x), 2).flatten(1))


def _branch(arm: str, channels: int, width: int, c: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs, kernel in ((channels, width, 3), (width, width, 1), (width, channels, 3)):
        if arm == FREE:
            layer: nn.Module = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        else:
            made = LipschitzConv2d if arm == BOUNDED else KernelNorm
            layer = made(inputs, outputs, kernel, (8, 8), c, iterations=1)
        layers += [nn.ELU(), layer]
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class Trained:
    """Nets of all seeds, and per cent of the images to choose with and to judge on that they have right.

    ``unsettled``: of each net the largest norm that a bounded layer applied before its norm was settled.
    """

    rate: float
    nets: tuple[Classifier, ...]
    unsettled: np.ndarray
    chosen: np.ndarray
    accuracy: np.ndarray


def trained(arm: str, data: Parts, rate: float, epochs: int, blocks: int, seeds: Sequence[int]) -> Trained:
    """A net for each seed by SGD with momentum in one cycle; norms are settled afterwards."""
    options = {"batch": 64, "weight_decay": 0.0, "schedule": "one-cycle", "test_every": epochs}
    recipe = Recipe("one cycle", epochs, lr=rate, **options)  # type: ignore[arg-type]
    nets, unsettled = [], []
    for seed in seeds:
        net = Classifier(arm, blocks, seed)
        with suppress(DivergenceError):  # such a net classifies nothing
            fit(net, data.learn, data.choose, recipe, seed=seed, progress=False)
        unsettled.append(scaled_norms(net).max(initial=0.0))
        settle(net, 1e-6)
        nets.append(net.eval())
    shares = [np.array([_right(net, pair) for net in nets]) for pair in (data.choose, data.judge)]
    return Trained(rate, tuple(nets), np.array(unsettled), *shares)


def contest(
    arm: str, data: Parts, rates: Sequence[float], epochs: int, blocks: int, seeds: Sequence[int]
) -> Trained:
    """The nets at the rate with the best mean on the images to choose with, the first of equals."""
    found = [trained(arm, data, rate, epochs, blocks, seeds) for rate in rates]
    return max(found, key=lambda one: one.chosen.mean())


@torch.no_grad()
def _right(net: Classifier, pair: Pair) -> float:
    logits = net(pair[0])
    return 100 * float(((logits.argmax(-1) == pair[1]) & logits.isfinite().all(-1)).double().mean())
