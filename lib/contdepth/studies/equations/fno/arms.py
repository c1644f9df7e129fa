"""Four nets of one size that map functions to functions, and one way of training for all of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from contdepth.pde import FourierNeuralOperator, fit_operator, relative_error
from contdepth.seeds import derive, generator
from contdepth.studies.equations.fno.tasks import at, refined

__all__ = ["ARMS", "Arm", "Plan", "Window", "built", "errors", "folded", "interpolated_errors", "trained"]

ARMS = {
    "FNO": {},
    "batch norm": {"batch_norm": True},
    "smooth": {"activation": "gelu", "coordinates": False},
    "window": {},
}
"""Options of ``FourierNeuralOperator``; ``window`` has a kernel of points in the place of its waves."""


@dataclass(frozen=True)
class Plan:
    """Sizes: ``functions`` shown on ``grid`` points, ``judged`` fresh ones; Adam's ``epochs`` and ``batch``."""

    functions: int = 300
    judged: int = 100
    grid: int = 64
    epochs: int = 40
    batch: int = 20
    modes: int = 12
    width: int = 24
    hidden: int = 64


@dataclass(frozen=True)
class Arm:
    """A net of kind ``name`` and its first ``rate``; ``folded`` epochs at the end are without batch norm."""

    name: str
    rate: float
    folded: int = 0


def built(name: str, plan: Plan, seed: int) -> FourierNeuralOperator:
    """Return an untrained net of ``ARMS``; all are as large as each other to a few hundred weights.

    ``window`` learns convolutions of 2 ``modes`` - 1 neighbouring points, periodic at the ends: with the matrix W
    a layer has as many numbers as its complex waves and W.
    """
    source = generator(seed, "net")
    net = FourierNeuralOperator(plan.modes, width=plan.width, hidden=plan.hidden, generator=source, **ARMS[name])  # type: ignore[arg-type]
    if name == "window":
        net.kernels = nn.ModuleList(Window(plan.width, 2 * plan.modes - 1, source) for _ in net.kernels)
    return net


class Window(nn.Conv1d):
    """The convolution with a kernel of ``taps`` points, an odd number, periodic at the ends."""

    def __init__(self, width: int, taps: int, source: torch.Generator) -> None:
        super().__init__(width, width, taps, padding=taps // 2, padding_mode="circular", bias=False)
        with torch.no_grad():
            drawn = torch.rand(self.weight.shape, generator=source)
            self.weight.copy_((2 * drawn - 1) / math.sqrt(width * taps))


@torch.no_grad()
def folded(net: FourierNeuralOperator) -> FourierNeuralOperator:
    """Return the net without batch norm that is the same map as ``net`` with the means of its training.

    There batch norm is g (v - mean) / sqrt(var + eps) + b, channel by channel: it goes into the rows of the
    kernel and of W, and into the constant beside W.
    """
    other = copy.deepcopy(net).eval()
    for kernel, skip, norm in zip(other.kernels, other.skips, other.norms, strict=True):
        factor = norm.weight / (norm.running_var + norm.eps).sqrt()  # type: ignore[arg-type, operator]
        kernel.weight.mul_(factor[None, :, None, None])  # type: ignore[operator]
        skip.weight.mul_(factor[:, None])  # type: ignore[operator]
        skip.bias.sub_(norm.running_mean).mul_(factor).add_(norm.bias)  # type: ignore[arg-type, operator]
    other.norms = nn.ModuleList()
    return other


def trained(arm: Arm, pairs: tuple[Tensor, Tensor], plan: Plan, seed: int) -> FourierNeuralOperator:
    """Return a net after the ``plan``'s epochs on ``pairs`` (n, 1, fine); the rate is halved five times.

    All arms see the functions in one order. Where batch norm is folded before the end, Adam starts anew there
    with the rate of the schedule.
    """
    a, u = (f[: plan.functions].float() for f in at(plan.grid, *pairs))
    net, fifth = built(arm.name, plan, seed), max(1, plan.epochs // 5)
    first = plan.epochs - arm.folded
    options = {"batch": plan.batch, "halve": fifth}
    fit_operator(net, a, u, epochs=first, rate=arm.rate, seed=derive(seed, "order"), **options)  # type: ignore[arg-type]
    if arm.folded:
        net, rate = folded(net), arm.rate * 0.5 ** (first // fifth)
        fit_operator(net, a, u, epochs=arm.folded, rate=rate, seed=derive(seed, "more"), **options)  # type: ignore[arg-type]
    return net


def errors(net: nn.Module, pairs: tuple[Tensor, Tensor], grids: Sequence[int]) -> np.ndarray:
    """Return the mean relative error of ``net`` on ``pairs`` (n, 1, fine) for each grid, (grids,)."""
    found = []
    for grid in grids:
        a, u = at(grid, *pairs)
        found.append(relative_error(net.predict(a), u).mean().item())  # type: ignore[operator]
    return np.array(found)


def interpolated_errors(
    net: nn.Module, pairs: tuple[Tensor, Tensor], coarse: int, grids: Sequence[int]
) -> np.ndarray:
    """Return errors (grids,) of what ``net`` says on the ``coarse`` grid, interpolated to each grid."""
    u = net.predict(at(coarse, pairs[0])[0])  # type: ignore[operator]
    return np.array([relative_error(refined(u, g), at(g, pairs[1])[0]).mean().item() for g in grids])
