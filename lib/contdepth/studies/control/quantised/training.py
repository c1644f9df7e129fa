"""Small nets on digits, seeds side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from contdepth.seeds import generator
from contdepth.studies.control.discrete.training import Images
from contdepth.studies.control.quantised.rules import DECAY, Clock, Rule, moves, thermal
from contdepth.studies.control.quantised.watching import Seen, Watch, look, told

__all__ = ["Plan", "Trained", "logits", "train"]


@dataclass(frozen=True)
class Plan:
    """``hidden`` widths, ``epochs``, images in a ``batch``; cross-entropy, a constant rate."""

    hidden: tuple[int, ...] = (64, 64)
    epochs: int = 40
    batch: int = 32


@dataclass(frozen=True)
class Trained:
    """``accuracy`` (S,) on the images to judge on, in per cent; ``loss`` (S,), mean over the last epoch.

    ``size`` (S,): median of |weight| over the matrices at the end.
    """

    accuracy: np.ndarray
    loss: np.ndarray
    size: np.ndarray
    seen: Seen | None = None


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


def train(
    rule: Rule,
    data: Images,
    plan: Plan,
    seeds: Sequence[int],
    *,
    watch: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Trained:
    """A net for each of ``seeds``, all by ``rule``; starts and the order of images are the same for every rule."""
    sizes = (data.x.shape[1], *plan.hidden, 10)
    x, test_x = data.x.to(dtype), data.test_x.to(dtype)
    parts = [part.to(dtype).requires_grad_() for part in start(sizes, seeds)]
    clock = Clock(len(data.x) // plan.batch, plan.epochs)
    state: list[Tensor] = []
    noise, losses = thermal(seeds), torch.zeros(len(seeds))
    zeros = torch.zeros(len(seeds), dtype=torch.float64)
    kept = None
    if watch:
        kept = Watch(
            zeros.repeat(3, 1),
            zeros.clone(),
            zeros.clone(),
            zeros.repeat(2, 1),
            path=[parts[-1].detach().mean((1, 2))],
        )
    for epoch in range(plan.epochs):
        orders = [torch.randperm(len(data.x), generator=generator(seed, f"order/{epoch}")) for seed in seeds]
        order, total = torch.stack(orders), torch.zeros(len(seeds))
        for k in range(clock.batches):
            chosen = order[:, k * plan.batch : (k + 1) * plan.batch]
            out, y = logits(parts, x[chosen]), data.y[chosen]
            each = cross_entropy(out.flatten(0, 1), y.flatten(), reduction="none").view(y.shape).mean(1)
            slopes = torch.autograd.grad(each.sum(), parts)
            added, exact = moves(rule, slopes, state, clock, noise)
            if kept is not None:
                look(kept, rule, added, exact, slopes, clock)
            with torch.no_grad():
                for part, one in zip(parts, added, strict=True):
                    part += one
                    if rule.kind == "adamw":
                        part *= 1 - rule.now(clock) * DECAY
            clock.done += 1
            total += each.detach()
        losses = total / clock.batches
        if kept is not None:
            kept.path.append(parts[-1].detach().mean((1, 2)))
            kept.halves.append(kept.expected)
    with torch.no_grad():
        guessed = logits(parts, test_x.expand(len(seeds), -1, -1)).argmax(2)
    right = 100 * (guessed == data.test_y).double().mean(1).numpy()
    matrices = torch.cat([part.detach().flatten(1) for part in parts[::2]], 1)
    size = matrices.abs().median(1).values.numpy()
    return Trained(right, losses.numpy(), size, told(kept, rule, clock) if kept else None)
