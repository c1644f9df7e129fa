"""A path of Brownian motion that is kept nowhere: every value follows from a seed, whenever it is asked for.

W is 0 at the start; at the end it is a normal number of variance t1 - t0. Between two known times it is a Brownian
bridge: half way its mean is that of both values, its variance a quarter of the time between. Halving leads to any
time, and the number that a half needs is drawn from a seed that belongs to that half alone (Li et al. 2020, arXiv
2001.01328, section 4: the virtual Brownian tree). So a value depends neither on what else was asked nor on when.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.seeds import generator

__all__ = ["BrownianTree"]

ROUNDING = 2**-12
"""Times this near to a node, in parts of the smallest interval, are the node's: t = 0.1 k is seldom exact."""


@dataclass(frozen=True)
class _Part:
    """An interval by its ends among the 2^levels smallest, with W at both and, once drawn, half way."""

    low: int
    high: int
    at_low: Tensor
    at_high: Tensor
    middle: Tensor | None = None


@dataclass(frozen=True)
class BrownianTree:
    """W(t) for t0 <= t <= t1, as many independent motions as ``size`` has entries.

    A value costs at most ``levels`` draws, and one or two where times are asked one after the other: the halves of
    the last one are kept, at most ``levels`` of them, and nothing else. Departure from the paper, which returns a
    node close by: within the smallest intervals, of (t1 - t0) / 2^levels, the path is a straight line.

    Args:
        size: shape of a value, such as that of the state, or ``(..., 1)`` for a motion that its numbers share.
        t0: time of the start.
        t1: time of the end, later.
        seed: which path; the same seed and size give the same path, whatever ``levels``.
        levels: how often the interval is halved at most, 1 to 40.
        dtype: float32 or float64.
        device: where the numbers are drawn and lie. Those of the CPU are the same for every machine.

    Raises:
        TypeError, ValueError: a wrong argument, or a time outside of the interval.
    """

    size: tuple[int, ...]
    t0: float = 0.0
    t1: float = 1.0
    seed: int = 0
    levels: int = 24
    dtype: torch.dtype = torch.float64
    device: str | torch.device = "cpu"

    def __post_init__(self) -> None:
        sizes = checks.several("size", self.size, "such as (400, 1)")
        object.__setattr__(self, "size", tuple(checks.integer("size", one, at_least=0) for one in sizes))
        checks.affordable("size", *self.size)
        for name in ("t0", "t1"):
            object.__setattr__(self, name, checks.real(name, getattr(self, name)))
        checks.real("t1", self.t1, above=self.t0, hint="a path begins at t0 and ends later")
        checks.real("t1 - t0", self.t1 - self.t0)
        checks.integer("seed", self.seed, at_least=0)
        checks.integer("levels", self.levels, at_least=1, at_most=40)
        checks.one_of("dtype", self.dtype, (torch.float32, torch.float64))
        devices.named("device", self.device)

    @cached_property
    def _trail(self) -> list[_Part]:
        """The intervals from the whole one to that of the last question."""
        return []

    def __call__(self, t: float | Tensor) -> Tensor:
        """Return W(t), of the shape ``size``; a new tensor each time."""
        if isinstance(t, Tensor) and t.numel() == 1 and not t.is_complex():
            t = t.item()
        time = checks.real("t", t, at_least=self.t0, at_most=self.t1, hint="the tree's interval holds all times")
        place = (time - self.t0) / (self.t1 - self.t0) * 2**self.levels
        below = round(place) if abs(place - round(place)) <= ROUNDING else math.floor(place)
        with torch.no_grad(), torch._C._DisableFuncTorch():  # a path is what it is, whatever asks
            if place - below <= ROUNDING:
                return self._node(below).clone()
            return torch.lerp(self._node(below), self._node(below + 1), place - below)

    def _node(self, k: int) -> Tensor:
        """Return W at t0 + k (t1 - t0) / 2^levels, by halving from where the last path of halves leaves it."""
        trail = [part for part in self._trail if part.low <= k <= part.high] or [self._whole()]
        part = trail.pop()
        while part.low < k < part.high:
            middle, w = (part.low + part.high) // 2, self._between(part) if part.middle is None else part.middle
            trail.append(_Part(part.low, part.high, part.at_low, part.at_high, w))
            if k <= middle:
                part = _Part(part.low, middle, part.at_low, w)
            else:
                part = _Part(middle, part.high, w, part.at_high)
        self._trail[:] = [*trail, part]
        return part.at_low if k == part.low else part.at_high

    def _whole(self) -> _Part:
        """Return the whole interval, whose end is drawn."""
        end = math.sqrt(self.t1 - self.t0) * self._drawn("end")
        return _Part(0, 2**self.levels, torch.zeros_like(end), end)

    def _between(self, part: _Part) -> Tensor:
        """Return W half way through an interval, a bridge between its ends."""
        share = (part.high - part.low) / 2**self.levels  # a power of 2: it names the level
        noise = self._drawn(f"{round(1 / share)}/{part.low // (part.high - part.low)}")
        return torch.lerp(part.at_low, part.at_high, 0.5) + math.sqrt(share * (self.t1 - self.t0) / 4) * noise

    def _drawn(self, node: str) -> Tensor:
        """Return the normal numbers of a node."""
        source = generator(self.seed, f"brownian/{node}", self.device)
        return torch.randn(self.size, generator=source, dtype=self.dtype, device=source.device)
