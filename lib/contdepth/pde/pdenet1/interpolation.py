"""Continuous piecewise polynomials: coefficient fields on a grid, a source at any value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from contdepth import checks

__all__ = ["PiecewisePolynomial"]


class PiecewisePolynomial(nn.Module):
    """Lagrange elements on equal cells: polynomials of one degree in each cell, continuous across cells.

    The parameters are the values at equidistant nodes, ``degree`` + 1 in a cell with both ends, shared
    between neighbours; two space axes take the tensor product. PDE-Net 1 writes coefficients c_ij(x, y) as
    piecewise quadratics on 20 x 20 cells and the source f(u) as a piecewise quartic on 20 cells of [-15, 15]
    (its section 4).
    Departure: a periodic domain has periodic elements, so the values at its two ends are one parameter.

    Outside the interval a function that is not periodic continues along its tangent at the nearer end
    (linear in each variable), so that a state that leaves the range meets neither a jump nor a growing power.

    Args:
        cells: number of cells along each axis, at least 1.
        degree: degree of the polynomials, 1 to 6.
        lower: left end of the interval, one number or one for each axis.
        upper: right end, above ``lower``.
        dim: 1 or 2.
        periodic: whether the function repeats with the period upper - lower.
        channels: number of functions that share the mesh.

    Attributes:
        values: parameter (channels, *nodes), zero at the start.

    Raises:
        TypeError, ValueError: for arguments outside these bounds.
    """

    pieces: torch.Tensor

    def __init__(
        self,
        cells: int,
        degree: int,
        lower: float | Sequence[float],
        upper: float | Sequence[float],
        dim: int = 1,
        periodic: bool = False,
        channels: int = 1,
    ) -> None:
        super().__init__()
        self.cells = checks.integer("cells", cells, at_least=1)
        self.degree = checks.integer("degree", degree, at_least=1, at_most=6)
        self.dim, self.periodic = checks.integer("dim", dim, at_least=1, at_most=2), bool(periodic)
        self.lower, self.upper = _ends("lower", lower, dim), _ends("upper", upper, dim)
        for low, high in zip(self.lower, self.upper, strict=True):
            checks.real("upper", high, above=low)
        checks.integer("channels", channels, at_least=1)
        checks.affordable("cells", cells + 2, degree + 1, cells * degree + 1)
        checks.affordable("channels", channels, *[cells * degree + 1] * dim)
        count = cells * degree + (not periodic)
        self.values = nn.Parameter(torch.zeros(channels, *[count] * dim, dtype=torch.float64))
        self.register_buffer("pieces", _pieces(cells, degree, periodic), persistent=False)

    def extra_repr(self) -> str:
        return (
            f"cells={self.cells}, degree={self.degree}, lower={self.lower}, upper={self.upper}, "
            f"dim={self.dim}, periodic={self.periodic}, channels={self.values.shape[0]}"
        )

    def nodes(self, axis: int = 0) -> torch.Tensor:
        """Coordinates of the nodes along one axis."""
        count = self.values.shape[1 + axis]
        step = (self.upper[axis] - self.lower[axis]) / (self.cells * self.degree)
        number = torch.arange(count, dtype=self.values.dtype, device=self.values.device)
        return self.lower[axis] + step * number

    def basis(self, points: torch.Tensor, axis: int = 0) -> torch.Tensor:
        """Values (points, nodes) of the nodal functions of one axis at ``points`` (points,)."""
        checks.reals("points", points, ndim=1)
        checks.integer("axis", axis, at_least=0, at_most=self.dim - 1)
        cell, local = self._locate(points, axis)
        powers = local[:, None] ** torch.arange(self.degree + 1, device=local.device)
        return torch.einsum("pj,pjn->pn", powers, self.pieces.to(local)[cell])

    def on_grid(self, *axes: torch.Tensor) -> torch.Tensor:
        """The functions (channels, *points) on the grid spanned by one vector of points for each axis.

        For repeated use keep the matrices of ``basis`` and call ``from_basis``.
        """
        return self.from_basis(*[self.basis(points, axis) for axis, points in enumerate(axes)])

    def from_basis(self, *matrices: torch.Tensor) -> torch.Tensor:
        """The functions (channels, *points) from one matrix ``basis(points, axis)`` an axis: Bx C By^T."""
        if len(matrices) != self.dim:
            checks.fail("axes", f"{self.dim} vectors of points or matrices, one for each axis", len(matrices))
        fields = self.values @ matrices[-1].T
        return fields if self.dim == 1 else matrices[0] @ fields

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """The function at ``points`` of any shape, for one axis and one channel; gradients reach both."""
        if self.dim != 1 or self.values.shape[0] != 1:
            checks.fail(
                "forward",
                "one axis and one channel",
                f"{self.dim} axes, {self.values.shape[0]} channels",
                "use on_grid",
            )
        checks.reals("points", points)
        table = self.pieces.to(self.values) @ self.values[0]  # (cells + 2, degree + 1)
        return _Evaluate.apply(points, table, self)

    def _locate(self, points: torch.Tensor, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Row of ``pieces`` and position from 0 to 1 in the cell; row 0 and the last are the outside."""
        scaled = (points - self.lower[axis]) * (self.cells / (self.upper[axis] - self.lower[axis]))
        if self.periodic:
            scaled = scaled % self.cells
            cell = scaled.detach().floor().clamp_(0, self.cells - 1)
        else:
            cell = scaled.detach().floor().clamp_(-1, self.cells)
        left = cell.clamp(min=0)  # outside: distance from the nearer end
        return torch.nan_to_num(cell + 1).long(), scaled - left  # a value that is not a number stays one


class _Evaluate(torch.autograd.Function):
    """Horner's rule with the coefficients of each point's cell; derivatives for points and coefficients."""

    @staticmethod
    def forward(ctx: Any, points: torch.Tensor, table: torch.Tensor, module: PiecewisePolynomial) -> torch.Tensor:
        cell, local = module._locate(points.detach(), 0)
        columns = [column.contiguous().take(cell) for column in table.T]
        value, slope = columns[-1], torch.zeros_like(local)
        for column in reversed(columns[:-1]):
            slope = torch.addcmul(value, slope, local)
            value = torch.addcmul(column, value, local)
        ctx.rate = module.cells / (module.upper[0] - module.lower[0])
        ctx.shape = table.shape
        ctx.save_for_backward(cell, local, slope)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        cell, local, slope = ctx.saved_tensors
        table = None
        if ctx.needs_input_grad[1]:
            rows, weight, flat = [], grad.reshape(-1), cell.reshape(-1)
            for _ in range(ctx.shape[1]):
                rows.append(torch.bincount(flat, weight, minlength=ctx.shape[0]))
                weight = weight * local.reshape(-1)
            table = torch.stack(rows, 1).to(grad.dtype)
        points = grad * slope * ctx.rate if ctx.needs_input_grad[0] else None
        return points, table, None


def _pieces(cells: int, degree: int, periodic: bool) -> torch.Tensor:
    """(cells + 2, degree + 1, nodes): coefficients of powers of the local position, from the nodal values."""
    local = torch.linspace(0, 1, degree + 1, dtype=torch.float64)
    monomial = torch.linalg.inv(local[:, None] ** torch.arange(degree + 1))  # (power, node of the cell)
    count = cells * degree + (not periodic)
    pieces = torch.zeros(cells + 2, degree + 1, count, dtype=torch.float64)
    for cell in range(cells):
        for node in range(degree + 1):
            pieces[cell + 1, :, (cell * degree + node) % count] = monomial[:, node]
    if not periodic:
        pieces[0, :2] = pieces[1, :2]
        powers = torch.arange(degree + 1, dtype=torch.float64)[:, None]
        pieces[-1, 0, -1] = 1.0
        pieces[-1, 1] = (powers * pieces[-2]).sum(0)
    return pieces


def _ends(argument: str, value: float | Sequence[float], dim: int) -> tuple[float, ...]:
    ends = tuple(value) if isinstance(value, Sequence) else (value,) * dim
    if len(ends) != dim:
        checks.fail(argument, f"one number or {dim}", value)
    return tuple(checks.real(argument, end) for end in ends)
