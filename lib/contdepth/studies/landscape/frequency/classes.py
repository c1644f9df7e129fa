"""Digits and parity: smooth and rough parts of the labels by filtering, and what comes out on new inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from contdepth.data import load
from contdepth.seeds import generator
from contdepth.studies.landscape.frequency.members import Design, outputs, start
from contdepth.training import filtered_errors

__all__ = ["Learned", "digits", "learn", "noise_errors", "parity", "parts"]

HALF = 0.5


@dataclass(frozen=True)
class Labelled:
    """Inputs (n, d) and classes (n,), to learn from and to test with."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor
    classes: int

    @property
    def targets(self) -> Tensor:
        """Indicators of the classes, their mean taken away, (n, classes)."""
        return centred(torch.eye(self.classes)[self.y])


@dataclass(frozen=True)
class Learned:
    """``outputs`` (T, S, n, classes): softmax on the training inputs after each epoch, means of the targets taken
    away; accuracies on test inputs and on training inputs in per cent, (S,).
    """

    outputs: Tensor
    accuracy: np.ndarray
    seen: np.ndarray


def centred(values: Tensor) -> Tensor:
    """Without the mean over the samples."""
    return values - values.mean(-2, keepdim=True)


def digits() -> Labelled:
    """scikit-learn's digits, pixels in [0, 1]."""
    train, test = load("digits", "train"), load("digits", "test")
    x, test_x = (part[0].flatten(1).float() / 16 for part in (train, test))
    return Labelled(x, train[1], test_x, test[1], 10)


def parity(bits: int = 10) -> Labelled:
    """All words of ``bits`` signs, classes by the sign of their product; half of them, drawn, to test with."""
    words = torch.arange(2**bits)
    x = (words[:, None] >> torch.arange(bits)) % 2 * 2.0 - 1
    y = (x.prod(1) > 0).long()
    order = torch.randperm(len(x), generator=generator(0, "parity"))
    known, new = order[::2], order[1::2]
    return Labelled(x[known], y[known], x[new], y[new], 2)


def learn(data: Labelled, seeds: Sequence[int], epochs: int, *, rate: float = 1e-3, batch: int = 64) -> Learned:
    """Nets of two hidden layers of 64, tanh, cross-entropy, Adam; batches of each seed in its own order."""
    design = Design()
    parameters = start(design, seeds, data.x.shape[1], data.classes)
    parameters = [part.float().requires_grad_() for part in parameters]
    optimiser = torch.optim.Adam(parameters, lr=rate)
    sources = [generator(seed, "order") for seed in seeds]
    kept, mean = [], torch.eye(data.classes)[data.y].mean(0)
    for _ in range(epochs):
        orders = torch.stack([torch.randperm(len(data.x), generator=source) for source in sources])
        for first in range(0, len(data.x), batch):
            chosen = orders[:, first : first + batch]
            scores = outputs(design, parameters, data.x[chosen])
            optimiser.zero_grad()
            loss = cross_entropy(scores.flatten(0, 1), data.y[chosen].flatten(), reduction="sum")
            (loss / chosen.shape[1]).backward()
            optimiser.step()
        with torch.no_grad():
            kept.append(outputs(design, parameters, data.x).softmax(-1) - mean)
    with torch.no_grad():
        right = (outputs(design, parameters, data.test_x).argmax(-1) == data.test_y).double().mean(1)
    seen = ((kept[-1] + mean).argmax(-1) == data.y).double().mean(1)
    return Learned(torch.stack(kept), 100 * right.numpy(), 100 * seen.numpy())


def parts(data: Labelled, done: Learned, variance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """e_low and e_high after each epoch, (T, S), and log2 of the ratio of the epochs that halve them, (S,).

    A part that is never halved counts as halved one epoch after the last.
    """
    low, high = filtered_errors(done.outputs, data.targets, data.x, variance)
    epochs = []
    for errors in (low, high):
        below = (errors < HALF).numpy()
        epochs.append(np.where(below.any(0), 1 + below.argmax(0), 1 + len(below)))
    return low.numpy(), high.numpy(), np.log2(epochs[1] / epochs[0])


def noise_errors(data: Labelled, variance: float) -> tuple[float, float]:
    """e_low and e_high of targets plus independent noise of their size."""
    noise = torch.randn(data.targets.shape, generator=generator(0, "noise"))
    noise = noise * data.targets.norm() / noise.norm()
    low, high = filtered_errors(data.targets + noise, data.targets, data.x, variance)
    return float(low), float(high)
