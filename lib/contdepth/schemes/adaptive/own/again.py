"""The accepted steps of a batch: chosen without a graph, then taken again with it.

A rejected attempt is no part of the solution, and must be none of its graph: where it is not finite, a mask alone
gives 0 times infinity. Steps of all members are taken again side by side; one that is done takes steps of size 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from contdepth.schemes.adaptive.checkpoints import from_here
from contdepth.schemes.adaptive.explicit import ExplicitSteps
from contdepth.schemes.adaptive.own.walk import OwnWalk, Watch
from contdepth.schemes.adaptive.setting import Setting
from contdepth.schemes.gradients.held import check_named
from contdepth.schemes.gradients.pulled import all_named, apart

__all__ = ["Again", "Chosen"]


@dataclass
class Chosen:
    """A watch that keeps the sizes of accepted steps, without sign, and shows them to another ``watch``."""

    watch: Watch | None = None
    sizes: list[Tensor] = field(default_factory=list)

    def __call__(self, t: Tensor, u: Tensor, after: Tensor, step: Tensor, good: Tensor) -> Tensor | None:
        """Keep the step; return who stays."""
        self.sizes.append(torch.where(good, step, 0.0))
        return self.watch(t, u, after, step, good) if self.watch else None

    def packed(self, but_the_last_of: Tensor | None = None) -> Tensor:
        """Return the accepted steps of each member, one behind the other, then 0: ``(steps, members, 1)``.

        The last one is left out for the members named ``(members, 1)``.
        """
        sizes = torch.stack(self.sizes)
        moved = sizes > 0
        row = (moved.cumsum(0) - 1).clamp(min=0)
        packed = sizes.new_zeros(max(1, int(moved.sum(0).max())), *sizes.shape[1:])
        packed = packed.scatter_add_(0, row, sizes)
        if but_the_last_of is not None:
            last = (moved.sum(0) - 1).clamp(min=0).unsqueeze(0)
            kept = torch.where(but_the_last_of.unsqueeze(0), 0.0, packed.gather(0, last))
            packed.scatter_(0, last, kept)
        return packed


class Again:
    """Steps of given ``sizes`` ``(steps, members, 1)``, with the graph of ``setting``, as ``walk`` took them.

    ``walk`` has walked: its end and what is left at its outputs are asked.
    """

    def __init__(self, setting: Setting, walk: OwnWalk, sizes: Tensor) -> None:
        self.setting, self.walk = setting, walk
        self.steps = list(self._scheduled(sizes))

    def _scheduled(self, sizes: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Yield of each step its time and signed size, and the outputs in it: which, whose, at which share."""
        walk, rests = self.walk, self.walk.rests
        left = torch.full_like(sizes[0], abs(walk.offsets[-1]))
        goal = torch.zeros_like(left, dtype=torch.long)
        for step in sizes.unbind():
            rest = left.to(walk.end.dtype)
            t = walk.end - rest if walk.sign > 0 else walk.end + rest
            after = left - step
            if isinstance(self.setting.steps, ExplicitSteps):
                passed = (step > 0) & (rests < left) & (rests >= after) & (rests > 0)
            else:  # a step ends at every output
                there = (step > 0) & (step == left - rests[goal]) & (goal < len(rests) - 1)
                after, goal = torch.where(there, rests[goal], after), goal + there
                passed = there & (torch.arange(len(rests), device=left.device) == goal - 1)
            who, where = passed.nonzero(as_tuple=True)
            yield t, step if walk.sign > 0 else -step, where, who, (left[who, 0] - rests[where]) / step[who, 0]
            left = after

    def whole(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Return the states after the steps and those at outputs on the way, with the graph of every step."""
        return self._stretch(0, len(self.steps), u)

    def in_stretches(self, u: Tensor, held: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Return the same from checkpoints; ``held`` is what f holds and is to be differentiated."""
        count, kept, flow = len(self.steps), list[Tensor](), self.setting.flow
        check_named(flow.f, self.steps[0][0], u, held)
        stretch = math.isqrt(count - 1) + 1
        for start in range(0, count, stretch):

            def again(u: Tensor, start: int = start) -> tuple[Tensor, ...]:
                return self._stretch(start, min(count, start + stretch), u)

            u, found = apart(all_named(again, held), (u,), held)
            kept.append(found)
        check_named(flow.f, self.walk.end, u, held)
        return u, torch.cat(kept)

    def table(self, u: Tensor, found: Tensor) -> list[Tensor]:
        """Return the states at the outputs after the first, ``u`` at the last, ``found`` on the way."""
        rests = self.walk.rests
        if len(rests) == 1:
            return [u]
        where, who = (torch.cat(parts) for parts in list(zip(*self.steps, strict=True))[2:4])
        table = u.new_full((len(rests), *u.shape), torch.nan).index_put((where, who), found)
        return [*table[:-1].unbind(), u]

    def _stretch(self, start: int, stop: int, u: Tensor) -> tuple[Tensor, Tensor]:
        steps, kept = from_here(self.setting, self.steps[start][0], u), [u[:0]]
        for t, h, _, who, theta in self.steps[start:stop]:
            after, _ = steps.attempt(t, u, h.to(u.real.dtype))
            if len(who):
                inside = steps.inside_own(u, after, theta, who) if isinstance(steps, ExplicitSteps) else after[who]
                kept.append(inside)
            steps.accept()
            u = after
        return u, torch.cat(kept)
