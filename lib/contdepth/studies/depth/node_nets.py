"""Classifiers that differ by what stands between stem and head: six blocks, one, an ODE, or nothing.

The convolutional nets are those of the public script of Chen et al. 2018 (arXiv 1806.07366),
rtqichen/torchdiffeq, examples/odenet_mnist.py, layer by layer: with 64 channels they have its numbers of
parameters. Departures: the ODE is solved by fixed steps of RK4 instead of Dormand-Prince to a tolerance; width and
number of halvings can be chosen; and weights are drawn as in the other chapters. With ``stem="linear"`` nothing
outside the block is non-linear, so that what the net can do beyond a linear classifier is the block's doing.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.nets.init import draw_weights
from contdepth.schemes import RK4, RungeKutta, march

__all__ = ["ARMS", "Classifier", "ConvField", "DenseField", "OdeBlock", "ResidualBlock", "arms", "numbers"]

ARMS = ("six blocks", "one block", "ODE block", "no block")


class DenseField(nn.Module):
    """W₂ tanh(W₁ (u, t) + b₁) + b₂ of states ``(batch, width)``; without ``timed`` t is left out."""

    def __init__(self, width: int, *, timed: bool) -> None:
        super().__init__()
        self.timed = timed
        self.inner, self.outer = nn.Linear(width + timed, width), nn.Linear(width, width)

    def forward(self, t: Tensor, u: Tensor) -> Tensor:
        """Return the rate, or the branch, of ``u`` at ``t``, a number."""
        rate: Tensor = self.outer(torch.tanh(self.inner(_with_time(t, u) if self.timed else u)))
        return rate


class ConvField(nn.Module):
    """Twice norm, ReLU, 3x3 convolution of states ``(batch, width, h, w)``.

    With ``timed`` t is one more channel for each convolution, these have biases, and a norm stands at the end.
    """

    def __init__(self, width: int, *, timed: bool) -> None:
        super().__init__()
        self.timed = timed
        self.norms = nn.ModuleList(_norm(width) for _ in range(2 + timed))
        self.convs = nn.ModuleList(nn.Conv2d(width + timed, width, 3, padding=1, bias=timed) for _ in range(2))

    def forward(self, t: Tensor, u: Tensor) -> Tensor:
        """Return the rate, or the branch, of ``u`` at ``t``, a number."""
        for norm, conv in zip(self.norms, self.convs, strict=False):
            u = torch.relu(norm(u))
            u = conv(_with_time(t, u) if self.timed else u)
        return self.norms[-1](u) if self.timed else u


class ResidualBlock(nn.Module):
    """u + f(u)."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, u: Tensor) -> Tensor:
        """Return the next state."""
        here: Tensor = u + self.branch(u.new_zeros(()), u)
        return here


class OdeBlock(nn.Module):
    """The state at t = 1 of u' = f(t, u) by ``steps`` equal steps of RK4, with the gradient of choice."""

    def __init__(self, field: nn.Module, steps: int, gradient: str = "backprop") -> None:
        super().__init__()
        self.field, self.steps, self.gradient = field, steps, gradient

    def forward(self, u: Tensor) -> Tensor:
        """Return the state at the end."""
        t = torch.linspace(0, 1, self.steps + 1, dtype=u.dtype, device=u.device)
        return march(self.field, u, t, RungeKutta(RK4), keep="last", gradient=self.gradient)


class Classifier(nn.Module):
    """Stem, blocks and head: images ``(batch, 1, side, side)`` -> ``(batch, 10)`` logits."""

    def __init__(self, stem: nn.Module, blocks: list[nn.Module], head: nn.Module, seed: int) -> None:
        super().__init__()
        self.stem, self.head, self.blocks = stem, head, nn.Sequential(*blocks)  # one seed: stem and head are equal
        draw_weights(self, seed)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of images."""
        logits: Tensor = self.head(self.blocks(self.stem(x)))
        return logits


def arms(
    stem: str,
    *,
    side: int,
    width: int = 64,
    halvings: int = 2,
    steps: int = 2,
    adjoint: bool = False,
    seed: int = 0,
) -> dict[str, Classifier]:
    """Return the nets of :data:`ARMS` with stem and head alike; with ``adjoint`` also the ODE net trained by it.

    Args:
        stem: ``"linear"``, one layer to ``width`` numbers; or ``"convolutions"``, ``halvings`` of them strided.
        side: images have side x side pixels.
        width: numbers or channels of the state.
        halvings: strided convolutions of the stem.
        steps: steps of RK4 from 0 to 1.
        adjoint: add the arm ``"ODE block, adjoint"``.
        seed: what all weights are drawn from.
    """
    linear = checks.one_of("stem", stem, ("linear", "convolutions")) == "linear"
    field: Callable[..., nn.Module] = DenseField if linear else ConvField

    def net(*blocks: nn.Module) -> Classifier:
        ends = _linear_ends(side, width) if linear else _convolutional_ends(width, halvings)
        return Classifier(ends[0], list(blocks), ends[1], seed)

    def residual() -> ResidualBlock:
        return ResidualBlock(field(width, timed=False))

    found = {
        "six blocks": net(*(residual() for _ in range(6))),
        "one block": net(residual()),
        "ODE block": net(OdeBlock(field(width, timed=True), steps)),
        "no block": net(),
    }
    if adjoint:
        found["ODE block, adjoint"] = net(OdeBlock(field(width, timed=True), steps, "adjoint"))
    return found


def numbers(net: Classifier) -> tuple[int, int]:
    """Return how many parameters the net has, and how many of them are in its blocks."""
    return sum(p.numel() for p in net.parameters()), sum(p.numel() for p in net.blocks.parameters())


def _with_time(t: Tensor, u: Tensor) -> Tensor:
    return torch.cat([t.to(u).expand_as(u[:, :1]), u], 1)


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(1, min(32, width // 2)), width)


def _linear_ends(side: int, width: int) -> tuple[nn.Module, nn.Module]:
    return nn.Sequential(nn.Flatten(), nn.Linear(side * side, width)), nn.Linear(width, 10)


def _convolutional_ends(width: int, halvings: int) -> tuple[nn.Module, nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(1, width, 3)]
    for _ in range(halvings):
        layers += [_norm(width), nn.ReLU(), nn.Conv2d(width, width, 4, 2, 1)]
    head = nn.Sequential(_norm(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))
    return nn.Sequential(*layers), head
