"""Narrow minima, their neurons split one by one, and the spectra of the Hessian before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from contdepth.nets import split_neuron
from contdepth.studies.landscape.embedding.critical import (
    Array,
    Critical,
    Task,
    critical_point,
    descend,
    gradient,
    hessian,
    loss,
    output,
    starts,
)

__all__ = ["SHARES", "Split", "as_net", "as_theta", "escapes", "inner_hessian", "minima", "splits", "task"]

SHARES = (-0.5, 0.25, 0.5, 1.5)
ZERO = 1e-8
"""Eigenvalues of a size below this count as zero."""
TARGETS = ("staircase", "sine", "bump")


def task(name: str, count: int = 40) -> Task:
    """One of ``TARGETS`` at ``count`` points of [-2, 2]."""
    x = np.linspace(-2, 2, count)
    values = {
        "staircase": np.tanh(2 * (x + 1)) + 0.6 * np.tanh(3 * (x - 1)),
        "sine": np.sin(2 * x),
        "bump": np.exp(-4 * (x - 0.4) ** 2) + x / 2,
    }
    return Task(x, values[name])


def as_net(theta: Array) -> nn.Sequential:
    """theta (m, 3), rows (w, b, a), as a chain of PyTorch's layers, float64."""
    part = torch.as_tensor(theta)
    first, last = nn.Linear(1, len(part)), nn.Linear(len(part), 1, bias=False)
    net = nn.Sequential(first, nn.Tanh(), last).double()
    with torch.no_grad():
        first.weight.copy_(part[:, :1])
        first.bias.copy_(part[:, 1])
        last.weight.copy_(part[:, 2][None])
    return net


def as_theta(net: nn.Sequential) -> Array:
    """Back again."""
    first, bias, last = (part.detach() for part in net.parameters())
    return np.asarray(torch.cat([first, bias[:, None], last.T], 1).numpy())


def inner_hessian(theta: Array, neuron: int, data: Task) -> Array:
    """a mean[(h - y) σ''(wx + b) (x, 1)(x, 1)ᵀ], (2, 2)."""
    w, b, a = theta[neuron]
    t = np.tanh(w * data.x + b)
    bend = a * -2 * t * (1 - t * t) * (output(theta, data.x) - data.y)
    both = np.stack([data.x, np.ones_like(data.x)])
    return np.asarray((bend * both) @ both.T / len(data.x))


def inertia(eigenvalues: Array) -> Array:
    """How many are negative, zero and positive, (3,)."""
    zero = np.abs(eigenvalues) < ZERO
    return np.array([(~zero & (eigenvalues < 0)).sum(), zero.sum(), (~zero & (eigenvalues > 0)).sum()])


@dataclass(frozen=True)
class Split:
    """One neuron of one minimum split by ``share``.

    ``moved`` is the largest change of the output, ``slope`` the norm of the wide gradient; ``before`` and
    ``after`` say how many eigenvalues are negative, zero and positive, ``foretold`` the same by the inner
    Hessian, and ``definite`` whether that is; ``lowest`` is the lowest eigenvalue.
    """

    share: float
    moved: float
    slope: float
    before: Array
    after: Array
    foretold: Array
    lowest: float
    definite: bool


def minima(name: str, widths: Sequence[int], seeds: Sequence[int]) -> list[Critical]:
    """Strict minima with a gradient below 1e-10 that differ in loss, weights below 20, eigenvalues above 1e-5."""
    data = task(name)
    found: list[Critical] = []
    for width in widths:
        for start in starts(seeds, width, 1.5):
            one = critical_point(start, data, damped=400)
            sound = one.slope < 1e-10 and np.abs(one.theta).max() < 20 and one.eigenvalues.min() > 1e-5
            if sound and all(abs(one.loss - other.loss) > 1e-9 for other in found):
                found.append(one)
    return found


def splits(point: Critical, data: Task, shares: Sequence[float] = SHARES) -> list[Split]:
    """Every neuron of ``point`` by every share."""
    found, before = [], inertia(point.eigenvalues)
    for neuron in range(len(point.theta)):
        own: Array = np.linalg.eigvalsh(inner_hessian(point.theta, neuron, data)).astype(np.float64)
        for share in shares:
            wide = as_theta(split_neuron(as_net(point.theta), 0, neuron, share))
            spectrum: Array = np.linalg.eigvalsh(hessian(wide, data)).astype(np.float64)
            new = np.append(own / (share * (1 - share)), 0.0)
            moved = np.abs(output(wide, data.x) - output(point.theta, data.x)).max()
            slope = np.linalg.norm(gradient(wide, data))
            found.append(
                Split(
                    share,
                    float(moved),
                    float(slope),
                    before,
                    inertia(spectrum),
                    before + inertia(new),
                    float(spectrum.min()),
                    bool(own.prod() > 0),
                )
            )
    return found


def escapes(
    point: Critical, data: Task, share: float, seeds: Sequence[int], *, steps: int, rate: float = 0.2
) -> tuple[Array, Array, Array]:
    """Losses over that of ``point`` after descent from it plus noise: its first neuron split, and as it is.

    The noise has a spread of 1e-3.

    Both (S,), and the curves of the first, (T, S).
    """
    wide = as_theta(split_neuron(as_net(point.theta), 0, 0, share))
    ends = []
    curves = []
    for theta in (wide, point.theta):
        around = theta + starts(seeds, len(theta), 1e-3, "noise")
        curve, end = descend(around, data, steps, rate, max(1, steps // 100))
        ends.append(loss(end, data) / point.loss)
        curves.append(curve)
    return ends[0], ends[1], curves[0]
