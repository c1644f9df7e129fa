"""How weights move: the damped maximiser, BinaryConnect, and full precision by Adam, for many nets at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.func import vmap

from contdepth.control.discrete import binary_update, ternary_update
from contdepth.seeds import generator

__all__ = ["Adam", "BinaryConnect", "Discrete", "FullPrecision", "Rule"]

Shapes = Sequence[tuple[int, int]]


class Adam:
    """Adam with its usual means, 0.9 and 0.999; ``state`` is its moments, two tensors for each that it moves."""

    def __init__(self, like: Sequence[Tensor]) -> None:
        self.state = [torch.zeros_like(part) for part in like for _ in range(2)]

    def step(self, moved: Sequence[Tensor], slopes: Sequence[Tensor], rate: float, n: int) -> None:
        """Step number ``n`` = 1, 2, … UP the slopes, in place."""
        for k, (part, slope) in enumerate(zip(moved, slopes, strict=True)):
            first, second = self.state[2 * k : 2 * k + 2]
            first.lerp_(slope, 0.1)
            second.mul_(0.999).addcmul_(slope, slope, value=0.001)
            size = (second / (1 - 0.999**n)).sqrt_().add_(1e-8)
            part.addcdiv_(first, size, value=rate / (1 - 0.9**n))


@dataclass(frozen=True)
class Discrete:
    """Li & Hao's rules: see ``contdepth.control.binary_update`` and ``ternary_update``, every net with its levels.

    ``average`` goes nearer to 1 after each epoch, 1 - α ← 0.95 (1 - α). ``corrected``: the running mean, which
    starts at 0, is divided by the sum of its weights, as Adam does; the authors do not. Sparsity alone feels it.
    ``noise``: the running mean starts at uniform numbers of up to this size; the authors have 1e-6.
    """

    values: str = "binary"
    damping: float = 0.5
    average: float = 0.999
    sparsity: float = 0.0
    corrected: bool = False
    noise: float = 0.0

    def start(self, shapes: Shapes, seeds: Sequence[int]) -> tuple[list[Tensor], list[Tensor]]:
        """First weights; the running means at their start, and the sum of their weights, 0."""
        high, scale = (2, 2) if self.values == "binary" else (3, 1)
        drawn = [
            torch.stack([torch.randint(high, shape, generator=generator(s, f"discrete/{t}")) for s in seeds])
            for t, shape in enumerate(shapes)
        ]
        weights = [scale * one.float() - 1 for one in drawn]
        means = [
            torch.stack([2 * torch.rand(shape, generator=generator(s, f"mean/{t}")) - 1 for s in seeds])
            for t, shape in enumerate(shapes)
        ]
        return weights, [*(self.noise * one for one in means), torch.zeros(())]

    def visible(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """The weights that the net computes with: these."""
        return list(weights)

    def move(
        self, weights: list[Tensor], state: list[Tensor], slopes: Sequence[Tensor], n: int, epoch: int, total: int
    ) -> None:
        """One sweep, in place."""
        if self.values == "binary":
            rule = vmap(partial(binary_update, damping=self.damping))
        else:
            rule = vmap(partial(ternary_update, damping=self.damping, sparsity=self.sparsity))
        share = 0.95**epoch * (1 - self.average)
        *means, sum_of_shares = state
        sum_of_shares.lerp_(torch.ones_like(sum_of_shares), share)
        for weight, mean, slope in zip(weights, means, slopes, strict=True):
            mean.lerp_(slope, share)
            weight.copy_(rule(weight, mean / sum_of_shares if self.corrected else mean))


@dataclass(frozen=True)
class FullPrecision:
    """Adam on the weights themselves; ``rate`` falls to a hundredth of itself, exponentially."""

    rate: float

    def start(self, shapes: Shapes, seeds: Sequence[int]) -> tuple[list[Tensor], list[Tensor]]:
        """First weights, Glorot's uniform ones, and Adam's moments, 0."""
        weights = []
        for t, (before, after) in enumerate(shapes):
            drawn = [torch.rand(before, after, generator=generator(s, f"glorot/{t}")) for s in seeds]
            weights.append((2 * torch.stack(drawn) - 1) * (6 / (before + after)) ** 0.5)
        return weights, Adam(weights).state

    def visible(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """The weights that the net computes with: these."""
        return list(weights)

    def move(
        self, weights: list[Tensor], state: list[Tensor], slopes: Sequence[Tensor], n: int, epoch: int, total: int
    ) -> None:
        """One step of Adam, in place; it is number ``n`` of ``total``."""
        adam = Adam([])
        adam.state = state
        adam.step(weights, slopes, self.rate * 0.01 ** (n / total), n)


@dataclass(frozen=True)
class BinaryConnect(FullPrecision):
    """Courbariaux et al. 2015, deterministic: real weights in [-1, 1] that are moved, their signs that compute."""

    def visible(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """Signs, 1 for 0."""
        return [torch.where(weight < 0, -1.0, 1.0) for weight in weights]

    def move(
        self, weights: list[Tensor], state: list[Tensor], slopes: Sequence[Tensor], n: int, epoch: int, total: int
    ) -> None:
        """One step of Adam with the slopes of the signs, then back into [-1, 1]."""
        super().move(weights, state, slopes, n, epoch, total)
        for weight in weights:
            weight.clamp_(-1, 1)


Rule = Discrete | FullPrecision
