"""Interpolated residual nets: a state is damped and a branch added, u_{n+1} = (1 - λ_n) u_n + f_n(u_n)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.nets.plan import MOST, Plan, cifar_plan
from contdepth.nets.residual import ResidualNet
from contdepth.seeds import generator

__all__ = ["DAMPED_MODELS", "DampedNet", "damped_resnet"]

DAMPED_MODELS = ("in", "lambda-in")
"""In-ResNet and λ-In-ResNet."""


class DampedNet(ResidualNet):
    """A residual net with damping λ_n between u_n + f_n(u_n), λ = 0, and a net without skips, λ = 1.

    ``model``: "in" has u_{n+1} = (1 - λ_n) u_n + f_n(u_n); "lambda-in" amplifies the branch as well,
    u_{n+1} = (1 - λ_n) u_n + (1 + λ_n) f_n(u_n). Either is a forward Euler step of size 1, of u' = -λ u + f(u) or
    of u' = -λ u + (1 + λ) f(u); without a branch it is stable for 0 <= λ <= 2.

    ``damping``: one λ >= 0 for every damped block, kept as the buffer ``fixed``; None learns λ_n as the parameter
    ``k``, (damped blocks,), which starts so that λ_n is uniform in ``start``. As in the authors' code λ is
    relu(1 - k) for "in" and relu(k) for "lambda-in", at least 0 and not bounded above; a weight decay that acts
    on k therefore pulls the first towards λ = 1 and the second towards 0. The first block and those that change
    the shape of their state are not damped. Images (batch, in_channels, h, w) -> (batch, num_classes) logits.
    The weights are those of a ``ResidualNet`` of this plan and seed; k is drawn from ``seed`` apart.

    Source: Yang et al. 2020 (arXiv 2006.05749) and its code. Departure: the code draws k from PyTorch's global
    generator before the weights, so that a ResNet of the same seed has other weights there.

    Raises:
        TypeError, ValueError: what ``ResidualNet`` raises; an unknown ``model``; ``damping`` negative; ``start``
            not two numbers 0 <= low <= high.
    """

    fixed: Tensor

    def __init__(
        self,
        plan: Plan,
        *,
        model: str = "in",
        damping: float | None = None,
        start: tuple[float, float] = (0.2, 0.25),
        in_channels: int = 3,
        num_classes: int = 10,
        seed: int = 0,
    ) -> None:
        super().__init__(plan, in_channels=in_channels, num_classes=num_classes, seed=seed)
        self.model = checks.one_of("model", model, DAMPED_MODELS)
        keeps = [n for n, shortcut in enumerate(self.shortcuts) if n and isinstance(shortcut, nn.Identity)]
        self.places = {n: place for place, n in enumerate(keeps)}
        low, high = interval(start)
        like: dict[str, Any] = {"dtype": self.stem.weight.dtype}
        if damping is None:
            drawn = torch.rand(len(keeps), generator=generator(seed, "damping"), **like)
            rates = low + (high - low) * drawn
            self.k = nn.Parameter(1 - rates if model == "in" else rates)
        else:
            rate = checks.real("damping", damping, at_least=0, at_most=torch.finfo(torch.float32).max)
            self.register_buffer("fixed", torch.full((len(keeps),), rate, **like))

    def extra_repr(self) -> str:
        return f"{self.plan.name}, {self.model}, λ={[round(rate, 4) for rate in self.damping.tolist()]}"

    @property
    def damping(self) -> Tensor:
        """λ_n of the damped blocks in order, (damped blocks,), with its gradient in ``k``."""
        if not hasattr(self, "k"):
            return self.fixed
        return torch.relu(1 - self.k if self.model == "in" else self.k)

    def advance(self, n: int, u: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
        """One block: returns u_{n+1} and the state it started from, projected to the new shape and not damped."""
        if n not in self.places:
            return super().advance(n, u, previous)
        rate, f = self.damping[self.places[n]], self.residual(n, u)
        return (1 - rate) * u + (f if self.model == "in" else (1 + rate) * f), u


def interval(start: object) -> tuple[float, float]:
    """``start`` as (low, high), or an error that says what it should be."""
    pair = checks.several("start", start, "two numbers, low and high")  # type: ignore[arg-type, var-annotated]
    if len(pair) != 2:
        checks.fail("start", "two numbers, low and high", f"{len(pair)} of them", "such as (0.2, 0.25)")
    low = checks.real("start", pair[0], at_least=0)
    return low, checks.real("start", pair[1], at_least=low)


def damped_resnet(
    depth: int = 20,
    block: str = "basic",
    *,
    width: int = 16,
    model: str = "in",
    damping: float | None = None,
    in_channels: int = 3,
    num_classes: int = 10,
    seed: int = 0,
) -> DampedNet:
    """A ``DampedNet`` of ``depth`` = 6n + 2 (basic) or 9n + 2 (bottleneck) layers, see ``resnet``.

    ``damping``: one λ for all damped blocks, or None to learn them from 0.20 to 0.25 on.

    Raises:
        TypeError, ValueError: what ``DampedNet`` and ``resnet`` raise.
    """
    checks.integer("width", width, at_least=1, at_most=MOST)
    plan = cifar_plan(depth, block, width=width)
    options: dict[str, Any] = {"in_channels": in_channels, "num_classes": num_classes, "seed": seed}
    return DampedNet(plan, model=model, damping=damping, **options)
