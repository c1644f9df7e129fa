"""The authors' Peaks task: five classes in the plane, a net of thirty layers of eight channels, L-BFGS."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from contdepth import seeds
from contdepth.schemes.parallel_in_time.multigrid import Multigrid
from contdepth.studies.depth.lbfgs import lbfgs
from contdepth.studies.depth.parallel_nets import smooth_relu, smooth_relu_branch
from contdepth.studies.depth.parallel_training import Objective, Parameters, accuracy

__all__ = ["peaks", "peaks_data", "train_peaks"]


def peaks(a: Tensor, b: Tensor) -> Tensor:
    """The function of that name: three bumps and two hollows on [-3, 3]²."""
    first = 3 * (1 - a).square() * torch.exp(-a.square() - (b + 1).square())
    second = 10 * (a / 5 - a**3 - b**5) * torch.exp(-a.square() - b.square())
    return first - second - torch.exp(-(a + 1).square() - b.square()) / 3


def peaks_data(count: int, seed: int, classes: int = 5) -> tuple[Tensor, Tensor]:
    """Points (count, 2) of [-3, 3]² and labels (count,), as many of each class, mixed.

    A class is one of ``classes`` equal parts of the function's range on a grid; float64.
    """
    rng = seeds.generator(seed, "peaks")
    line = torch.linspace(-3, 3, 256, dtype=torch.float64)
    over = peaks(*torch.meshgrid(line, line, indexing="ij"))
    x = 6 * torch.rand(200 * count, 2, generator=rng, dtype=torch.float64) - 3
    height = (peaks(x[:, 0], x[:, 1]) - over.min()) / (over.max() - over.min())
    y = (classes * height).long().clamp(0, classes - 1)
    each = torch.cat([(y == k).nonzero()[: count // classes, 0] for k in range(classes)])
    each = each[torch.randperm(len(each), generator=rng)]
    return x[each], y[each]


def opening(x: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """Smoothed ReLU of x K + b, (batch, d)."""
    return smooth_relu(x @ K + b)


def first_parameters(layers: int, width: int, seed: int, scale: float) -> Parameters:
    """Uniform on [0, ``scale``], one bias a layer for all channels, as in the authors' code."""
    rng = seeds.generator(seed, "peaks weights")
    shapes = [(2, width), (1,), (layers, width, width), (layers, 1), (width, 5), (5,)]
    return tuple(scale * torch.rand(*shape, generator=rng, dtype=torch.float64) for shape in shapes)


def train_peaks(
    *,
    seed: int,
    sweeps: int,
    steps: int = 130,
    layers: int = 30,
    width: int = 8,
    count: int = 5000,
    asked: int = 5000,
    coarsening: int = 2,
    smoothness_gradient: bool = True,
    scale: float = 1e-3,
    moved: float = 0.0,
) -> dict[str, Any]:
    """Train on one draw of data and weights; ``sweeps`` 0: serial, else warm sweeps of two levels. The first
    weights are scaled by 1 + ``moved``.

    Returns:
        ``losses`` of each step as the optimiser sees them, final ``loss`` and ``accuracy`` on ``asked`` fresh
        points, both of the net solved serially, ``train`` accuracy, ``parameters``, ``seconds`` of CPU time.
    """
    began = time.process_time()
    x, y = peaks_data(count, seed)
    x_new, y_new = peaks_data(asked, 10_000 + seed)
    first = first_parameters(layers, width, seed, scale)
    plan = Multigrid((coarsening,)) if sweeps else None
    how: dict[str, Any] = {"tikhonov": 1e-7, "smoothness": 1e-5, "smoothness_gradient": smoothness_gradient}
    of = Objective(smooth_relu_branch, opening, 1 / layers, plan=plan, sweeps=sweeps, warm=True, **how)

    def parts(flat: Tensor) -> Parameters:
        pieces = flat.split([one.numel() for one in first])
        return tuple(piece.view(one.shape) for piece, one in zip(pieces, first, strict=True))

    def gradient(flat: Tensor) -> tuple[float, Tensor]:
        value, grown = of.gradient(parts(flat), x, y)
        return value, torch.cat([one.flatten() for one in grown])

    start = torch.cat([one.flatten() for one in first]) * (1 + moved)
    found, losses = lbfgs(lambda flat: of.value(parts(flat), x, y), gradient, start, steps)
    serial, end = Objective(smooth_relu_branch, opening, 1 / layers, **how), parts(found)
    return {
        "losses": losses,
        "loss": serial.value(end, x, y),
        "accuracy": accuracy(serial, end, x_new, y_new),
        "train": accuracy(serial, end, x, y),
        "parameters": end,
        "seconds": time.process_time() - began,
    }
