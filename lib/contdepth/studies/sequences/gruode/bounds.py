"""What holds whatever the weights are: states stay in [-1, 1], they are steep at most by 2, and one exact law."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from contdepth.recurrent import GRUODE, GRUODEBayes
from contdepth.seeds import generator

__all__ = ["farthest", "moments_error", "steepest"]


def _nets(models: Sequence[GRUODEBayes], factor: float) -> list[GRUODE]:
    """Return the equations between rows, as trained, and with weights ``factor`` times as large."""
    found = []
    for model in models:
        wild = copy.deepcopy(model.between)
        with torch.no_grad():
            for one in wild.parameters():
                one.mul_(factor)
        found += [copy.deepcopy(model.between), wild]
    return found


def _starts(n: int, hidden: int) -> torch.Tensor:
    """Half of the states are corners of the cube, the others anywhere in it."""
    h = 2 * torch.rand(n, hidden, generator=generator(0, "bounds")) - 1
    h[: n // 2] = h[: n // 2].sign()
    return h


def farthest(models: Sequence[GRUODEBayes], step: float | None, factor: float = 10.0, n: int = 32) -> float:
    """Return the largest |h| along all paths over gaps up to 5, by Euler ``step`` or to the tolerance 1e-4."""
    worst = 0.0
    with torch.no_grad():
        for net in _nets(models, factor):
            net.step, net.rtol, net.atol = step, 1e-4, 1e-6
            h = _starts(n, net.hidden)
            for gap in torch.linspace(0.5, 5, 10):
                worst = max(worst, float(net(h, gap.expand(n)).abs().max()))
    return worst


def steepest(models: Sequence[GRUODEBayes], factor: float = 10.0, n: int = 4096) -> float:
    """Return the largest |h'| over states of the cube."""
    with torch.no_grad():
        return max(float(net.rate(_starts(n, net.hidden)).abs().max()) for net in _nets(models, factor))


def moments_error(theta: float = 0.4, sigma: float = 0.5, target: float = 0.3) -> float:
    """Return the largest error of a cell of two numbers, set by hand, as mean and variance of a known walk.

    With U = 0 each number relaxes to tanh b_g at the rate σ(-b_z): the mean at θ, the variance at 2θ towards
    σ²/(2θ). Both rates must lie under 1.
    """
    net = GRUODE(2, step=None, rtol=1e-11, atol=1e-13, generator=generator(0, "moments")).double()
    ends = torch.tensor([target, sigma**2 / (2 * theta)], dtype=torch.float64)
    rates = torch.tensor([theta, 2 * theta], dtype=torch.float64)
    with torch.no_grad():
        net.u.zero_()
        net.b[2:4], net.b[4:] = torch.log((1 - rates) / rates), torch.atanh(ends)
        start, times = (
            torch.tensor([-0.8, 0.0], dtype=torch.float64),
            torch.linspace(0, 6, 25, dtype=torch.float64),
        )
        found = net(start.expand(25, 2), times)
    mean = target + (-0.8 - target) * torch.exp(-theta * times)
    variance = sigma**2 / (2 * theta) * (1 - torch.exp(-2 * theta * times))
    wanted = torch.stack([mean, variance], dim=1)
    return float((found - wanted).abs().max())
