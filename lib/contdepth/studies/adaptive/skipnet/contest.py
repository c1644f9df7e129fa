"""The arms of the contest: SkipNet's two stages, and what has as many pictures, rates and epochs without gates."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contdepth.nets import GatedNet, path_cost
from contdepth.studies.adaptive.skipnet.judging import Seen, by_chance, under
from contdepth.studies.adaptive.skipnet.pictures import Pictures
from contdepth.studies.adaptive.skipnet.training import (
    Loss,
    Plan,
    Step,
    along,
    build,
    by_penalty,
    by_rewards,
    by_straight_through,
    descend,
    task,
)

__all__ = ["Arm", "by_alpha", "finished", "multiply_adds", "pretrained", "without_gates"]

Paths = Callable[[int], Tensor]


@dataclass(frozen=True)
class Arm:
    """``nets`` of all seeds at the ``rate`` that the held-out pictures chose, and what they do on the others."""

    nets: list[GatedNet]
    rate: float
    seen: Seen


def multiply_adds(net: GatedNet, side: int = 8) -> int:
    """Of the whole net for one picture, without gates."""
    return path_cost(net, side).whole


def members(rates: Sequence[float], seeds: Sequence[int]) -> tuple[list[float], list[int]]:
    """Rate and seed of each of the nets side by side."""
    return [rate for rate in rates for _ in seeds], [seed for _ in rates for seed in seeds]


def pretrained(data: Pictures, plan: Plan, rates: Sequence[float], seeds: Sequence[int], gate: str) -> Arm:
    """The supervised stage, straight-through; the rate is that of the best mean on held-out pictures."""
    speeds, each = members(rates, seeds)
    nets = [build(plan, seed, gate) for seed in each]
    descend(nets, data.learn, speeds, each, plan.epochs[0], plan.batch, "skipnet/first")
    return best(nets, data, rates, seeds, multiply_adds(nets[0]))


def best(
    nets: list[GatedNet],
    data: Pictures,
    rates: Sequence[float],
    seeds: Sequence[int],
    whole: int,
    held: Callable[[int], Paths | None] = lambda count: None,
) -> Arm:
    """Of ``nets``, rate by rate, those best on held-out pictures in the mean; ``held(n)``: n paths."""
    count = len(seeds)
    groups = [nets[k * count : (k + 1) * count] for k in range(len(rates))]
    right = [under(group, data.choose, whole, held(len(data.choose[1]))).accuracy.mean() for group in groups]
    k = int(np.argmax(right))
    seen = under(groups[k], data.judge, whole, held(len(data.judge[1])))
    return Arm(groups[k], rates[k], seen)


def finished(arm: Arm, data: Pictures, plan: Plan, seeds: Sequence[int], how: tuple[Step, Loss]) -> Arm:
    """The second stage by ``how``, from copies of the supervised nets, at their rate."""
    nets = copy.deepcopy(arm.nets)
    speeds = [arm.rate] * len(nets)
    descend(nets, data.learn, speeds, seeds, plan.epochs[1], plan.batch, "skipnet/second", *how)
    return Arm(nets, arm.rate, under(nets, data.judge, multiply_adds(nets[0])))


def by_alpha(
    arm: Arm, data: Pictures, plan: Plan, seeds: Sequence[int], alphas: Sequence[float], *, rewards: bool = True
) -> dict[float, Arm]:
    """The second stage for every α, by rewards or by straight-through with the same price; α = 0: no price."""
    how = by_rewards if rewards else by_penalty
    plain: tuple[Step, Loss] = (by_straight_through, task)
    priced = {alpha: how(alpha) if alpha or rewards else plain for alpha in alphas}
    return {alpha: finished(arm, data, plan, seeds, one) for alpha, one in priced.items()}


def without_gates(
    data: Pictures,
    plan: Plan,
    rates: Sequence[float],
    seeds: Sequence[int],
    whole: int,
    *,
    blocks: tuple[int, int, int] | None = None,
    chance: Sequence[float] | None = None,
    path: Tensor | None = None,
) -> Arm:
    """Nets of both stages' epochs whose paths nobody learns, with the same rates to choose from.

    All ``blocks``; or ``path`` (seeds, G), one for each seed, for every picture; or blocks skipped with the
    probability ``chance`` of each seed, in training and in tests. ``whole``: as of ``under``.
    """
    speeds, each = members(rates, seeds)
    nets = [build(plan, seed, blocks=blocks) for seed in each]
    gates = len(nets[0].branches) - 1
    fixed = torch.ones(len(seeds), gates) if path is None else path.float()

    def held(count: int) -> Paths:
        if chance is not None:
            return by_chance(chance, count, gates, seeds)
        return lambda i: fixed[i].expand(count, gates)

    keep = fixed if chance is None else 1 - torch.tensor(chance)[:, None].expand(-1, gates)
    step = along(keep.repeat(len(rates), 1))
    for stage, epochs in zip(("first", "second"), plan.epochs, strict=True):
        descend(nets, data.learn, speeds, each, epochs, plan.batch, f"skipnet/{stage}", step)
    return best(nets, data, rates, seeds, whole, held)
