"""A stencil that changes from point to point, shared by a batch: the linear PDE-Net block as matrices."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable

from contdepth import checks

if TYPE_CHECKING:

    class Context(torch.autograd.function.FunctionCtx):
        """What ``_Steps.forward`` leaves to ``backward``."""

        table: StencilPlan
        needs_input_grad: tuple[bool, bool, bool, bool]
        saved_tensors: tuple[torch.Tensor, ...]


__all__ = ["StencilPlan", "apply_stencil", "plan", "steps"]

TILE = {1: 16, 2: 4, 3: 3}
CPU = torch.device("cpu")


class StencilPlan:
    """Index tables for out(x) = sum_k K[k](x) u(x + k) on one grid, one stencil size and one boundary rule.

    The grid is cut into tiles. In each tile the sum is one dense matrix (outputs of the tile) x (points the
    tile reads), so a step over the whole batch is one batched matrix product. Some entries of these matrices
    are zero, and the product is still several times faster than one pass over the field for every tap.

    A *packed* field has shape (rows, batch): grid points in tile order, samples in the last axis. Rows beyond
    the grid, present where tiles do not divide it, are zero and never read.

    Args:
        space: number of points along each axis, 1 to 3 axes.
        size: odd stencil width N; taps are ordered as the entries of an (N,)*dim array in row-major order.
        boundary: ``"periodic"`` or ``"replicate"`` (the nearest grid point stands for one outside).

    Raises:
        ValueError: for an even or non-positive size, a grid smaller than the stencil or an unknown boundary.
    """

    def __init__(self, space: tuple[int, ...], size: int, boundary: str = "periodic") -> None:
        self.space, self.dim = tuple(space), len(space)
        checks.integer("number of space axes", self.dim, at_least=1, at_most=3)
        if checks.integer("size", size, at_least=1) % 2 == 0:
            checks.fail("size", "an odd stencil width", size)
        if min(space) < size:
            checks.fail(
                "u",
                f"at least {size} points along each space axis",
                tuple(space),
                "use a finer grid or smaller filters",
            )
        checks.one_of("boundary", boundary, ("periodic", "replicate"))
        self.size, self.boundary = size, boundary
        half = size // 2
        self.tile = tuple(tile_width(n, TILE[self.dim]) for n in self.space)
        tiles = tuple(-(-n // t) for n, t in zip(self.space, self.tile, strict=True))
        self.tiles, self.outputs = grid_size(tiles), grid_size(self.tile)
        self.inputs = grid_size(tuple(t + 2 * half for t in self.tile))
        self.rows = self.tiles * self.outputs

        axes = [torch.arange(n) for n in self.space]
        corner = torch.meshgrid(*[x // t for x, t in zip(axes, self.tile, strict=True)], indexing="ij")
        local = torch.meshgrid(*[x % t for x, t in zip(axes, self.tile, strict=True)], indexing="ij")
        tile_of, output_of = ravel(corner, tiles), ravel(local, self.tile)
        row = tile_of * self.outputs + output_of  # packed row of every grid point
        self.row_of_point = row.reshape(-1)

        reads = []  # the points a tile reads, axis by axis: (tiles along the axis, width + 2 half)
        for n, t, count in zip(self.space, self.tile, tiles, strict=True):
            x = torch.arange(count)[:, None] * t + torch.arange(-half, t + half)[None]
            reads.append(x % n if boundary == "periodic" else x.clamp(0, n - 1))
        shape = [s for r in reads for s in r.shape]
        grid = [
            r.reshape([r.shape[i - 2 * k] if i // 2 == k else 1 for i in range(2 * self.dim)]).expand(shape)
            for k, r in enumerate(reads)
        ]
        point = ravel(grid, self.space).permute(*range(0, 2 * self.dim, 2), *range(1, 2 * self.dim, 2))
        self.reads = self.row_of_point[point.reshape(-1)]

        width = tuple(t + 2 * half for t in self.tile)
        slots = []  # where K[k](x) stands in the flattened (tiles, outputs, inputs) array
        for tap in itertools.product(range(size), repeat=self.dim):
            column = ravel([o + k for o, k in zip(local, tap, strict=True)], width)
            slots.append((row * self.inputs + column).reshape(-1))
        self.slots = torch.stack(slots)

    def matrices(self, stencil: torch.Tensor) -> torch.Tensor:
        """Tile matrices (tiles, outputs, inputs) of ``stencil`` with shape (taps, *space); differentiable."""
        checks.same_shape("stencil", stencil, (self.size**self.dim, *self.space))
        empty = stencil.new_zeros(self.rows * self.inputs)
        flat = empty.scatter_(0, self.slots.reshape(-1), stencil.reshape(-1))
        return flat.view(self.tiles, self.outputs, self.inputs)

    def pack(self, u: torch.Tensor) -> torch.Tensor:
        """(batch, *space) to (rows, batch); differentiable."""
        checks.same_shape("u", u, (u.shape[0], *self.space))
        empty = u.new_zeros(self.rows, u.shape[0])
        return empty.index_copy_(0, self.row_of_point, u.reshape(u.shape[0], -1).T)

    def unpack(self, packed: torch.Tensor) -> torch.Tensor:
        """(rows, batch) to (batch, *space); differentiable."""
        return packed.index_select(0, self.row_of_point).T.reshape(packed.shape[1], *self.space)


class _Steps(torch.autograd.Function):
    """``count`` applications of one operator; keeps the packed field before each of them and nothing else."""

    @staticmethod
    def forward(
        ctx: Context, matrices: torch.Tensor, u: torch.Tensor, table: StencilPlan, count: int
    ) -> torch.Tensor:
        ctx.table, fields = table, []
        read = u.new_empty(table.reads.numel(), u.shape[1])
        for _ in range(count):
            fields.append(u)
            torch.index_select(u, 0, table.reads, out=read)
            u = torch.bmm(matrices, read.view(table.tiles, table.inputs, -1)).view(table.rows, -1)
        ctx.save_for_backward(matrices, *fields)
        return u

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        matrices, *fields = ctx.saved_tensors
        table, need_matrices, need_u = ctx.table, *ctx.needs_input_grad[:2]
        total = torch.zeros_like(matrices) if need_matrices else None
        transposed = matrices.transpose(1, 2)
        grad = grad.contiguous()
        buffer = grad.new_empty(table.reads.numel(), grad.shape[1])  # one for all blocks
        tiled_buffer = buffer.view(table.tiles, table.inputs, -1)
        for number in range(len(fields) - 1, -1, -1):
            tiled = grad.view(table.tiles, table.outputs, -1)
            if need_matrices:
                torch.index_select(fields[number], 0, table.reads, out=buffer)
                total.baddbmm_(tiled, tiled_buffer.transpose(1, 2))  # type: ignore[union-attr]
            if number or need_u:
                torch.bmm(transposed, tiled, out=tiled_buffer)
                grad = torch.zeros_like(grad).index_add_(0, table.reads, buffer)
        return total, grad if need_u else None, None, None


def steps(table: StencilPlan, matrices: torch.Tensor, packed: torch.Tensor, count: int = 1) -> torch.Tensor:
    """Apply the operator ``count`` times to a packed field (rows, batch).

    The backward pass is written by hand. Memory is ``count`` packed fields; a gradient of a gradient is not
    available.
    """
    checks.integer("count", count, at_least=1)
    checks.same_shape("packed", packed, (table.rows, packed.shape[-1]), "use plan(...).pack(u)")
    return _Steps.apply(matrices, packed, table, count)


def apply_stencil(stencil: torch.Tensor, u: torch.Tensor, boundary: str = "periodic") -> torch.Tensor:
    """out[b](x) = sum_k stencil[k](x) u[b](x + k): a correlation whose weights depend on the position.

    Args:
        stencil: (N**dim, *space), taps in row-major order, each from -(N-1)/2 to (N-1)/2 grid points.
        u: (batch, *space), dim 1 to 3, the same dtype.
        boundary: ``"periodic"`` or ``"replicate"``.

    Returns:
        (batch, *space). Gradients reach both arguments.

    Raises:
        TypeError, ValueError: for arguments that are no tensors or whose shapes do not fit.
    """
    u = checks.floating("u", u)
    taps = checks.floating("stencil", stencil, ndim=u.ndim).shape[0]
    dim = u.ndim - 1
    size = next((n for n in range(1, 100, 2) if n**dim >= taps), 1)
    if size**dim != taps:
        checks.fail("stencil", f"N**{dim} taps with odd N", f"{taps} taps")
    table = plan(tuple(u.shape[1:]), size, boundary, u.device)
    return table.unpack(steps(table, table.matrices(stencil), table.pack(u)))


@lru_cache(maxsize=16)
def plan(space: tuple[int, ...], size: int, boundary: str = "periodic", device: torch.device = CPU) -> StencilPlan:
    """The index tables for this grid, built once, on the CPU, and kept on ``device``."""
    found = StencilPlan(space, size, boundary)
    for name in ("row_of_point", "reads", "slots"):
        setattr(found, name, getattr(found, name).to(device))
    return found


def tile_width(points: int, smallest: int) -> int:
    """A width from ``smallest`` to ``smallest`` + 2 that leaves the fewest rows beyond the grid."""
    return min(range(smallest, smallest + 3), key=lambda t: (-(-points // t) * t, t))


def grid_size(shape: tuple[int, ...]) -> int:
    """Number of points of a grid."""
    return int(torch.tensor(shape).prod())


def ravel(indices: Any, shape: tuple[int, ...]) -> torch.Tensor:
    """Row-major flat index of one index tensor for each axis."""
    flat = torch.zeros_like(indices[0])
    for index, n in zip(indices, shape, strict=True):
        flat = flat * n + index
    return flat
