"""How many loops of the unit a training patch gets: by level, always the same, or drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from contdepth import checks

__all__ = ["LoopSchedule", "unroll"]


@dataclass(frozen=True)
class LoopSchedule:
    """Loops N for each level of degradation, or drawn uniformly.

    ``loops``: one number for each training level. All equal is the paper's *naive* schedule (its count is 8),
    growing with the level its *refined* one (fixed by hand; its numbers are not known). ``random_up_to`` > 0:
    N uniform in 1…``random_up_to`` for every patch instead, as recurrent denoisers without a policy are trained.

    Raises:
        TypeError, ValueError: no loops, or a number below one.
    """

    loops: tuple[int, ...]
    random_up_to: int = 0

    def __post_init__(self) -> None:
        checks.instance("loops", self.loops, tuple)
        if not self.loops:
            checks.fail("loops", "at least one number of loops", "none")
        for n in self.loops:
            checks.integer("loops", n, at_least=1)
        checks.integer("random_up_to", self.random_up_to, at_least=0)

    @property
    def mean(self) -> float:
        """Expected loops a patch: what one patch costs in evaluations of the unit."""
        return (1 + self.random_up_to) / 2 if self.random_up_to else sum(self.loops) / len(self.loops)

    def draw(self, level_index: Tensor, source: Generator) -> Tensor:
        """Loops ``(n,)`` of patches whose levels have the positions ``level_index`` ``(n,)``, on its device."""
        if checks.tensor("level_index", level_index).dtype != torch.int64:
            raise TypeError(f"level_index: expected dtype torch.int64, found {level_index.dtype}")
        checks.instance("source", source, Generator, "contdepth.seeds.generator makes one")
        if self.random_up_to:
            drawn = torch.randint(
                1, self.random_up_to + 1, level_index.shape, generator=source, device=source.device
            )
            return drawn.to(level_index.device)
        checks.indices("level_index", level_index, len(self.loops))
        return torch.tensor(self.loops, device=level_index.device)[level_index]


def unroll(step: Callable[[Tensor, Tensor], Tensor], y: Tensor, loops: Sequence[int] | Tensor) -> Tensor:
    """X_N of each observation with its own N, in the order of ``y``.

    ``step(x, y)``: the next iterate; ``y``: ``(n, 1, h, w)``; ``loops``: n integers >= 1. Patches that have
    finished leave the batch, so the cost is the sum of the loops.

    Raises:
        ValueError: another number of loops than of observations, or one below one.
    """
    loops = torch.as_tensor(loops)
    if loops.shape != (len(y),) or len(y) == 0 or int(loops.min()) < 1:
        checks.fail("loops", f"{len(y)} integers >= 1, one for each observation", loops.tolist())
    order = loops.argsort(descending=True, stable=True)
    x, y, left = y[order], y[order], loops[order]
    done = []
    for n in range(1, int(left[0]) + 1):
        x = step(x, y)
        going = int((left > n).sum())
        done.append(x[going:])
        x, y, left = x[:going], y[:going], left[:going]
    return torch.cat(done[::-1])[order.argsort()]
