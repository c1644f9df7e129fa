"""The PDE-Net 2.0 data generator for Burgers' equations: upwind differences and a Runge-Kutta method."""

from __future__ import annotations

import math

import torch

from contdepth import checks

__all__ = ["burgers2d_upwind"]


@torch.no_grad()
def burgers2d_upwind(
    u0: torch.Tensor,
    steps: int,
    dt: float = 0.01,
    *,
    viscosity: float = 0.05,
    length: float = 2 * math.pi,
    grid: int | None = None,
    start: int = 0,
    max_step: float = 1 / 1600,
    order: int = 2,
) -> torch.Tensor:
    """Frames start, start + 1, ..., start + steps (spacing ``dt``) of u_t = -u u_x - v u_y + viscosity Lap u.

    The same equation holds for v; both are periodic on [0, length)^2. ``u0`` is (N, 2, n, n) with u, v as
    fields; the result is (N, steps + 1, 2, grid, grid), float64, where u0 is: every
    (n / grid)-th point of the fine grid.

    Convection takes one-sided differences from the side the velocity comes from: of ``order`` 2,
    (3 u_i - 4 u_{i-1} + u_{i-2}) / (2 dx), as the official code of PDE-Net 2.0 (scheme "uw2"), or of order
    1, whose data carry a numerical viscosity |u| dx / 2 besides the true one. Diffusion takes the five-point
    difference (second order), time Heun's Runge-Kutta method (the code's "rk2") with equal substeps of at
    most ``max_step``; the paper's sizes are n = 128, grid = 32 and max_step = 1/1600. Raises ``ValueError``
    for a ``max_step`` beyond the stability limit for these data.
    """
    checks.floating("u0", u0, ndim=4)
    if u0.shape[1] != 2 or u0.shape[2] != u0.shape[3]:
        checks.fail("u0", "shape (N, 2, n, n)", f"shape {tuple(u0.shape)}")
    if u0.numel() == 0:
        raise ValueError(f"u0: expected at least one sample with points, found shape {tuple(u0.shape)}")
    checks.finite("u0", u0)
    checks.integer("steps", steps, at_least=0)
    checks.integer("start", start, at_least=0)
    for name, value in (("dt", dt), ("length", length), ("max_step", max_step)):
        checks.real(name, value, above=0)
    checks.real("viscosity", viscosity, at_least=0)
    checks.real("length", length, at_least=1e-50, at_most=1e50)
    if dt / max_step > 1e6:
        raise ValueError(f"max_step: expected at most a million substeps of dt, found {dt / max_step:.3g}")
    size = u0.shape[-1]
    grid = size if grid is None else checks.integer("grid", grid, at_least=1)
    if size % grid:
        checks.fail("grid", f"a divisor of the fine grid {size}", grid)
    dx = length / size
    substeps = max(1, math.ceil(dt / max_step - 1e-9))
    h = dt / substeps
    checks.one_of("order", order, (1, 2))
    # |u| and |v| stay near or below their first values; the shortest wave is damped at twice this rate, which Heun
    # follows up to h * rate = 1.
    rate = order * float(u0.abs().flatten(2).amax(2).sum(1).max()) / dx + 4 * viscosity / dx**2
    if h * rate > 1:
        checks.fail("max_step", f"at most {1 / rate:.3g} for these data", h, "the scheme is unstable beyond")
    out = torch.empty(u0.shape[0], steps + 1, 2, grid, grid, dtype=torch.float64, device=u0.device)
    for sample, first in zip(out, u0.double(), strict=True):  # one at a time: its arrays stay in the cache
        rhs = _Upwind(size, h, dx, viscosity, order, u0.device)
        _trajectory(first, sample, start, substeps, rhs, size // grid)
    return out


def _trajectory(
    first: torch.Tensor, out: torch.Tensor, start: int, substeps: int, rhs: _Upwind, stride: int
) -> None:
    """Advance one sample (2, n, n) and write its frames into ``out`` (steps + 1, 2, grid, grid)."""
    state, stage = _Halo(first), _Halo(first)
    for frame in range(start + len(out)):
        if frame >= start:
            out[frame - start] = state.inner[:, ::stride, ::stride]
        if frame == start + len(out) - 1:
            return
        for _ in range(substeps):  # Heun: (u + (u* + h f(u*))) / 2 with u* = u + h f(u)
            torch.add(state.inner, rhs(state), out=stage.inner)
            stage.wrap()
            increment = rhs(stage).add_(stage.inner)
            state.inner.add_(increment).mul_(0.5)
            state.wrap()


class _Halo:
    """Two fields (2, n, n) inside an array with two periodic ghost points on each side; neighbours are views."""

    def __init__(self, first: torch.Tensor) -> None:
        n = first.shape[-1]
        self.full = first.new_empty(2, n + 4, n + 4)
        self.inner = self.full[:, 2:-2, 2:-2]
        self.x = {k: self.full[:, 2 + k : n + 2 + k, 2:-2] for k in (-2, -1, 1, 2)}
        self.y = {k: self.full[:, 2:-2, 2 + k : n + 2 + k] for k in (-2, -1, 1, 2)}
        self.inner.copy_(first)
        self.wrap()

    def wrap(self) -> None:
        """Copy the periodic neighbours into the ghost points."""
        self.full[:, :2], self.full[:, -2:] = self.full[:, -4:-2], self.full[:, 2:4]
        self.full[:, :, :2], self.full[:, :, -2:] = self.full[:, :, -4:-2], self.full[:, :, 2:4]


class _Upwind:
    """h times the right-hand side, as a stencil of neighbours whose weights follow the velocity."""

    FAR = {1: (1.0, 0.0), 2: (2.0, 0.5)}
    """Weights of the nearest and the next point of the one-sided difference, over dx, signs left out."""

    def __init__(
        self, n: int, h: float, dx: float, viscosity: float, order: int = 2, device: torch.device | None = None
    ) -> None:
        self.convection, self.diffusion, self.order = h / dx, h * viscosity / dx**2, order
        buffers = torch.empty(4, 2, n, n, dtype=torch.float64, device=device)
        self.ahead, self.behind, self.weight, self.out = buffers.unbind()
        self.centre = torch.empty(n, n, dtype=torch.float64, device=device)

    def __call__(self, w: _Halo) -> torch.Tensor:
        """-u D_x w - v D_y w + viscosity Lap w for w in (u, v), times h; the buffer is used again."""
        near, far = self.FAR[self.order]
        # |velocity| h / dx where the velocity is negative, and where it is positive
        torch.clamp(w.inner, max=0.0, out=self.ahead).mul_(-self.convection)
        torch.clamp(w.inner, min=0.0, out=self.behind).mul_(self.convection)
        torch.add(self.ahead, self.behind, out=self.weight)
        torch.add(self.weight[0], self.weight[1], out=self.centre)
        self.centre.mul_(near - far).add_(4 * self.diffusion).neg_()
        torch.mul(w.inner, self.centre, out=self.out)
        for side, velocity in ((1, self.ahead), (-1, self.behind)):
            torch.mul(velocity, near, out=self.weight).add_(self.diffusion)
            self.out.addcmul_(w.x[side], self.weight[0]).addcmul_(w.y[side], self.weight[1])
            if far:
                self.out.addcmul_(w.x[2 * side], velocity[0], value=-far)
                self.out.addcmul_(w.y[2 * side], velocity[1], value=-far)
        return self.out
