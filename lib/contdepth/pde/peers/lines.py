"""Right-hand sides by central differences on a grid: the method of lines for a symbolic equation."""

from __future__ import annotations

import math

import sympy
import torch

from contdepth import checks
from contdepth.pde.filters.moments import finite_difference
from contdepth.pde.simulate.equations import AXES, FUNCTIONS, Equation

__all__ = ["DifferenceRHS"]


class DifferenceRHS:
    """du/dt of ``equation`` on ``shape`` points with spacings ``dx``, (B, F, *shape) to the same shape.

    A derivative of order a along an axis is the central difference of accuracy ``accuracy`` (even) on the
    fewest points that give it, 2 floor((a + 1) / 2) - 1 + accuracy; mixed ones are products. ``boundary`` is
    "periodic", "replicate" (the outermost value repeated, so less accurate there) or "one-sided" (differences
    on the outermost a + ``accuracy`` points wherever the central one does not fit, as PySINDy's).
    """

    def __init__(
        self, equation: Equation, shape: tuple[int, ...], dx: tuple[float, ...], *, accuracy: int, boundary: str
    ) -> None:
        self.equation, self.shape, self.dx, self.boundary = equation, shape, dx, boundary
        rights = list(equation.truth().values())
        self._symbols = sorted({s for e in rights for s in e.free_symbols if str(s) not in AXES}, key=str)
        self._taps = []
        for symbol in self._symbols:
            name, alpha = equation.derivative(symbol)
            taps = [
                None if a == 0 else finite_difference(2 * ((a + 1) // 2) - 1 + accuracy, (a,)) / h**a
                for a, h in zip(alpha, dx, strict=True)
            ]
            for points, tap in zip(shape, taps, strict=True):
                if tap is not None and points < len(tap):
                    checks.fail("u", f"at least {len(tap)} grid points per axis for {symbol}", points)
            ends = (
                [None] * len(alpha)
                if boundary != "one-sided"
                else [
                    None if a == 0 else _border(a, accuracy, h, points)
                    for a, h, points in zip(alpha, dx, shape, strict=True)
                ]
            )
            self._taps.append((equation.fields.index(name), list(zip(taps, ends, strict=True))))
        axes = sympy.symbols(list(AXES[: len(shape)]))
        sides = [torch.arange(n, dtype=torch.float64) * h for n, h in zip(shape, dx, strict=True)]
        self._points = torch.meshgrid(*sides, indexing="ij")
        self._function = sympy.lambdify(
            [*axes, *self._symbols], [sympy.N(e) for e in rights], modules=[FUNCTIONS, "math"], cse=True
        )

    def __call__(self, u: torch.Tensor) -> torch.Tensor:
        """Time derivative of ``u`` (B, F, *shape)."""
        values = []
        for index, taps in self._taps:
            value = u[:, index]
            for axis, (tap, ends) in enumerate(taps, 1):
                value = value if tap is None else self._correlate(value, tap, axis, ends)
            values.append(value)
        results = self._function(*self._points, *values)
        return torch.stack([torch.zeros_like(u[:, 0]) + result for result in results], 1)

    def _correlate(
        self, value: torch.Tensor, tap: torch.Tensor, axis: int, ends: tuple[torch.Tensor, torch.Tensor] | None
    ) -> torch.Tensor:
        half, points = len(tap) // 2, value.shape[axis]
        at = torch.arange(-half, points + half)
        at = at % points if self.boundary == "periodic" else at.clamp(0, points - 1)
        wide = value.index_select(axis, at)
        total = torch.zeros_like(value)
        for k, weight in enumerate(tap.tolist()):
            total.add_(wide.narrow(axis, k, points), alpha=weight)
        if ends is not None:
            first, last = ends
            width = first.shape[1]
            head, tail = (value.narrow(axis, start, width).movedim(axis, -1) for start in (0, points - width))
            total.narrow(axis, 0, half).copy_((head @ first.T).movedim(-1, axis))
            total.narrow(axis, points - half, half).copy_((tail @ last.T).movedim(-1, axis))
        return total


def _border(order: int, accuracy: int, h: float, points: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (rows, order + accuracy) of the derivative at the first and at the last rows of an axis.

    The derivative of the polynomial through the outermost points: a Vandermonde system for every row.
    """
    width, rows = order + accuracy, (2 * ((order + 1) // 2) - 2 + accuracy) // 2
    if points < width:
        checks.fail("u", f"at least {width} grid points per axis for one-sided differences", points)
    places = torch.arange(width, dtype=torch.float64)
    right = torch.zeros(width, dtype=torch.float64)
    right[order] = math.factorial(order)
    first = torch.stack([torch.linalg.solve((places - row) ** places[:, None], right) for row in range(rows)])
    first = first / h**order
    return first, (-1) ** order * first.flip(0, 1)
