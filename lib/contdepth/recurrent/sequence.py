"""A cell along the rows of a series, and what all cells check and draw."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from contdepth import checks, devices
from contdepth.recurrent.series import Series

__all__ = ["Cell", "Recurrence"]


class Cell(nn.Module):
    """A map from a row ``x`` ``(n, inputs)`` and a state ``h`` ``(n, hidden)`` to the next state.

    A subclass draws its parameters and gives ``forward(x, h)``.

    Args:
        inputs: numbers in a row.
        hidden: numbers in a state.

    Raises:
        TypeError, ValueError: not whole numbers of at least 1.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.inputs = checks.integer("inputs", inputs, at_least=1)
        self.hidden = checks.integer("hidden", hidden, at_least=1)
        checks.affordable("hidden", 3, self.hidden, self.hidden)
        checks.affordable("inputs", 3, self.inputs, self.hidden)

    def start(self, count: int) -> Tensor:
        """Return the state 0 of ``count`` series, ``(count, hidden)``."""
        checks.affordable("count", checks.integer("count", count, at_least=1), self.hidden)
        return self.like.new_zeros(count, self.hidden)

    @property
    def like(self) -> Tensor:
        """A parameter: of which dtype the states are, and where."""
        return next(self.parameters())

    def fitting(self, x: Tensor, h: Tensor) -> None:
        """Raise ``TypeError`` or ``ValueError`` unless ``x`` and ``h`` are a row and a state of this cell."""
        checks.reals("x", x, ndim=2, like=self.like)
        checks.same_shape("x", x, (x.shape[0], self.inputs))
        checks.same_shape("h", checks.reals("h", h, like=self.like), (x.shape[0], self.hidden))
        devices.common(weights=self.like, x=x, h=h)


class Recurrence(nn.Module):
    """A cell along series: h_k = cell(x_k, h_{k-1}), a step a row; the times of the rows are not looked at.

    A missing number enters as 0, its mean where data are centred. Where a whole row is missing the state stays,
    so that a padded series ends in the state that it has alone. Both are choices of this
    library.

    Args:
        cell: an ``AntisymmetricCell``, an ``EquilibriumCell`` or another ``Cell``.

    Raises:
        TypeError: ``cell`` is none.
    """

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = checks.instance("cell", cell, Cell)

    def forward(self, series: Series, h: Tensor | None = None) -> Tensor:
        """Return the states after each row, ``(n, T, hidden)``, from ``h`` ``(n, hidden)``, 0 if None."""
        values = checks.instance("series", series, Series, "make one with from_nan or padded").values
        state = self.cell.start(len(values)) if h is None else h
        self.cell.fitting(values[:, 0], state)
        found = []
        for x, seen in zip(values.unbind(1), series.seen.unbind(1), strict=True):
            state = torch.where(seen[:, None], self.cell(x, state), state)
            found.append(state)
        return torch.stack(found, dim=1)


def normal(generator: torch.Generator | None, spread: float, *shape: int) -> nn.Parameter:
    """A parameter of independent N(0, ``spread``²), drawn where ``generator`` draws."""
    where = devices.drawn_on(generator)
    return nn.Parameter(spread * torch.randn(*shape, generator=generator, device=where))


def uniform(generator: torch.Generator | None, bound: float, *shape: int) -> nn.Parameter:
    """A parameter of independent numbers between ±``bound``, drawn where ``generator`` draws."""
    where = devices.drawn_on(generator)
    return nn.Parameter(bound * (2 * torch.rand(*shape, generator=generator, device=where) - 1))


def zeros(generator: torch.Generator | None, *shape: int) -> nn.Parameter:
    """A parameter of zeros, where ``generator`` draws."""
    return nn.Parameter(torch.zeros(*shape, device=devices.drawn_on(generator)))
