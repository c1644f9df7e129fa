"""Two stages of training for every arm: whole nets, random paths, gates by straight-through or by rewards."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from contdepth.nets import GatedNet, Routed, hybrid_loss, random_gates
from contdepth.nets.plan import Plan as Shape
from contdepth.nets.plan import Stage
from contdepth.seeds import generator
from contdepth.studies.adaptive.skipnet.together import Together

__all__ = [
    "Loss",
    "Plan",
    "Step",
    "along",
    "build",
    "by_penalty",
    "by_rewards",
    "by_straight_through",
    "descend",
    "sampled",
    "task",
]


@dataclass(frozen=True)
class Plan:
    """``epochs`` of the two stages, pictures in a step, channels of the first stage of a net."""

    epochs: tuple[int, int] = (10, 10)
    batch: int = 64
    width: int = 8
    blocks: tuple[int, int, int] = (3, 3, 3)


Step = Callable[[Together, Tensor, list[torch.Generator]], list[Routed]]
Loss = Callable[[Routed, Tensor], Tensor]


def build(plan: Plan, seed: int, gate: str = "recurrent", blocks: tuple[int, ...] | None = None) -> GatedNet:
    """A gated net with ``blocks`` (by default the plan's) in its stages; gates begin at p = 0.7."""
    stages = zip(blocks or plan.blocks, (1, 2, 4), (1, 2, 2), strict=True)
    widths = [Stage(count, plan.width * scale, plan.width * scale, stride) for count, scale, stride in stages]
    shape = Shape("digits", "basic", plan.width, tuple(widths))
    return GatedNet(shape, gate=gate, start=0.7, in_channels=1, seed=seed)


def along(keep: Tensor) -> Step:
    """Paths that nobody learns: block k computed with probability ``keep`` (members, G), picture by picture."""

    def step(nets: Together, x: Tensor, sources: list[torch.Generator]) -> list[Routed]:
        if bool(((keep == 0) | (keep == 1)).all()):
            return nets.route(x, gates=keep.expand(len(x), *keep.shape))
        each = zip(1 - keep, sources, strict=True)
        gates = [random_gates(len(x), keep.shape[1], rate, source) for rate, source in each]
        return nets.route(x, gates=torch.stack(gates, 1))

    return step


def by_straight_through(nets: Together, x: Tensor, sources: list[torch.Generator]) -> list[Routed]:
    """Hard gates with the derivative of p."""
    return nets.route(x, "straight-through")


def sampled(nets: Together, x: Tensor, sources: list[torch.Generator]) -> list[Routed]:
    """Gates drawn."""
    return nets.route(x, "sample", sources=sources)


def task(route: Routed, y: Tensor) -> Tensor:
    """Cross-entropy alone."""
    return cross_entropy(route.logits, y)


def by_rewards(alpha: float) -> tuple[Step, Loss]:
    """The hybrid stage: the library's loss with weight 1 and its baseline."""
    return sampled, lambda route, y: hybrid_loss(route, y, alpha=alpha, rl_weight=1.0, baseline=True)


def by_penalty(alpha: float) -> tuple[Step, Loss]:
    """The same objective without rewards: what is computed costs α, and straight-through carries the slope."""
    return by_straight_through, lambda route, y: cross_entropy(route.logits, y) + alpha * route.gates.mean()


def blocks_of(rates: Sequence[float], value: Tensor) -> Tensor:
    """The rate of the member to which each row of ``value`` belongs, in a form that multiplies it."""
    each = torch.tensor(rates).repeat_interleave(len(value) // len(rates))
    return each.view(-1, *[1] * (value.ndim - 1))


def descend(
    members: Sequence[GatedNet],
    data: tuple[Tensor, Tensor],
    rates: Sequence[float],
    seeds: Sequence[int],
    epochs: int,
    batch: int,
    purpose: str,
    step: Step = by_straight_through,
    loss: Loss = task,
) -> None:
    """Train ``members`` side by side, each with the order of its seed: Adam, the rate falls to 0 as a cosine.

    ``rates``, ``seeds``: one a member; members of one seed see the same pictures in the same order.
    """
    nets = Together(members)
    parts = [value for value in nets.parameters()]
    speeds = [blocks_of(rates, p) for p in parts]
    means, squares = ([torch.zeros_like(p) for p in parts] for _ in range(2))
    sources = [generator(seed, f"{purpose}/paths") for seed in seeds]
    per_epoch = len(data[1]) // batch
    count, last = 0, epochs * per_epoch
    for epoch in range(epochs):
        orders = [torch.randperm(len(data[1]), generator=generator(s, f"{purpose}/order/{epoch}")) for s in seeds]
        for chosen in torch.stack(orders, 1)[: per_epoch * batch].split(batch):
            x, y = data[0][chosen][:, :, 0], data[1][chosen]
            routes = step(nets, x, sources)
            total = torch.stack([loss(route, y[:, i]) for i, route in enumerate(routes)]).sum()
            slopes = torch.autograd.grad(total, parts, allow_unused=True)
            count += 1
            share = (1 + math.cos(math.pi * (count - 1) / last)) / 2
            with torch.no_grad():
                for p, g, m, v, speed in zip(parts, slopes, means, squares, speeds, strict=True):
                    if g is not None:
                        m.lerp_(g, 0.1)
                        v.lerp_(g.square(), 0.001)
                        size = (v / (1 - 0.999**count)).sqrt_().add_(1e-8)
                        p.sub_(speed * share / (1 - 0.9**count) * m / size)
    nets.give_back(members)
