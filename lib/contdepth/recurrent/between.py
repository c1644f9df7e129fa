"""What lets time pass between the rows of a series: a differential equation, each series its own time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from contdepth import checks, devices
from contdepth.schemes.adaptive.solution import solve

__all__ = ["Between"]

MOST, SLACK = 100_000, 1e-4

Jump = Callable[[Tensor, Tensor, Tensor], Tensor]
"""States ``(m, hidden)`` of some series, whose they are ``(m,)`` and at which rows ``(m,)``: the states after."""


class Between(nn.Module):
    """h' = rate(h) over gaps of time. A subclass gives ``_rate`` and ``like``, one of its parameters.

    Args:
        hidden: numbers in a state.
        step: size of an Euler step, where a gap has as many equal ones as it needs (by a share of 1e-4 they may be
            longer); None solves to the tolerances, each member by steps of its own.
        rtol: relative tolerance.
        atol: absolute one.
        longest: what ``step`` may be at most, if anything.
        hint: why.
    """

    def __init__(
        self,
        hidden: int,
        step: float | None,
        rtol: float,
        atol: float,
        *,
        longest: int | None = None,
        hint: str = "",
    ) -> None:
        super().__init__()
        self.hidden = checks.integer("hidden", hidden, at_least=1)
        self.step = None if step is None else checks.real("step", step, above=0, at_most=longest, hint=hint)
        self.longest = longest
        self.rtol, self.atol = checks.real("rtol", rtol, at_least=0), checks.real("atol", atol, above=0)

    @property
    @abstractmethod
    def like(self) -> Tensor:
        """A parameter: of which dtype the states are, and where."""

    @abstractmethod
    def _rate(self, h: Tensor) -> Tensor:
        """Return h' at ``h``, unchecked."""

    def rate(self, h: Tensor) -> Tensor:
        """Return h' ``(..., hidden)`` at ``h`` ``(..., hidden)``."""
        checks.same_shape("h", checks.reals("h", h, like=self.like), (*h.shape[:-1], self.hidden))
        devices.common(weights=self.like, h=h)
        return self._rate(h)

    def forward(self, h: Tensor, gaps: Tensor) -> Tensor:
        """Return the states ``(n, hidden)`` a time ``gaps`` ``(n,)`` >= 0 after ``h`` ``(n, hidden)``."""
        checks.same_shape("h", checks.reals("h", h, ndim=2, like=self.like), (len(h), self.hidden))
        checks.same_shape("gaps", checks.reals("gaps", gaps, like=self.like), (len(h),))
        devices.common(weights=self.like, h=h, gaps=gaps)
        if len(gaps) == 0:
            return h
        least, most = (float(one) for one in checks.finite("gaps", gaps.detach()).aminmax())
        if least < 0:
            checks.fail("gaps", "times >= 0", least)
        if most == 0:
            return h
        return self._solved(h, gaps) if self.step is None else self._by_euler(h, gaps, self.step)

    def along(self, h: Tensor, gaps: Tensor, jump: Jump) -> Tensor:
        """Return the states after each row ``(n, T, hidden)``: gaps ``(n, T)`` pass, at each row is a jump.

        Euler steps of a series go on while others jump: as many rounds as the longest series has steps. Solved to
        tolerances all wait at each row.
        """
        every = torch.arange(len(h), device=h.device)
        if self.step is None:
            found = []
            for n, gap in enumerate(gaps.unbind(1)):
                h = jump(self(h, gap), every, torch.full_like(every, n))
                found.append(h)
            return torch.stack(found, dim=1)
        states, where = list[Tensor](), list[Tensor]()
        for size, who, k in self._rounds(gaps, self.step):
            h = h if size is None else h + size * self._rate(h)
            if len(who):
                after = jump(h if len(who) == len(h) else h[who], who, k)
                h = after if len(who) == len(h) else h.index_copy(0, who, after)
                states.append(after)
                where.append(who * gaps.shape[1] + k)
        order = torch.cat(where).argsort()
        return torch.cat(states)[order].reshape(*gaps.shape, self.hidden)

    def _rounds(self, gaps: Tensor, step: float) -> Iterator[tuple[Tensor | None, Tensor, Tensor]]:
        """Yield sizes of Euler steps ``(n, 1)``, None where all are 0, and which series is then at which row.

        Series that are done take steps of size 0.
        """
        counts, sizes = self._steps(gaps, step)
        ends = counts.long().cumsum(1)
        rounds = int(ends[:, -1].max())
        if rounds > MOST:
            checks.fail("gaps", f"at most {MOST:,} steps of {step} in a series", f"{rounds:,}")
        checks.affordable("gaps", len(gaps), rounds, hint="take longer steps")
        row = torch.searchsorted(ends, torch.arange(rounds, device=gaps.device).repeat(len(gaps), 1), right=True)
        padded = torch.cat([sizes, torch.zeros_like(sizes[:, :1])], dim=1)
        table = padded.gather(1, row)
        order, rows = ends.reshape(-1).argsort(stable=True), gaps.shape[1]
        moved = (table != 0).any(0).tolist()
        parts = (ends.reshape(-1) - 1).bincount(minlength=rounds).tolist()
        pairs = zip((order // rows).split(parts), (order % rows).split(parts), strict=True)
        for j, (who, k) in enumerate(pairs):
            yield table[:, j, None] if moved[j] else None, who, k

    def _steps(self, gaps: Tensor, step: float) -> tuple[Tensor, Tensor]:
        """Return how many equal steps each gap takes, and their size.

        A gap that rounding makes a little longer than a number of steps takes that number.
        """
        counts = (gaps.detach() / step - SLACK).ceil().clamp_min(1)
        if not float(counts.max()) <= MOST:
            checks.fail("gaps", f"at most {MOST:,} steps of {step}", f"{float(counts.max()):g}")
        size = gaps / counts
        return counts, size if self.longest is None else size.clamp_max(self.longest)

    def _by_euler(self, h: Tensor, gaps: Tensor, step: float) -> Tensor:
        """Equal steps, their number each member's own: no batch changes a member."""
        counts, sizes = self._steps(gaps, step)
        for k in range(int(counts.max())):
            h = torch.where((k < counts)[:, None], h + sizes[:, None] * self._rate(h), h)
        return h

    def _solved(self, h: Tensor, gaps: Tensor) -> Tensor:
        """All members from 0 to 1 in their own unit of time, ``gaps``."""
        t = torch.tensor([0.0, 1.0], dtype=h.dtype, device=h.device)

        def field(_: Tensor, u: Tensor) -> Tensor:
            return gaps[:, None] * self._rate(u)

        found = solve(field, h, t, rtol=self.rtol, atol=self.atol, steps="own", most=10_000)
        return found.u[-1]
