"""The delta-t block of PDE-Net 1: averaging filter, constrained derivatives, coefficient fields, source."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from contdepth import checks
from contdepth.pde.doors import boolean
from contdepth.pde.filters.constrained import MomentFilters, correlate
from contdepth.pde.filters.moments import derivatives
from contdepth.pde.filters.stencil import plan, steps
from contdepth.pde.pdenet1.interpolation import PiecewisePolynomial

__all__ = ["PDENetBlock"]


class PDENetBlock(nn.Module):
    """u(t + dt) = D_0 u + dt sum_a c_a(x) D_a u + dt f(u), PDE-Net (arXiv 1710.09668) section 2, eq. (5).

    D_a are correlations with moment-constrained filters, D_0 is an averaging filter (sum 1), c_a are
    piecewise quadratic fields or constants, f is a piecewise polynomial of the value. The filters and the
    coefficients multiply out to one stencil K[k](x) for each point, computed once and applied in every block.

    Departures: D_0 keeps its first moments at zero (``average_accuracy=2``), because a free first moment of
    D_0 and a constant in c_10 are the same operator; the mesh is periodic where the boundary is.

    Args:
        space: points along each axis (1 to 3; 1 or 2 with fields).
        dx: grid step of each axis.
        dt: time step of one block.
        order: the sum runs over 0 < |a| <= order.
        size: filter width N, odd.
        coefficients: ``"fields"`` for c_a(x), ``"constant"`` for one number each.
        mesh: cells along each axis of the mesh of c_a.
        source: None, or a mapping with ``cells``, ``range`` R (the interval is [-R, R]) and ``degree``.
        zero_order: include c_0(x) D_0 u in the sum.
        accuracy: order of accuracy to which the filters are constrained; 1 is the paper's rule.
        average: ``"filter"`` for a learned D_0, ``"identity"`` for D_0 u = u.
        average_accuracy: order to which D_0 is constrained; 1 fixes nothing but its sum.
        boundary: ``"periodic"`` or ``"replicate"``.

    Raises:
        TypeError, ValueError: naming the argument that does not fit.
    """

    def __init__(
        self,
        space: Sequence[int],
        dx: Sequence[float],
        dt: float,
        *,
        order: int = 4,
        size: int = 7,
        coefficients: str = "fields",
        mesh: int = 20,
        source: Mapping[str, Any] | None = None,
        zero_order: bool = False,
        accuracy: int = 1,
        average: str = "filter",
        average_accuracy: int = 2,
        boundary: str = "periodic",
    ) -> None:
        super().__init__()
        self.space, self.dim = tuple(space), len(space)
        self.dt = checks.real("dt", dt, above=0)
        checks.one_of("coefficients", coefficients, ("fields", "constant"))
        checks.one_of("average", average, ("filter", "identity"))
        checks.integer("order", order, at_least=1)
        if min(space) < size:
            checks.fail(
                "u",
                f"at least {size} points along each space axis for filters of that size",
                self.space,
                "take smaller filters or a finer grid",
            )
        alphas = derivatives(order, self.dim)
        orders = [average_accuracy, *[accuracy] * (len(alphas) - 1)]
        self.filters = MomentFilters(
            alphas, size, self.dim, tuple(dx), orders, boundary=boundary, frozen_identity=average == "identity"
        )
        self.zero_order = boolean("zero_order", zero_order)
        self.alphas = alphas if zero_order else alphas[1:]
        if coefficients == "constant":
            self.mesh, self.values = None, nn.Parameter(torch.zeros(len(self.alphas), dtype=torch.float64))
        else:
            if self.dim > 2:
                checks.fail("coefficients", "'constant' for three space axes", repr(coefficients))
            checks.integer("mesh", mesh, at_least=1)
            periodic = boundary == "periodic"
            ends = [n * h if periodic else (n - 1) * h for n, h in zip(self.space, dx, strict=True)]
            self.mesh = PiecewisePolynomial(mesh, 2, [0.0] * self.dim, ends, self.dim, periodic, len(self.alphas))
            for axis, (n, h) in enumerate(zip(self.space, dx, strict=True)):
                points = torch.arange(n, dtype=torch.float64) * h
                self.register_buffer(f"basis{axis}", self.mesh.basis(points, axis), persistent=False)
            self.values = self.mesh.values
        self.source = None
        if source is not None:
            unknown = set(source) - {"cells", "range", "degree"}
            if unknown:
                checks.fail("source", "the keys cells, range, degree", ", ".join(sorted(unknown)))
            reach = checks.real("source range", source.get("range", 15.0), above=0)
            self.source = PiecewisePolynomial(source.get("cells", 20), source.get("degree", 4), -reach, reach)

    def coefficients(self) -> torch.Tensor:
        """c_a on the grid, (derivatives, *space), or (derivatives,) for constants."""
        if self.mesh is None:
            return self.values
        return self.mesh.from_basis(*[getattr(self, f"basis{axis}") for axis in range(self.dim)])

    def stencil(self) -> torch.Tensor:
        """K[k](x) = q_0[k] + dt sum_a c_a(x) q_a[k] / dx^a, (N**dim, *space), or (N**dim,) for constants."""
        kernels = self.filters.kernels().flatten(1)
        used = kernels if self.zero_order else kernels[1:]
        fields = self.coefficients()
        linear = self.dt * (used.T @ fields.flatten(1) if self.mesh is not None else used.T @ fields)
        if self.mesh is None:
            return kernels[0] + linear
        return (kernels[0][:, None] + linear).view(-1, *self.space)

    def forward(self, u: torch.Tensor, blocks: int = 1) -> torch.Tensor:
        """The state ``blocks`` time steps later, (batch, 1, *space) both; all blocks share weights."""
        return self.frames(u, blocks, every=blocks)[-1]

    def frames(self, u: torch.Tensor, blocks: int, every: int = 1) -> list[torch.Tensor]:
        """The states after ``every``, 2 ``every``, ... up to ``blocks`` steps, each (batch, 1, *space)."""
        checks.integer("blocks", blocks, at_least=1)
        checks.same_shape("u", checks.floating("u", u), (u.shape[0], 1, *self.space), "(batch, 1, *space)")
        stencil, kept = self.stencil(), []
        if self.mesh is None:
            kernel = stencil.view(1, *[self.filters.size] * self.dim)
            for step in range(1, blocks + 1):
                ahead = correlate(u, kernel, self.filters.boundary)[:, :, 0]
                u = ahead if self.source is None else torch.add(ahead, self.source(u), alpha=self.dt)
                if step % every == 0:
                    kept.append(u)
            return kept
        table = plan(self.space, self.filters.size, self.filters.boundary, u.device)
        matrices, packed = table.matrices(stencil), table.pack(u[:, 0])
        for _ in range(blocks // every):
            if self.source is None:
                packed = steps(table, matrices, packed, every)
            else:
                for _ in range(every):
                    packed = torch.add(steps(table, matrices, packed), self.source(packed), alpha=self.dt)
            kept.append(table.unpack(packed)[:, None])
        return kept

    def rate(self, u: torch.Tensor) -> torch.Tensor:
        """What one step adds per unit of time, (u(t + dt) - u) / dt, (batch, 1, *space).

        That is sum_a c_a(x) D_a u + f(u) + (D_0 u - u) / dt: a learned D_0 is part of the dynamics.
        """
        return (self.frames(u, 1)[0] - u) / self.dt

    def interior(self, blocks: int) -> tuple[slice, ...]:
        """The points that no border has reached after ``blocks`` blocks; all of a periodic grid."""
        if self.filters.boundary == "periodic":
            return (slice(None),) * self.dim
        width = self.filters.size // 2
        if min(self.space) <= 2 * width * blocks:
            checks.fail(
                "blocks",
                f"at most {(min(self.space) - 1) // (2 * width)} on a {self.space} grid with boundary='replicate'",
                blocks,
                "the border has reached every point after that",
            )
        return (slice(width * blocks, -width * blocks),) * self.dim

    def effective(self) -> dict[tuple[int, ...], torch.Tensor]:
        """Coefficients of the derivatives in a whole step: moments of K - delta over dt, (*space).

        They count what D_0 and the free moments of lower derivatives add to c_a: what a smooth field sees.
        A step fitted to exact data holds terms of order dt as well: in one dimension the exact flow of
        a u_x + c u_xx over dt has the second-order coefficient c + dt a^2 / 2.
        """
        half = self.filters.size // 2
        stencil = self.stencil().detach()
        points = torch.cartesian_prod(*[torch.arange(-half, half + 1).to(stencil)] * self.dim)
        points = points.view(-1, self.dim)
        found = {}
        for alpha in derivatives(sum(self.filters.derivatives[-1]), self.dim):
            weight = math.prod(h**a / math.factorial(a) for h, a in zip(self.filters.dx, alpha, strict=True))
            powers = (points ** points.new_tensor(alpha)).prod(1)
            moment = torch.tensordot(powers, stencil, dims=1)
            found[alpha] = (moment - float(not any(alpha))) * weight / self.dt
        return found
