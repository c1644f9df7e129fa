"""Nets of several rates and seeds trained side by side by SGD; one that diverges leaves the others alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from contdepth.data import load
from contdepth.nets import SmallStepNet
from contdepth.seeds import generator

__all__ = ["Arm", "Parts", "Plan", "Trained", "accuracies", "descend", "lengths", "parts", "train"]


@dataclass(frozen=True)
class Parts:
    """Images as rows less ``mean``, divided by ``size``, and labels: to learn from, to choose with, to judge on.

    Pixels lie in [0, 1]; ``mean`` and ``size`` are of those to learn from.
    """

    learn: tuple[Tensor, Tensor]
    choose: tuple[Tensor, Tensor]
    judge: tuple[Tensor, Tensor]
    mean: float
    size: float


def parts() -> Parts:
    """The digits; every fifth image of their learning part is held out for choices."""
    (x, y), (test_x, test_y) = load("digits", "train"), load("digits", "test")
    x, test_x = x.flatten(1).double() / 16, test_x.flatten(1).double() / 16
    held = torch.arange(len(x)) % 5 == 4
    mean, size = float(x[~held].mean()), float(x[~held].std(correction=0))

    def rows(values: Tensor) -> Tensor:
        return ((values - mean) / size).float()

    return Parts((rows(x[~held]), y[~held]), (rows(x[held]), y[held]), (rows(test_x), test_y), mean, size)


@dataclass(frozen=True)
class Plan:
    """What all arms share: ``epochs``, a tenth of the rate from one half and again from three quarters on."""

    epochs: int = 24
    batch: int = 64
    width: int = 32
    momentum: float = 0.9


@dataclass(frozen=True)
class Arm:
    """A kind of net and the remedy it is given: norm, start of ``SmallStepNet``, largest norm of a gradient.

    ``noise``: spread of what is added once to the pixels of the images to learn from and to choose with.
    """

    depth: int
    h: float
    norm: bool = False
    start: str = "he"
    clip: float | None = None
    noise: float = 0.0


@dataclass(frozen=True)
class Trained:
    """For each of ``rates`` the ``nets`` of all seeds, and the shares of images that they have right, in per cent.

    ``chosen`` (rates, seeds) on images to choose with, ``accuracy`` on the test images, ``finite`` where every
    output is a number. A net whose output is not classifies nothing.
    """

    arm: Arm
    rates: tuple[float, ...]
    nets: tuple[SmallStepNet, ...]
    chosen: np.ndarray
    accuracy: np.ndarray
    finite: np.ndarray

    @property
    def best(self) -> int:
        """The place of the rate with the best mean on the images to choose with, the first of equals."""
        return int(np.argmax(self.chosen.mean(1)))

    @property
    def result(self) -> np.ndarray:
        """Accuracy on the test images at that rate, (seeds,)."""
        return self.accuracy[self.best]


def train(arm: Arm, data: Parts, plan: Plan, rates: Sequence[float], seeds: Sequence[int]) -> Trained:
    """Train a net for every rate and seed, and judge it.

    First weights, the order of images and noise hang on the seed alone: the same for all arms and rates.
    """
    nets = tuple(descend(arm, data, plan, rate, seeds) for rate in rates)
    held_x = _noisy(data.choose[0], "choose", arm, data, seeds)
    held = [accuracies(each, held_x, data.choose[1])[0].numpy() for each in nets]
    found = [accuracies(each, *data.judge) for each in nets]
    right, finite = (np.stack([part.numpy() for part in parts]) for parts in zip(*found, strict=True))
    return Trained(arm, tuple(rates), nets, np.stack(held), right, finite)


def descend(
    arm: Arm,
    data: Parts,
    plan: Plan,
    rate: float,
    seeds: Sequence[int],
    watch: Callable[[SmallStepNet, Tensor, Tensor], bool] | None = None,
) -> SmallStepNet:
    """Nets trained by SGD with momentum on cross-entropy, in evaluation mode.

    ``watch(nets, x, y)`` is called before each step and ends the training when it returns True.
    """
    features = data.learn[0].shape[1]
    nets = SmallStepNet(
        arm.depth, arm.h, features=features, width=plan.width, norm=arm.norm, start=arm.start, seeds=seeds
    )
    labels, x = data.learn[1], _noisy(data.learn[0], "learn", arm, data, seeds)
    values = list(nets.parameters())
    speeds = [torch.zeros_like(value) for value in values]
    row, a_batch = torch.arange(len(seeds))[:, None], len(labels) // plan.batch
    for step in range(plan.epochs * a_batch):
        epoch, k = divmod(step, a_batch)
        if k == 0:
            if not lengths(values).isfinite().any():
                break  # nothing is left to train
            orders = [torch.randperm(len(labels), generator=generator(seed, f"order/{epoch}")) for seed in seeds]
            order = torch.stack(orders)
        chosen = order[:, k * plan.batch : (k + 1) * plan.batch]
        batch, y = x[row, chosen], labels[chosen]
        if watch is not None and watch(nets, batch, y):
            break
        loss = cross_entropy(nets(batch).flatten(0, 1), y.flatten(), reduction="sum") / plan.batch
        slopes = torch.autograd.grad(loss, values)
        now = rate * 0.1 ** (int(epoch >= plan.epochs / 2) + int(epoch >= 3 * plan.epochs / 4))
        with torch.no_grad():
            factor = torch.ones(()) if arm.clip is None else (arm.clip / lengths(slopes)).clamp(max=1.0)
            for value, speed, slope in zip(values, speeds, slopes, strict=True):
                speed.mul_(plan.momentum).add_(slope * factor.view(-1, 1, 1))
                value.sub_(now * speed)
    return nets.eval()


def lengths(slopes: Sequence[Tensor]) -> Tensor:
    """Norm of each net's whole gradient (nets,), from tensors (nets, …) or (layers, nets, …)."""
    squares = [s.square().sum((1, 2)) if s.ndim == 3 else s.square().sum((0, 2, 3)) for s in slopes]
    return torch.stack(squares).sum(0).sqrt()


@torch.no_grad()
def accuracies(nets: SmallStepNet, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Per cent of images that each net has right (nets,), and whether all of its outputs are finite."""
    logits = nets(x)
    finite = logits.isfinite().all(-1)
    right = (logits.argmax(-1) == y) & finite
    return 100 * right.double().mean(-1), finite.all(-1)


def _noisy(x: Tensor, part: str, arm: Arm, data: Parts, seeds: Sequence[int]) -> Tensor:
    """``x`` for every net (nets, images, pixels), with noise of the net's seed."""
    many = x.expand(len(seeds), *x.shape)
    if not arm.noise:
        return many
    drawn = {seed: torch.randn(x.shape, generator=generator(seed, f"noise/{part}")) for seed in set(seeds)}
    return many + arm.noise / data.size * torch.stack([drawn[seed] for seed in seeds])
