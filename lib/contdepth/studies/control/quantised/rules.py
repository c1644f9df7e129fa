"""How the weights of many nets move: SGD, AdamW or Langevin's noise, with or without quantum and unit step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.func import vmap

from contdepth.control.quantised import quantise, quantised_update, resolution
from contdepth.seeds import generator

__all__ = ["ADAMW", "LANGEVIN", "SGD", "Clock", "Rule", "moves"]

BETAS, EPSILON, DECAY = (0.9, 0.999), 1e-6, 0.01
"""As in the authors' AdamW."""


@dataclass
class Clock:
    """Steps ``done``, ``batches`` in an epoch, ``epochs`` in all."""

    batches: int
    epochs: int
    done: int = 0

    @property
    def epoch(self) -> float:
        """Epochs that are done, with their fraction."""
        return self.done / self.batches

    @property
    def share(self) -> float:
        """Of the training that is done, 0 to 1."""
        return self.epoch / self.epochs


@dataclass(frozen=True)
class Rule:
    """``kind`` of the step, ``"sgd"`` or ``"adamw"``; its rate; what is done to it.

    ``unit``: the transient unit-norm step is added. ``rounding``: that of ``quantised_update``. ``temperature``:
    of Gaussian noise that is added, 0 for none. ``momentum``: of SGD. ``cosine``: the rate falls like
    ½(1 + cos πs) over the training, s from 0 to 1.
    """

    kind: str = "sgd"
    rate: float = 0.1
    unit: bool = False
    rounding: str = "none"
    temperature: float = 0.0
    momentum: float = 0.0
    cosine: bool = False

    def now(self, clock: Clock) -> float:
        """The rate of the step that comes."""
        return self.rate * (0.5 + 0.5 * math.cos(math.pi * clock.share) if self.cosine else 1.0)


SGD, ADAMW, LANGEVIN = Rule(), Rule("adamw", 1e-3), Rule(temperature=1e-5)


def moves(
    rule: Rule, slopes: Sequence[Tensor], state: list[Tensor], clock: Clock, noise: Sequence[torch.Generator]
) -> tuple[list[Tensor], list[Tensor]]:
    """What to add to each tensor (S, …) of S nets, and what it was before it was rounded.

    ``slopes``: gradients of the losses. ``state``: running means, two for each tensor, changed in place; empty at
    first. ``noise``: a generator for each net. The decay of AdamW is not part of it.
    """
    n, rate = clock.done + 1, rule.now(clock)
    epoch = clock.epoch
    if not state and (rule.kind == "adamw" or rule.momentum > 0):
        state += [torch.zeros_like(one) for one in slopes for _ in range(2)]
    if rule.kind == "adamw":
        rate *= math.sqrt(1 - BETAS[1] ** n) / (1 - BETAS[0] ** n)
        epoch = n / clock.batches
    whole = vmap(
        partial(quantised_update, lr=rate, epoch=epoch, epochs=clock.epochs, rounding="none", transient=rule.unit)
    )
    exact = []
    for k, slope in enumerate(slopes):
        step = -rate * slope
        if rule.kind == "adamw":
            mean, square = state[2 * k : 2 * k + 2]
            mean.lerp_(slope, 1 - BETAS[0])
            square.lerp_(slope.square(), 1 - BETAS[1])
            step = -rate * mean / (square.sqrt() + EPSILON)
        elif rule.momentum > 0:
            step = -rate * state[2 * k].mul_(rule.momentum).add_(slope)
        if rule.temperature > 0:
            size = math.sqrt(2 * rate * rule.temperature)
            step = step + size * torch.stack([torch.randn(slope.shape[1:], generator=one) for one in noise]).to(
                slope
            )
        exact.append(whole(step))
    return [quantise(one, resolution(epoch), rule.rounding) for one in exact], exact


def thermal(seeds: Sequence[int]) -> list[torch.Generator]:
    """A stream of noise for each net."""
    return [generator(seed, "thermal") for seed in seeds]
