"""Training of members side by side, each with a decay of its own, on clean pictures or against an attack."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from contdepth.data import load
from contdepth.robust import Threat
from contdepth.seeds import generator
from contdepth.studies.control.implicit.nets import Net, Sizes, Ways

__all__ = ["Plan", "Split", "split", "train"]


@dataclass(frozen=True)
class Split:
    """Pictures ``x`` (N, 1, 8, 8) in [0, 1], float64, with labels; those to learn from and those to judge on."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor


def split(*, held_out: bool = False, limit: int | None = None) -> Split:
    """scikit-learn's digits. ``held_out``: every fifth picture of the learning part is judged on instead.

    ``limit``: the first so many of either part.
    """
    (x, y), (test_x, test_y) = load("digits", "train", limit), load("digits", "test", limit)
    x, test_x = x.double() / 16, test_x.double() / 16
    if held_out:
        chosen = torch.arange(len(x)) % 5 == 4
        return Split(x[~chosen], y[~chosen], x[chosen], y[chosen])
    return Split(x, y, test_x, test_y)


@dataclass(frozen=True)
class Plan:
    """``epochs`` of Adam in batches; the ``rate`` falls along a cosine to nothing.

    ``attack_steps`` above 0: every batch is first moved by so many PGD steps of 2.5ε/steps, ε = ``epsilon``.
    """

    epochs: int = 20
    batch: int = 64
    rate: float = 5e-3
    attack_steps: int = 0
    epsilon: float = 0.1
    sizes: Sizes = Sizes()


def train(ways: Ways, data: Split, plan: Plan, seeds: Sequence[int], decays: Sequence[float]) -> Net:
    """A net for each seed, member by member; ``decays``: of the matrices, by rate·decay a step, one a member.

    A member's draws hang on its seed alone. Pictures that fill no batch are left out of an epoch.
    """
    net = Net(ways, seeds, plan.sizes)
    optimiser = torch.optim.Adam(net.parameters(), lr=plan.rate)
    pixels, y = data.x.flatten(1), data.y
    a_batch = len(pixels) // plan.batch
    decay, done = torch.tensor(decays, dtype=torch.float64)[:, None, None], 0
    threat = Threat(plan.epsilon)
    for epoch in range(plan.epochs):
        orders = [torch.randperm(len(pixels), generator=generator(s, f"order/{epoch}")) for s in seeds]
        order = torch.stack(orders)
        for k in range(a_batch):
            rate = 0.5 * plan.rate * (1 + math.cos(math.pi * done / (plan.epochs * a_batch)))
            chosen = order[:, k * plan.batch : (k + 1) * plan.batch]
            x, labels = pixels[chosen], y[chosen]
            if plan.attack_steps:
                starts = torch.stack(
                    [threat.start(one, generator(s, f"start/{done}")) for one, s in zip(x, seeds, strict=True)]
                )
                x = x + moved(net, x, labels, threat, plan.attack_steps, starts)
            optimiser.param_groups[0]["lr"] = rate
            optimiser.zero_grad()
            member_losses(net, x, labels).backward()
            optimiser.step()
            with torch.no_grad():
                for part in net.matrices():
                    part.mul_(1 - rate * decay)
            done += 1
    return net


def member_losses(net: Net, x: Tensor, y: Tensor) -> Tensor:
    """Sum over members of their mean cross-entropies."""
    return cross_entropy(net(x).flatten(0, 1), y.flatten(), reduction="sum") / y.shape[1]


def moved(net: Net, x: Tensor, y: Tensor, threat: Threat, steps: int, delta: Tensor) -> Tensor:
    """δ after PGD steps from ``delta``, all (members, batch, pixels)."""
    for _ in range(steps):
        here = delta.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(member_losses(net, x + here, y), here)
        delta = threat.ascend(delta, x, gradient, 2.5 * threat.radius / steps)
    return delta.detach()
