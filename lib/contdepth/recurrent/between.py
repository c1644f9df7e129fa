"""What lets time pass between the rows of a series: a differential equation, each series its own time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from contdepth import checks, devices
from contdepth.schemes.adaptive.own.jumps import pair_stage, steps_between_jumps
from contdepth.schemes.adaptive.pairs import DORMAND_PRINCE
from contdepth.schemes.adaptive.solution import solve

__all__ = ["Between"]

MOST, ROUNDS, SLACK = 100_000, 10_000, 1e-4

Jump = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]]
"""States ``(m, hidden)`` of some series, whose they are ``(m,)`` and at which rows ``(m,)``.

Returned are the states after, and what else is wanted of the rows.
"""


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

    def along(self, h: Tensor, gaps: Tensor, jump: Jump) -> list[Tensor]:
        """Return what ``jump`` returns at each row, ``(n, T, …)`` each: gaps ``(n, T)`` pass, a jump ends each.

        None waits for another: there are as many rounds as the series with most steps has. Solved to tolerances,
        steps are chosen without a graph, and taken again with it. For classes of this room: nothing is checked.
        """
        found, where = list[tuple[Tensor, ...]](), list[Tensor]()
        for size, who, k in self._rounds(*self._plan(h, gaps, jump)):
            if size is not None:
                h = self._moved(h, size)
            if len(who):
                parts = jump(h if len(who) == len(h) else h[who], who, k)
                h = parts[0] if len(who) == len(h) else h.index_copy(0, who, parts[0])
                found.append(parts)
                where.append(who * gaps.shape[1] + k)
        order = torch.cat(where).argsort()
        return [torch.cat(part)[order].unflatten(0, gaps.shape) for part in zip(*found, strict=True)]

    def _moved(self, h: Tensor, size: Tensor) -> Tensor:
        if self.step is None:
            return pair_stage(DORMAND_PRINCE, self._rate, h, size)
        return h + size * self._rate(h)

    def _plan(self, h: Tensor, gaps: Tensor, jump: Jump) -> tuple[Tensor, Tensor]:
        """Return how many steps each gap takes ``(n, T)``, and their sizes one behind the other ``(n, J)``."""
        checks.finite("gaps", gaps.detach())
        if self.step is None:
            return steps_between_jumps(
                self._rate,
                h.detach(),
                gaps.detach(),
                lambda *told: jump(*told)[0],
                DORMAND_PRINCE,
                rtol=self.rtol,
                atol=self.atol,
                most=ROUNDS,
            )
        counts, sizes = self._steps(gaps, self.step)
        counts = counts.long()
        rounds = int(counts.sum(1).max())
        if rounds > MOST:
            checks.fail("gaps", f"at most {MOST:,} steps of {self.step} in a series", f"{rounds:,}")
        checks.affordable("gaps", len(gaps), rounds, hint="take longer steps")
        places = torch.arange(rounds, device=gaps.device).repeat(len(gaps), 1)
        row = torch.searchsorted(counts.cumsum(1), places, right=True)
        return counts, torch.cat([sizes, torch.zeros_like(sizes[:, :1])], dim=1).gather(1, row)

    def _rounds(self, counts: Tensor, sizes: Tensor) -> Iterator[tuple[Tensor | None, Tensor, Tensor]]:
        """Yield sizes of steps ``(n, 1)``, None where all are 0, and which series is then at which row.

        Series that are done take steps of size 0.
        """
        ends, rows = counts.cumsum(1).reshape(-1), counts.shape[1]
        order, moved = ends.argsort(stable=True), (sizes.detach() != 0).any(0).tolist()
        parts = (ends - 1).bincount(minlength=len(moved)).tolist()
        whose = zip((order // rows).split(parts), (order % rows).split(parts), strict=True)
        for j, (who, k) in enumerate(whose):
            yield sizes[:, j, None] if moved[j] else None, who, k

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

        found = solve(field, h, t, rtol=self.rtol, atol=self.atol, steps="own", most=ROUNDS)
        return found.u[-1]
