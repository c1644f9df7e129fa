"""A recurrent network whose state moves between the rows of a series."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.recurrent.between import Between
from contdepth.recurrent.layers import GatedCell, Perceptron
from contdepth.recurrent.sequence import Cell
from contdepth.recurrent.series import Series

__all__ = ["ODERNN", "begun"]


class _Moving(Between):
    """h' = net(h), a net with one hidden layer."""

    def __init__(
        self, hidden: int, width: int, step: float | None, rtol: float, atol: float, source: torch.Generator | None
    ) -> None:
        super().__init__(hidden, step, rtol, atol)
        self.net = Perceptron(hidden, width, hidden, generator=source)

    @property
    def like(self) -> Tensor:
        return next(self.parameters())

    def _rate(self, h: Tensor) -> Tensor:
        moved: Tensor = self.net(h)
        return moved


class ODERNN(Cell):
    """h' = f(h) between rows, a gated recurrent unit at each (Rubanova et al., NeurIPS 2019).

    f is a net with one hidden layer of tanh. The unit is given a row's numbers, 0 where one is missing, and beside
    them which were observed, as 0 or 1. A row in which all is missing lets time pass and changes nothing else.
    Steps are each series' own, and none waits for another at its rows. The authors' code takes Euler steps between
    the rows of a whole batch, and its states hold standard deviations beside means; here a state is one vector.

    Args:
        inputs: numbers in a row, d.
        hidden: numbers in a state.
        width: units of f's hidden layer.
        step: None solves to the tolerances; a number is the size of an Euler step in the unit of time, where a
            gap has as many equal ones as it needs.
        rtol: relative tolerance.
        atol: absolute one.
        generator: draws the parameters, where it draws; None: the global one of the CPU.

    Raises:
        TypeError, ValueError: a wrong argument; series or states that do not fit; more than 100,000 Euler steps.
        IntegrationError: the tolerances cannot be kept within 10,000 steps.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        *,
        width: int = 32,
        step: float | None = None,
        rtol: float = 1e-3,
        atol: float = 1e-4,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(inputs, hidden)
        width = checks.integer("width", width, at_least=1)
        self.between = _Moving(self.hidden, width, step, rtol, atol, generator)
        self.jump = GatedCell(2 * self.inputs, self.hidden, generator=generator)

    def forward(self, series: Series, h: Tensor | None = None) -> Tensor:
        """Return the states after each row, ``(n, T, hidden)``, from ``h`` at the first row's time, 0 if None."""
        values = checks.instance("series", series, Series, "make one with from_nan or padded").values
        state = self.start(len(values)) if h is None else h
        self.fitting(values[:, 0], state)
        gaps = series.times.diff(dim=1, prepend=series.times[:, :1])
        return self._along(series.values, series.mask, gaps, state)

    def backwards(self, series: Series, start: Tensor | None = None) -> Tensor:
        """Return the states ``(n, hidden)`` at ``start``, after running from the last observed row to the first.

        It begins with the state 0 at the last row that holds an observed number: rows behind it change nothing.

        Args:
            series: the rows.
            start: where each series ends, times ``(n,)`` no later than its first row; None: at that row.
        """
        values = checks.instance("series", series, Series, "make one with from_nan or padded").values
        self.fitting(values[:, 0], self.start(len(values)))
        gaps = begun(series, start)
        times = torch.cat([gaps.new_zeros(len(gaps), 1), gaps.flip(1)], dim=1)
        nothing = torch.zeros_like(values[:, :1])
        rows = torch.cat([values.flip(1), nothing], dim=1)
        mask = torch.cat([series.mask.flip(1), nothing.bool()], dim=1)
        return self._along(rows, mask, times, self.start(len(values)))[:, -1]

    def _along(self, values: Tensor, mask: Tensor, gaps: Tensor, h: Tensor) -> Tensor:
        told, seen = torch.cat([values, mask.to(values.dtype)], dim=-1), mask.any(-1)

        def jump(before: Tensor, who: Tensor, k: Tensor) -> tuple[Tensor]:
            return (torch.where(seen[who, k, None], self.jump(told[who, k], before), before),)

        return self.between.along(h, gaps, jump)[0]


def begun(series: Series, start: Tensor | None) -> Tensor:
    """Return the time from each row back to the one before, or to ``start`` ``(n,)``: ``(n, T)``.

    0 behind the last row that holds an observed number. ``ValueError`` where a series begins before its start.
    """
    times = series.times
    if start is None:
        start = times[:, 0]
    checks.same_shape("start", checks.reals("start", start, like=times), (len(times),), "a time for each series")
    devices.common(series=times, start=start)
    checks.finite("start", start)
    late = (start > times[:, 0]).nonzero()
    if len(late):
        i = int(late[0])
        checks.fail("start", f"a time <= {times[i, 0].item()}, the first of series {i}", start[i].item())
    gaps = times.diff(dim=1, prepend=start[:, None])
    rows = torch.arange(times.shape[1], device=times.device)
    return torch.where(rows < series.lengths[:, None], gaps, 0)
