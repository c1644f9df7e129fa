"""Handwritten digits through sixty-four layers: Adam on small batches, each solved anew by a few sweeps."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from torch import Tensor

from contdepth import data, seeds
from contdepth.schemes.parallel_in_time.multigrid import Multigrid
from contdepth.schemes.parallel_in_time.solving import parallel_states
from contdepth.studies.depth.parallel_nets import tanh_branch
from contdepth.studies.depth.parallel_training import Objective, Parameters, accuracy

__all__ = ["train_digits"]


def pictures(split: str) -> tuple[Tensor, Tensor]:
    """Images (count, 64) in [0, 1], float32, and labels (count,)."""
    found = data.digits(split)
    return found.images.flatten(1).float() / 16, found.labels


def opening(x: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """tanh(x K + b), (batch, d)."""
    return torch.tanh(x @ K + b)


def first_parameters(layers: int, width: int, seed: int, smooth: bool) -> Parameters:
    """Normal weights: the same matrix in all layers (smooth), or one for each."""
    rng = seeds.generator(seed, "digits weights")
    K = torch.randn(64, width, generator=rng) / 8
    deep = torch.randn(1 if smooth else layers, width, width, generator=rng) / math.sqrt(width)
    closing = torch.randn(width, 10, generator=rng) / math.sqrt(width)
    deep = deep.expand(layers, width, width).clone()
    return (K, torch.zeros(width), deep, torch.zeros(layers, width), closing, torch.zeros(10))


def train_digits(
    *,
    seed: int,
    sweeps: int,
    smooth: bool = True,
    epochs: int = 12,
    layers: int = 64,
    block: int = 8,
    width: int = 16,
    T: float = 2.0,
    rate: float = 0.01,
    batch: int = 128,
    smoothness: float = 1e-5,
) -> dict[str, Any]:
    """Train one net; ``sweeps`` 0: serial, else that many sweeps of two levels from a cold start each step.

    ``smooth``: equal layers at the start and the penalty on the weights' derivative; else a matrix of its own for
    each layer and no penalty.

    Returns:
        ``losses`` of the epochs (mean over batches as seen), final ``loss`` on the training images and test
        ``accuracy``, both of the net solved serially, ``error``: relative error of the last state after one sweep,
        ``fall``: by what factor the second sweep lowers it, ``seconds`` of CPU time.
    """
    began = time.process_time()
    (x, y), (asked, answers) = pictures("train"), pictures("test")
    parameters = [one.requires_grad_() for one in first_parameters(layers, width, seed, smooth)]
    plan, rng = Multigrid((block,)), seeds.generator(seed, "digits order")
    how: dict[str, Any] = {"smoothness": smoothness if smooth else 0.0}
    of = Objective(tanh_branch, opening, T / layers, plan=plan if sweeps else None, sweeps=sweeps, **how)
    adam, losses = torch.optim.Adam(parameters, lr=rate), []
    for _ in range(epochs):
        seen = 0.0
        order = torch.randperm(len(x), generator=rng)
        parts = order[: len(x) - len(x) % batch].view(-1, batch)
        for chosen in parts:
            value, grown = of.gradient(tuple(parameters), x[chosen], y[chosen])
            for one, pull in zip(parameters, grown, strict=True):
                one.grad = pull
            adam.step()
            seen += value / len(parts)
        losses.append(seen)
    end = tuple(one.detach() for one in parameters)
    serial = Objective(tanh_branch, opening, T / layers)
    deep = serial.layers(tuple(one.double() for one in end))
    u0 = opening(x, *end[:2]).double()
    exact = deep.states(u0)[-1]
    away = [float((parallel_states(deep, u0, plan, k)[-1] - exact).norm() / exact.norm()) for k in (1, 2)]
    return {
        "losses": losses,
        "loss": serial.value(end, x, y),
        "accuracy": accuracy(serial, end, asked, answers),
        "error": away[0],
        "fall": away[0] / away[1],
        "parameters": end,
        "seconds": time.process_time() - began,
    }
