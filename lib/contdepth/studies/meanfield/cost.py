"""What it costs to train many nets one after the other, and all at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from contdepth import devices
from contdepth.meanfield.ensemble import Ensemble
from contdepth.meanfield.network import MeanFieldNet
from contdepth.meanfield.training import train

__all__ = ["Cost", "training_cost"]


class Cost(NamedTuple):
    """CPU seconds a step: all runs in one batch, one run after the other, and one run of the largest depth."""

    batch: float
    sequential: float
    deepest: float


def training_cost(
    net: MeanFieldNet, depths: Sequence[int], seeds: Sequence[int], x: Tensor, y: Tensor, *, steps: int = 20
) -> Cost:
    """CPU time of ``steps`` Adam steps for every depth and seed, x (batch, inputs), y (batch,).

    The sequential loop is the plain one: one run's particles, ``Block.chain``, autograd, Adam.
    """
    ensemble = Ensemble.draw(net, depths, seeds)
    train(net, ensemble, x, y, steps=1, rate=0.01)  # PyTorch loads its optimisers at the first step
    before = devices.now(x.device)
    train(net, ensemble, x, y, steps=steps, rate=0.01)
    batch = devices.now(x.device) - before
    alone = [one_alone(net, ensemble, row, x, y, steps) for row in range(len(ensemble))]
    deepest = sum(alone[ensemble.rows(max(depths))]) / len(seeds)
    return Cost(batch / steps, sum(alone) / steps, deepest / steps)


def one_alone(net: MeanFieldNet, ensemble: Ensemble, row: int, x: Tensor, y: Tensor, steps: int) -> float:
    """CPU seconds of one run by itself."""
    particles = ensemble.particles(row)
    theta = particles.theta.clone().requires_grad_()
    weights, start = particles.weights(net.weighting), net.initial(x)
    optimiser = torch.optim.Adam([theta], lr=0.01)
    before = devices.now(x.device)
    for _ in range(steps):
        loss = 0.5 * (net.block.chain(theta, weights, start)[-1] @ net.w1 - y).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return devices.now(x.device) - before
