"""Nets that learn the solution of -u'' = g by its values or by the residual; and Jacobi after them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contdepth.studies.landscape.frequency.fitting import Course
from contdepth.studies.landscape.frequency.jacobi import MODES, Array, Poisson, sweeps_until
from contdepth.studies.landscape.frequency.members import Design, start

__all__ = ["LOSSES", "Learned", "learn", "operations", "with_derivatives"]

LOSSES = ("values", "residual")
BOUNDARY = 10.0


@dataclass(frozen=True)
class Learned:
    """``course`` of the modes, and ``values`` (S, n - 1) of the trained nets at the inner points."""

    course: Course
    values: Array

    def sweeps(self, problem: Poisson, omega: float, tolerance: float) -> Array:
        """Sweeps that each net's values still need, (S,)."""
        return np.array([float(sweeps_until(problem, u, omega, tolerance)) for u in self.values])


def with_derivatives(parameters: Sequence[Tensor], x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """h, h', h'' of tanh nets at x (n, 1), (S, n) each: the chain rule, layer by layer."""
    value, slope, bend = x, torch.ones_like(x), torch.zeros_like(x)
    for layer in range(0, len(parameters), 2):
        weight = parameters[layer]
        value, slope, bend = value @ weight + parameters[layer + 1], slope @ weight, bend @ weight
        if layer + 2 < len(parameters):
            value = torch.tanh(value)
            rise = 1 - value.square()
            slope, bend = rise * slope, rise * (bend - 2 * value * slope.square())
    return value[..., 0], slope[..., 0], bend[..., 0]


def losses(kind: str, parameters: Sequence[Tensor], x: Tensor) -> Tensor:
    """One of ``LOSSES`` at the points x (n + 1, 1), ends included; (S,)."""
    value, _, bend = with_derivatives(parameters, x)
    inner = x[:, 0]
    ends = value[:, 0].square() + value[:, -1].square()
    if kind == "values":
        wanted = sum(torch.sin(k * inner) for k in MODES)
        return (value - wanted).square().mean(1) / 2
    g = sum(k**2 * torch.sin(k * inner) for k in MODES)
    return (bend + g).square().mean(1) / 2 + BOUNDARY * ends / 2


def learn(
    kind: str,
    problem: Poisson,
    seeds: Sequence[int],
    *,
    steps: int = 2000,
    rate: float = 1e-3,
    look: int = 10,
    design: Design | None = None,
) -> Learned:
    """Adam for ``steps`` steps on all points of the grid."""
    x = torch.linspace(0, math.pi, problem.n + 1, dtype=torch.float64)[:, None]
    design = Design() if design is None else design
    parameters = [part.requires_grad_() for part in start(design, seeds)]
    optimiser = torch.optim.Adam(parameters, lr=rate)
    marks, errors = [], []
    for step in range(steps + 1):
        if step % look == 0:
            with torch.no_grad():
                found = with_derivatives(parameters, x[1:-1])[0].numpy()
            marks.append(step)
            errors.append(problem.mode_errors(found))
        if step == steps:
            break
        optimiser.zero_grad()
        losses(kind, parameters, x).sum().backward()
        optimiser.step()
    return Learned(Course(np.array(marks), np.array(errors)), found)


def operations(design: Design, problem: Poisson, steps: int) -> float:
    """Multiplications of the products in ``steps`` steps with the residual, in units of one sweep (three a point).

    Forward go h, h' and h'', and the way back is counted as twice the way forward.
    """
    sizes = (1, *design.hidden, 1)
    products = sum(before * after for before, after in zip(sizes, sizes[1:], strict=False))
    return steps * 9 * products * (problem.n + 1) / (3 * (problem.n - 1))
