"""How far the simulators are from what they solve: exact solutions, refinement, distance between generators."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from contdepth import checks
from contdepth.pde.simulate.catalogue import burgers1d, burgers2d
from contdepth.pde.simulate.equations import Equation
from contdepth.pde.simulate.initial import random_fourier
from contdepth.pde.simulate.integrate import exponential_steps
from contdepth.pde.simulate.solution import solve
from contdepth.pde.simulate.spectral import SpectralRHS
from contdepth.pde.simulate.upwind import burgers2d_upwind

__all__ = ["cole_hopf", "distance", "etdrk4_errors", "heun_errors", "orders", "soliton", "upwind_errors"]


def distance(found: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
    """Relative L2 distance (N, T) of trajectories (N, T, F, *space), over fields and space."""
    checks.same_shape("found", found, tuple(exact.shape))
    return (found - exact).flatten(2).norm(dim=2) / exact.flatten(2).norm(dim=2)


def orders(errors: Sequence[float]) -> list[float]:
    """Observed orders log2(e_i / e_{i + 1}) of errors under halving."""
    return [math.log2(a / b) for a, b in zip(errors[:-1], errors[1:], strict=True)]


def cole_hopf(points: int, times: Sequence[float], viscosity: float) -> torch.Tensor:
    """Exact solution (1, T, 1, points) of u_t = -u u_x + viscosity u_xx on [0, 2 pi), by Cole and Hopf.

    u = -2 nu phi_x / phi with the heat solution phi = 1 + 0.6 exp(-nu t) cos(x - 1).
    """
    x = torch.arange(points, dtype=torch.float64) * 2 * math.pi / points
    decay = 0.6 * torch.exp(-viscosity * torch.as_tensor(times, dtype=torch.float64))[:, None]
    u = 2 * viscosity * decay * torch.sin(x - 1) / (1 + decay * torch.cos(x - 1))
    return u[None, :, None]


def soliton(points: int, times: Sequence[float], length: float = 40.0, speed: float = 2.0) -> torch.Tensor:
    """Solution (1, T, 1, points) of u_t = -6 u u_x - u_xxx: c / 2 cosh^-2(sqrt(c) (x - c t - s) / 2), c the speed.

    One period of the solution on the line, exact up to its tails at the ends; it starts at s = 3/8 ``length``.
    """
    x = torch.arange(points, dtype=torch.float64) * length / points
    t = torch.as_tensor(times, dtype=torch.float64)[:, None]
    wave = speed / 2 / torch.cosh(math.sqrt(speed) / 2 * (x - speed * t - 0.375 * length)) ** 2
    return wave[None, :, None]


def upwind_errors(
    order: int, grids: Sequence[int], *, time: float = 0.2, max_step: float = 1 / 400
) -> list[float]:
    """Distances of the upwind generator of ``order`` on ``grids`` (multiples of 16) to the spectral solution.

    Smooth initial data of frequency 1 whose velocity has no zeros at its extrema; viscosity 0.05.
    """

    def first(n: int) -> torch.Tensor:
        return random_fourier(1, n, fields=2, frequency=1, amplitude=1.0, mean=1.0, seed=8)

    exact = solve(burgers2d(0.05), first(64), [0.0, time], grid=16)[:, 1:]
    runs = (
        burgers2d_upwind(first(n), 1, time, viscosity=0.05, grid=16, order=order, max_step=max_step)[:, 1:]
        for n in grids
    )
    return [float(distance(run, exact)) for run in runs]


def heun_errors(steps: Sequence[int], *, time: float = 0.4) -> list[float]:
    """Distances of the upwind generator with m and 2 m steps for every m of ``steps``, on 16 points per axis."""
    u0 = random_fourier(1, 16, fields=2, frequency=1, amplitude=1.0, mean=1.0, seed=8)

    def run(m: int) -> torch.Tensor:
        return burgers2d_upwind(u0, 1, time, max_step=time / m)[:, 1:]

    return [float(distance(run(m), run(2 * m))) for m in steps]


def etdrk4_errors(
    steps: Sequence[int], *, equation: Equation | None = None, points: int = 32, time: float = 0.5
) -> list[float]:
    """Errors of ETDRK4 with equal steps against eight times the finest number, for 1-D Burgers by default."""
    equation = burgers1d(0.1, 2 * math.pi) if equation is None else equation
    rhs = SpectralRHS(equation, (points,))
    w0 = rhs.to_modes(random_fourier(1, points, equation.length, dim=1, amplitude=1.0, seed=1))
    exact = exponential_steps(rhs, w0, time, 8 * max(steps))
    return [float((exponential_steps(rhs, w0, time, m) - exact).norm() / exact.norm()) for m in steps]
