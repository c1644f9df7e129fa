"""The δt-block of PDE-Net 2.0: constrained filters with pseudo-upwind, then one SymNet for every component."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.pde.doors import boolean
from contdepth.pde.filters.constrained import MomentFilters, correlate
from contdepth.pde.filters.moments import derivatives
from contdepth.pde.symbolic.symnet import SymNet, huber

__all__ = ["SCHEMES", "STARTS", "PDENet2Block"]

SCHEMES = ("euler", "midpoint")
STARTS = ("central", "one-sided")


class Assemble(torch.autograd.Function):
    """Inputs of the SymNet from u (B, F, P) and its filtered images (B, F, C, P), with the upwind parts added."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, images: Tensor, sign: Tensor | None, first: tuple[int, ...]) -> Tensor:
        """``sign`` (B, F, d, P) multiplies the last d = len(first) images, added to the derivatives ``first``."""
        own = images.shape[2] - len(first)
        x = u.new_empty(*images.shape[:2], own + 1, images.shape[3])
        x[:, :, 0] = u
        x[:, :, 1:] = images[:, :, :own]
        for i, k in enumerate(first):
            x[:, :, k].addcmul_(sign[:, :, i], images[:, :, own + i])  # type: ignore[index]
        ctx.first, ctx.fields = first, images.shape[1]
        ctx.save_for_backward(*(() if sign is None else (sign,)))
        return x.flatten(1, 2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The parts of ``grad`` (B, F K, P); the sign is a constant."""
        grad = grad.unflatten(1, (ctx.fields, -1))
        gu = grad[:, :, 0] if ctx.needs_input_grad[0] else None
        if not ctx.first:
            return gu, grad[:, :, 1:], None, None
        (sign,) = ctx.saved_tensors
        own = grad.shape[2] - 1
        images = grad.new_empty(*grad.shape[:2], own + len(ctx.first), grad.shape[3])
        images[:, :, :own] = grad[:, :, 1:]
        for i, k in enumerate(ctx.first):
            torch.mul(sign[:, :, i], grad[:, :, k], out=images[:, :, own + i])
        return gu, images, None, None


class PDENet2Block(nn.Module):
    r"""One step :math:`u(t + δt) = u + δt F(u, D_{10}u, D_{01}u, D_{20}u, …)` (PDE-Net 2.0, section 2.1).

    All derivatives of every field and sample come from one convolution, all components of F from one ``SymNet``
    module. With ``upwind`` a first derivative along an axis uses its filter q or the mirror image -q(-k), by the
    sign of :math:`∂F_f/∂(f_{x_i})` at each point, where f is the field's own equation: q where it is
    positive (q looks to where the wave comes from, ahead), the image where it is negative. The sign is a
    constant for the gradient. Because q = q_odd + q_even and its mirror image is q_odd - q_even, both cost
    one extra filter an axis.

    Args:
        fields: number F of fields.
        dt: time step of one block.
        dx: grid spacing for each space axis; its length is the dimension.
        order: highest total order of the derivatives.
        size, accuracy, boundary: as for ``MomentFilters``.
        hidden: products of the SymNet.
        upwind: pseudo-upwind first derivatives.
        scheme: "euler", the paper's forward Euler step, or "midpoint", the second-order Runge-Kutta step that the
            official code takes. The network learns the equation whose *discrete* solution is the data: Euler's
            read-out is that of the modified equation, off by O(δt).
        substeps: steps of dt / substeps in one block, for data sampled more coarsely than the scheme is stable
            (a departure; the papers take 1).
        start: first derivatives begin as "central" differences, whose two images coincide, or "one-sided", the
            second-order difference (-3, 4, -1) / 2 of the official code, which keeps it while filters are frozen;
            this needs ``upwind``, size >= 5 and accuracy <= 2.
        seed: start of the SymNet.

    ``forward`` maps ``(B, F, *space)`` to the same shape; ``rhs`` gives F at the points.

    Departure: the official code takes the sign at the value of q, here it is taken at that of q_odd, which
    does not depend on which of the two images is called q.
    """

    places: Tensor
    own: Tensor

    def __init__(
        self,
        fields: int,
        dt: float,
        dx: Sequence[float],
        *,
        order: int = 2,
        size: int = 5,
        accuracy: int = 2,
        hidden: int = 5,
        upwind: bool = True,
        scheme: str = "euler",
        substeps: int = 1,
        boundary: str = "periodic",
        start: str = "central",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.fields = checks.integer("fields", fields, at_least=1)
        self.dt = checks.real("dt", dt, above=0)
        self.substeps = checks.integer("substeps", substeps, at_least=1)
        self.scheme = checks.one_of("scheme", scheme, SCHEMES)
        self.upwind = boolean("upwind", upwind)
        dim = len(dx)
        self.alphas = derivatives(checks.integer("order", order, at_least=1), dim)
        self.filters = MomentFilters(self.alphas, size, dim, dx, accuracy=accuracy, boundary=boundary)
        self.symnet = SymNet(len(self.alphas) * fields, fields, hidden, seed=seed)
        self.first = [self.filters.index(tuple(int(i == axis) for i in range(dim))) for axis in range(dim)]
        self.register_buffer("places", torch.tensor(self.first), persistent=False)
        if checks.one_of("start", start, STARTS) == "one-sided":
            self._start_one_sided()
        own = [[f * len(self.alphas) + k for k in self.first] for f in range(fields)]
        self.register_buffer("own", torch.tensor(own), persistent=False)

    @torch.no_grad()
    def _start_one_sided(self) -> None:
        """Give the first derivatives the free moments of (-3 u_0 + 4 u_1 - u_2) / 2 along their axis."""
        filters = self.filters
        if not self.upwind or filters.size < 5 or max(filters.accuracy) > 2:
            checks.fail("start", "'central' unless upwind=True, size >= 5 and accuracy <= 2", "'one-sided'")
        weights = {0: -1.5, 1: 2.0, 2: -0.5}
        for place, (alpha, beta) in enumerate(filters.labels()):
            if sum(alpha) == 1 and all(b == 0 for a, b in zip(alpha, beta, strict=True) if a == 0):
                power = beta[alpha.index(1)]
                filters.free[place] = sum(q * k**power for k, q in weights.items()) / math.factorial(power)

    def features(self, u: Tensor, kernels: Tensor | None = None) -> Tensor:
        """The inputs of the SymNet, field by field and derivative by derivative: (B, F K, P), P points."""
        moved = correlate(u, self.kernels() if kernels is None else kernels, self.filters.boundary).flatten(3)
        if not self.upwind:
            return Assemble.apply(u.flatten(2), moved, None, ())
        central = Assemble.apply(u.detach().flatten(2), moved.detach()[:, :, : len(self.alphas) - 1], None, ())
        sign = self.symnet.sensitivity(central, self.own).sign()
        return Assemble.apply(u.flatten(2), moved, sign, tuple(self.first))

    def kernels(self) -> Tensor:
        """Kernels for one convolution: those of all derivatives but u itself, then, with ``upwind``, the
        even parts of the first derivatives, whose own places hold their odd parts."""
        kernels = self.filters.kernels()
        if not self.upwind:
            return kernels[1:]
        space = tuple(range(1, kernels.ndim))
        first = kernels[self.places]
        mirror = -first.flip(space)
        odd = kernels.index_copy(0, self.places, (first + mirror) / 2)
        return torch.cat([odd[1:], (first - mirror) / 2])

    def rhs(self, u: Tensor, kernels: Tensor | None = None) -> Tensor:
        """F(u, u_x, …) at every grid point, (B, F, *space)."""
        return self.symnet(self.features(u, kernels)).view_as(u)

    def forward(self, u: Tensor, kernels: Tensor | None = None) -> Tensor:
        """The state one time step later. ``kernels()`` may be passed in when several blocks share it."""
        kernels = self.kernels() if kernels is None else kernels
        h = self.dt / self.substeps
        for _ in range(self.substeps):
            at = u if self.scheme == "euler" else u + h / 2 * self.rhs(u, kernels)
            u = u + h * self.rhs(at, kernels)
        return u

    def unroll(self, u: Tensor, blocks: int) -> list[Tensor]:
        """The states after 1, …, ``blocks`` blocks with shared weights."""
        kernels, states = self.kernels(), []
        for _ in range(blocks):
            u = self(u, kernels)
            states.append(u)
        return states

    def interior(self, blocks: int, grid: Sequence[int]) -> tuple[slice, ...]:
        """The points of the grid that no border has reached after ``blocks`` blocks; all of a periodic grid.

        Raises:
            ValueError: none are left.
        """
        if self.filters.boundary == "periodic":
            return (slice(None),) * len(grid)
        stages = SCHEMES.index(self.scheme) + 1
        width = self.filters.size // 2 * stages * self.substeps * blocks
        if min(grid) <= 2 * width:
            most = (min(grid) - 1) // 2 // (width // blocks)
            checks.fail(
                "blocks",
                f"at most {most} on a {tuple(grid)} grid with boundary='replicate'",
                blocks,
                "the border has reached every point after that",
            )
        return (slice(width, -width),) * len(grid)

    def moment_penalty(self, threshold: float = 1e-2) -> Tensor:
        """Huber-type ℓ1 norm of the free moments."""
        return huber(self.filters.free, threshold)
