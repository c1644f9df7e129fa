"""Time integration of a pseudo-spectral equation to a tolerance: SciPy's DOP853, or exponential Runge-Kutta."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from scipy.integrate import DOP853

from contdepth import checks
from contdepth.pde.simulate.spectral import SpectralRHS

if TYPE_CHECKING:
    from contdepth.pde.simulate.equations import Equation

    class RightHandSide(Protocol):
        """du/dt of an equation: (N, F, *space) to the same shape."""

        equation: Equation

        def __call__(self, u: torch.Tensor, /) -> torch.Tensor: ...


__all__ = ["dop853", "etdrk4", "exponential_steps"]

_MOST = 10**5  # steps of DOP853 from the first to the last time
_FINEST = 12  # an interval is cut into at most 2**12 steps


def dop853(
    rhs: RightHandSide, u0: torch.Tensor, times: Sequence[float], rtol: float, atol: float
) -> Iterator[torch.Tensor]:
    """Yield the state (N, F, *space) at times[1:], from SciPy's explicit Runge-Kutta method of order 8.

    The state is the vector of all grid values of the batch; its dense output gives the asked times.
    ``RuntimeError`` if the step size falls to rounding, or as soon as the steps done say that more than 100,000
    would be needed; ``ValueError`` if du/dt is not finite at the start.
    """
    shape = u0.shape
    checks.finite("du/dt at the first time", rhs(u0), "SciPy's solver would not end")

    def slope(t: float, y: np.ndarray) -> np.ndarray:
        return rhs(torch.from_numpy(y).reshape(shape).to(u0.device)).cpu().numpy().ravel()

    solver = DOP853(slope, times[0], u0.cpu().numpy().ravel(), times[-1], rtol=rtol, atol=atol)
    dense, done = None, 0
    for time in times[1:]:
        while solver.t < time:
            message = solver.step()
            dense, done = None, done + 1
            if done >= 100 and done * (times[-1] - times[0]) > _MOST * (solver.t - times[0]):
                raise RuntimeError(
                    f"{rhs.equation.name}: no solution to t = {times[-1]:.6g} in {_MOST} steps "
                    f"({done} led to {solver.t:.6g})"
                )
            if solver.status == "failed":
                raise RuntimeError(f"{rhs.equation.name}: no solution beyond t = {solver.t:.6g} ({message})")
        dense = solver.dense_output() if dense is None else dense
        state = torch.from_numpy(np.array(solver.y if time == solver.t else dense(time)))
        yield state.reshape(shape).to(u0.device)


def etdrk4(
    rhs: SpectralRHS, u0: torch.Tensor, times: Sequence[float], rtol: float, atol: float
) -> Iterator[torch.Tensor]:
    """Yield the state (N, F, *space) at times[1:], from exponential time differencing of order 4 (ETDRK4).

    Scheme: Cox and Matthews, J. Comput. Phys. 176 (2002); its coefficients as contour means, as Kassam and
    Trefethen, SIAM J. Sci. Comput. 26 (2005) propose. The linear part is solved exactly, so stiffness of u_xxx
    or u_xxxx does not limit the step. Each interval is done with m and 2 m equal steps, m a power of 2, until
    the root mean square of the difference divided by 15, over atol + rtol |u|, is below 1; the finer is kept.
    ``RuntimeError`` if 2**12 steps for one interval are not enough.
    """
    w = rhs.to_modes(u0)
    level, schemes = 0, rhs.cache

    def advance(w: torch.Tensor, span: float, level: int) -> torch.Tensor:
        key = (round(span, 12), level)
        if key not in schemes:
            schemes[key] = _Etdrk4(rhs, span / 2**level)
        for _ in range(2**level):
            w = schemes[key].step(w)
        return w

    for start, end in zip(times[:-1], times[1:], strict=True):
        coarse = advance(w, end - start, level)
        while True:
            if level >= _FINEST:
                raise RuntimeError(f"{rhs.equation.name}: no solution beyond t = {start:.6g} (step too small)")
            fine = advance(w, end - start, level + 1)
            value = rhs.to_values(fine)
            error = (value - rhs.to_values(coarse)) / (15 * (atol + rtol * value.abs()))
            error = float(error.square().mean().sqrt())  # type: ignore[assignment]
            if error <= 1:
                break
            coarse, level = fine, level + 1
        w = fine
        level = max(0, level - 1) if error < 1 / 64 else level
        yield value


def exponential_steps(rhs: SpectralRHS, w: torch.Tensor, time: float, steps: int) -> torch.Tensor:
    """Fourier coefficients after ``steps`` equal steps of ETDRK4 that cover ``time``, without error control."""
    scheme = _Etdrk4(rhs, time / steps)
    for _ in range(steps):
        w = scheme.step(w)
    return w


class _Etdrk4:
    """One step of size h; a, b, c are the half-step, three-quarter and full-step stages."""

    def __init__(self, rhs: SpectralRHS, h: float, points: int = 32) -> None:
        self.nonlinear = rhs.nonlinear
        z = h * rhs.linear
        self.whole, self.half = torch.exp(z), torch.exp(z / 2)
        turns = (torch.arange(points, dtype=torch.float64, device=z.device) + 0.5) / points
        circle = torch.polar(torch.ones_like(turns), 2 * torch.pi * turns)
        q = first = middle = last = torch.zeros_like(z)
        for turn in circle:
            r = z + turn
            e = torch.exp(r)
            q = q + (torch.exp(r / 2) - 1) / r
            first = first + (-4 - r + e * (4 - 3 * r + r * r)) / r**3
            middle = middle + (2 + r + e * (r - 2)) / r**3
            last = last + (-4 - 3 * r - r * r + e * (4 - r)) / r**3
        self.q, self.first, self.middle, self.last = (h * s / points for s in (q, first, 2 * middle, last))

    def step(self, w: torch.Tensor) -> torch.Tensor:
        """Fourier coefficients after h."""
        n0 = self.nonlinear(w)
        decayed = self.half * w
        a = decayed + self.q * n0
        na = self.nonlinear(a)
        b = decayed + self.q * na
        nb = self.nonlinear(b)
        c = self.half * a + self.q * (2 * nb - n0)
        nc = self.nonlinear(c)
        return self.whole * w + self.first * n0 + self.middle * (na + nb) + self.last * nc
