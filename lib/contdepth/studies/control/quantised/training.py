"""Small nets on digits, seeds side by side, and what can be seen of the roundings while they train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from contdepth.control.quantised import resolution
from contdepth.seeds import generator
from contdepth.studies.control.discrete.training import Images
from contdepth.studies.control.quantised.rules import DECAY, Clock, Rule, moves, thermal

__all__ = ["Plan", "Seen", "Trained", "logits", "train"]


@dataclass(frozen=True)
class Plan:
    """``hidden`` widths, ``epochs``, images in a ``batch``; cross-entropy, a constant rate."""

    hidden: tuple[int, ...] = (64, 64)
    epochs: int = 40
    batch: int = 32


@dataclass(frozen=True)
class Seen:
    """Of the roundings of S nets, over all steps and all weights whose step is not 0, in quanta; arrays (S,).

    ``mean`` and ``ratio``: mean of the errors, and twelve times their variance. ``lag``: correlation of the errors
    of a weight in steps that follow one another, with the mean and variance of uniform ones. ``variance``: of the
    steps of a weight over the batches of the middle epoch, its mean over weights; ``quantum`` there. ``path``
    (epochs + 1, S): how far the mean of the last layer's biases has moved; ``halves`` (epochs + 1,): half a
    quantum for each step, summed.
    """

    mean: np.ndarray
    ratio: np.ndarray
    lag: np.ndarray
    variance: np.ndarray
    quantum: float
    path: np.ndarray
    halves: np.ndarray


@dataclass(frozen=True)
class Trained:
    """``accuracy`` (S,) on the images to judge on, in per cent; ``loss`` (S,), mean over the last epoch.

    ``size`` (S,): median of |weight| over the matrices at the end.
    """

    accuracy: np.ndarray
    loss: np.ndarray
    size: np.ndarray
    seen: Seen | None = None


@dataclass
class _Watch:
    """Running sums behind ``Seen``; ``errors`` (3, S): count, sum and sum of squares."""

    errors: Tensor
    lagged: Tensor
    pairs: Tensor
    before: list[Tensor] = field(default_factory=list)
    moments: list[Tensor] = field(default_factory=list)
    path: list[Tensor] = field(default_factory=list)
    expected: float = 0.0
    halves: list[float] = field(default_factory=lambda: [0.0])


def start(sizes: Sequence[int], seeds: Sequence[int]) -> list[Tensor]:
    """Weights (S, in, out) and biases (S, 1, out) of every layer, uniform within 1/√in as PyTorch has them."""
    parts = []
    for t, (before, after) in enumerate(zip(sizes, sizes[1:], strict=False)):
        for name, shape in (("weight", (before, after)), ("bias", (1, after))):
            drawn = [torch.rand(shape, generator=generator(seed, f"{name}/{t}")) for seed in seeds]
            parts.append((2 * torch.stack(drawn) - 1) / before**0.5)
    return parts


def logits(parts: Sequence[Tensor], x: Tensor) -> Tensor:
    """(S, B, classes) of inputs (S, B, pixels)."""
    for t in range(0, len(parts), 2):
        x = torch.baddbmm(parts[t + 1], x, parts[t])
        x = x if t == len(parts) - 2 else x.relu()
    return x


def train(rule: Rule, data: Images, plan: Plan, seeds: Sequence[int], *, watch: bool = False) -> Trained:
    """A net for each of ``seeds``, all by ``rule``; starts and the order of images are the same for every rule."""
    sizes = (data.x.shape[1], *plan.hidden, 10)
    parts = [part.requires_grad_() for part in start(sizes, seeds)]
    clock = Clock(len(data.x) // plan.batch, plan.epochs)
    state: list[Tensor] = []
    noise, losses = thermal(seeds), torch.zeros(len(seeds))
    zeros = torch.zeros(len(seeds), dtype=torch.float64)
    kept = None
    if watch:
        kept = _Watch(zeros.repeat(3, 1), zeros.clone(), zeros.clone(), path=[parts[-1].detach().mean((1, 2))])
    for epoch in range(plan.epochs):
        orders = [torch.randperm(len(data.x), generator=generator(seed, f"order/{epoch}")) for seed in seeds]
        order, total = torch.stack(orders), torch.zeros(len(seeds))
        for k in range(clock.batches):
            chosen = order[:, k * plan.batch : (k + 1) * plan.batch]
            out, y = logits(parts, data.x[chosen]), data.y[chosen]
            each = cross_entropy(out.flatten(0, 1), y.flatten(), reduction="none").view(y.shape).mean(1)
            slopes = torch.autograd.grad(each.sum(), parts)
            added, exact = moves(rule, slopes, state, clock, noise)
            if kept is not None:
                _look(kept, rule, added, exact, slopes, clock)
            with torch.no_grad():
                for part, one in zip(parts, added, strict=True):
                    part += one
                    if rule.kind == "adamw":
                        part *= 1 - rule.rate * DECAY
            clock.done += 1
            total += each.detach()
        losses = total / clock.batches
        if kept is not None:
            kept.path.append(parts[-1].detach().mean((1, 2)))
            kept.halves.append(kept.expected)
    with torch.no_grad():
        guessed = logits(parts, data.test_x.expand(len(seeds), -1, -1)).argmax(2)
    right = 100 * (guessed == data.test_y).double().mean(1).numpy()
    matrices = torch.cat([part.detach().flatten(1) for part in parts[::2]], 1)
    size = matrices.abs().median(1).values.numpy()
    return Trained(right, losses.numpy(), size, _told(kept, rule, clock) if kept else None)


def _look(
    kept: _Watch, rule: Rule, added: list[Tensor], exact: list[Tensor], slopes: Sequence[Tensor], clock: Clock
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
    if int(clock.epoch) == clock.epochs // 2:
        moments = [torch.stack([s.double(), s.double().square()]) for s in slopes]
        kept.moments = [a + b for a, b in zip(kept.moments, moments, strict=True)] if kept.moments else moments


def _told(kept: _Watch, rule: Rule, clock: Clock) -> Seen:
    spread, weights = torch.zeros(kept.pairs.shape, dtype=torch.float64), 0
    for total, squares in kept.moments:
        one = squares / clock.batches - (total / clock.batches).square()
        spread += rule.rate**2 * one.flatten(1).sum(1)
        weights += one[0].numel()
    count, first, second = kept.errors
    mean = first / count
    path = torch.stack(kept.path)
    return Seen(
        mean.numpy(),
        (12 * (second / count - mean.square())).numpy(),
        (12 * kept.lagged / kept.pairs).numpy(),
        (spread / weights).numpy(),
        1 / resolution(clock.epochs / 2),
        (path - path[0]).numpy(),
        np.array(kept.halves),
    )
