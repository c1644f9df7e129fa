"""Burgers' equation as a map of functions: pairs on a fine grid, coarser grids, guesses without a net."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks
from contdepth.pde.simulate import SpectralRHS, burgers1d, gaussian_field
from contdepth.pde.simulate.integrate import exponential_steps

__all__ = ["Task", "advanced", "at", "drifting_heat", "level", "refined"]


@dataclass(frozen=True)
class Task:
    """Functions a and what u_t = -u u_x + ``viscosity`` u_xx makes of them at t = 1, on ``fine`` points of [0, 1).

    a is the paper's random function, with its constant or, as the published script has it, without. ``steps`` of
    ETDRK4 lead from 0 to 1.
    """

    viscosity: float = 0.1
    constant: bool = True
    fine: int = 256
    steps: int = 400

    def drawn(self, n: int, seed: int) -> Tensor:
        """Return ``n`` random functions a (n, 1, fine), float64."""
        waves = (self.fine - 1) // 2
        return gaussian_field(n, self.fine, frequency=waves, constant=self.constant, seed=seed)

    def pairs(self, n: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return ``n`` functions a and their u(1), both (n, 1, fine)."""
        a = self.drawn(n, seed)
        return a, self.later(a)

    def later(self, a: Tensor, time: float = 1.0) -> Tensor:
        """Return the solution (n, 1, points) at ``time`` from ``a`` (n, 1, points)."""
        return advanced(a, self.viscosity, time, max(1, math.ceil(self.steps * time)))


@torch.no_grad()
def advanced(a: Tensor, viscosity: float, time: float, steps: int) -> Tensor:
    """Return Burgers' solution (n, 1, points) at ``time`` from ``a``, so shaped, by ``steps`` of ETDRK4."""
    rhs = SpectralRHS(burgers1d(viscosity, 1.0), (a.shape[-1],))
    return torch.cat([rhs.to_values(exponential_steps(rhs, rhs.to_modes(x), time, steps)) for x in a.split(64)])


def at(grid: int, *functions: Tensor) -> tuple[Tensor, ...]:
    """Return every function (n, 1, points) at ``grid`` of its points, a divisor of their number."""
    for f in functions:
        if f.shape[-1] % grid:
            checks.fail("grid", f"a divisor of {f.shape[-1]} points", grid)
    return tuple(f[..., :: f.shape[-1] // grid] for f in functions)


def refined(u: Tensor, grid: int) -> Tensor:
    """Return ``u`` (n, 1, points) at ``grid`` >= points, by its trigonometric polynomial of least degree."""
    points = u.shape[-1]
    waves = torch.fft.rfft(u, norm="forward")
    if points % 2 == 0 and grid > points:
        waves = torch.cat((waves[..., :-1], waves[..., -1:] / 2), -1)  # half the points' wave goes to either sign
    return torch.fft.irfft(waves, n=grid, norm="forward")


def level(a: Tensor) -> Tensor:
    """Return the mean of each function at all points, the limit of u for late times."""
    return a.mean(-1, keepdim=True).expand_as(a)


def drifting_heat(a: Tensor, viscosity: float, time: float = 1.0) -> Tensor:
    """Return what u_t = -m u_x + ``viscosity`` u_xx makes of ``a`` (n, 1, points), m the mean of each function.

    It is Burgers' equation without its product of the deviations from the mean.
    """
    waves = torch.fft.rfft(a, norm="forward")
    k = 2 * math.pi * torch.arange(waves.shape[-1], dtype=a.dtype)
    factor = torch.exp(-viscosity * k**2 * time - 1j * k * a.mean(-1, keepdim=True) * time)
    return torch.fft.irfft(waves * factor, n=a.shape[-1], norm="forward")
