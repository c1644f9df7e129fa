"""What can be seen of the roundings while nets train, seeds side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from contdepth.control.quantised import resolution
from contdepth.studies.control.quantised.rules import Clock, Rule

__all__ = ["Seen", "Watch", "look", "told"]


@dataclass(frozen=True)
class Seen:
    """Of the roundings of S nets, over all steps and all weights whose step is not 0, in quanta; arrays (S,).

    ``mean`` and ``ratio``: mean of the errors, and twelve times their variance. ``lag``: correlation of the errors
    of a weight in steps that follow one another, with the mean and variance of uniform ones. ``below``: share of
    the steps of the last epoch that are smaller than a quantum. ``variance`` (2, S): of the steps down the slope
    of a weight over the batches of the middle and the last epoch, their mean over weights; ``quantum`` (2,) there.
    ``path`` (epochs + 1, S): how far the mean of the last layer's biases has moved; ``halves`` (epochs + 1,): half
    a quantum for each step, summed.
    """

    mean: np.ndarray
    ratio: np.ndarray
    lag: np.ndarray
    below: np.ndarray
    variance: np.ndarray
    quantum: np.ndarray
    path: np.ndarray
    halves: np.ndarray


@dataclass
class Watch:
    """Running sums behind ``Seen``.

    ``errors`` (3, S): count, sum and sum of squares; ``small`` (2, S): count and steps below a quantum, of the
    last epoch; ``moments``: epoch → for every tensor the sums of slopes and of their squares.
    """

    errors: Tensor
    lagged: Tensor
    pairs: Tensor
    small: Tensor
    before: list[Tensor] = field(default_factory=list)
    moments: dict[int, list[Tensor]] = field(default_factory=dict)
    path: list[Tensor] = field(default_factory=list)
    expected: float = 0.0
    halves: list[float] = field(default_factory=lambda: [0.0])


def look(
    kept: Watch, rule: Rule, added: list[Tensor], exact: list[Tensor], slopes: Sequence[Tensor], clock: Clock
) -> None:
    """Add a step to the sums; its time is that of SGD's rule."""
    q = resolution(clock.epoch)
    kept.expected += 0.5 / q if rule.rounding == "down" else 0.0
    middle = 0.5 if rule.rounding == "down" else 0.0
    now = []
    for one, whole in zip(added, exact, strict=True):
        error, used = (one - whole).double() * q, whole != 0
        kept.errors += torch.stack(
            [f.flatten(1).sum(1) for f in (used.double(), error * used, error.square() * used)]
        )
        now.append((error + middle) * used)
    for one, old in zip(now, kept.before, strict=False):
        kept.lagged += (one * old).flatten(1).sum(1)
        kept.pairs += ((one != 0) & (old != 0)).double().flatten(1).sum(1)
    kept.before = now
    epoch = clock.done // clock.batches
    if epoch in (clock.epochs // 2, clock.epochs - 1):
        moments = [torch.stack([s.double(), s.double().square()]) for s in slopes]
        sums = kept.moments.setdefault(epoch, [torch.zeros_like(one) for one in moments])
        for total, one in zip(sums, moments, strict=True):
            total += one
    if epoch == clock.epochs - 1:
        for whole in exact:
            sizes = (whole.double().abs() * q).flatten(1)
            kept.small += torch.stack([(sizes > 0).double().sum(1), ((sizes > 0) & (sizes < 1)).double().sum(1)])


def told(kept: Watch, rule: Rule, clock: Clock) -> Seen:
    variance, quantum = [], []
    for epoch in (clock.epochs // 2, clock.epochs - 1):
        spread, weights = torch.zeros(kept.pairs.shape, dtype=torch.float64), 0
        for total, squares in kept.moments[epoch]:
            one = squares / clock.batches - (total / clock.batches).square()
            spread += rule.rate**2 * one.flatten(1).sum(1)
            weights += one[0].numel()
        variance.append((spread / weights).numpy())
        quantum.append(1 / resolution(epoch))
    count, first, second = kept.errors
    mean = first / count
    path = torch.stack(kept.path)
    return Seen(
        mean.numpy(),
        (12 * (second / count - mean.square())).numpy(),
        (12 * kept.lagged / kept.pairs).numpy(),
        (kept.small[1] / kept.small[0]).numpy(),
        np.array(variance),
        np.array(quantum),
        (path - path[0]).double().numpy(),
        np.array(kept.halves),
    )
