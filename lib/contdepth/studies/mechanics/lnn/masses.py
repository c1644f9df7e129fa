"""Mass matrices of Lagrangian networks: how near to singular they are, before training and along paths."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contdepth.mechanics import LagrangianNet, forecast
from contdepth.schemes import RK4, RungeKutta
from contdepth.seeds import generator

__all__ = ["Masses", "flips", "mass", "own_order", "own_rate", "tail", "untrained"]


@dataclass(frozen=True)
class Masses:
    """Of untrained networks: ``condition`` numbers (nets, states), and which nets have a ``flip`` (nets,).

    A flip is a determinant of either sign: between two such states the mass matrix is singular somewhere.
    """

    condition: np.ndarray
    flip: np.ndarray


def mass(model: LagrangianNet, u: Tensor) -> Tensor:
    """Return ∂²L/∂v∂v ``(..., n, n)`` at states u = (q, v) ``(..., 2n)``."""
    n = model.degrees
    with torch.no_grad():
        return model.net.rows(u, torch.eye(2 * n, dtype=u.dtype)[n:])[1][..., n:]


def untrained(
    init: str, nets: int, states: int, *, hidden: Sequence[int] = (64, 64), degrees: int = 2, seed: int = 0
) -> Masses:
    """Return the mass matrices of ``nets`` new networks in float64, at random angles and speeds below 2."""
    spread = torch.tensor([np.pi] * degrees + [2.0] * degrees, dtype=torch.float64)
    drawn = 2 * torch.rand(states, 2 * degrees, generator=generator(seed, "masses"), dtype=torch.float64) - 1
    conditions, flips = [], []
    for k in range(nets):
        source = generator(seed, f"masses/{k}")
        model = LagrangianNet(degrees, hidden, init=init, generator=source).double()
        matrices = mass(model, spread * drawn)
        conditions.append(torch.linalg.cond(matrices).numpy())
        signs = torch.linalg.det(matrices).sign()
        flips.append(bool(signs.min() != signs.max()))
    return Masses(np.array(conditions), np.array(flips))


def tail(found: Masses, low: float, high: float) -> float:
    """Return -d ln P/d ln κ of the share P of states with a condition number above κ, between two of these.

    A determinant that passes through 0 with a slope gives 1. Infinity where none is above ``high``.
    """
    near, far = (float((found.condition > one).mean()) for one in (low, high))
    return math.log(near / far) / math.log(high / low) if far else math.inf


def flips(model: LagrangianNet, u: Tensor) -> float:
    """Return the share of states u whose determinant of the mass matrix has the sign that fewer of them have."""
    signs = torch.linalg.det(mass(model, u)) > 0
    share = float(signs.double().mean())
    return min(share, 1 - share)


def own_order(model: LagrangianNet, starts: Tensor, step: float, until: float) -> float:
    """Return the order in the step at which a roll-out by RK4 changes the network's own energy, from ``step`` / 2.

    By the mean over starts of the largest change on the way; NaN where a roll-out is lost.
    """
    exact, drifts = copy.deepcopy(model).double(), []
    for size in (step, step / 2):
        times = size * torch.arange(round(until / size) + 1, dtype=torch.float64)
        way = forecast(exact, starts.double(), times, scheme=RungeKutta(RK4))
        with torch.no_grad():
            kept = exact.energy(way.states)
        drifts.append(float((kept - kept[0]).abs().amax(0).mean()))
    return math.log2(drifts[0] / drifts[1])


def own_rate(model: LagrangianNet, u: Tensor) -> float:
    """Return the largest |dE/dt| over |∇E| |u'| of a network's own energy E along its own motion, in float64."""
    exact, u = copy.deepcopy(model).double().requires_grad_(False), u.double()
    with torch.no_grad():
        motion = exact.field(torch.tensor(0.0), u)
    slope, rate = torch.func.vjp(exact.energy, u)[1], torch.func.jvp(exact.energy, (u,), (motion,))[1]
    steep = slope(torch.ones(u.shape[:-1], dtype=u.dtype))[0].norm(dim=-1)
    return float((rate.abs() / (steep * motion.norm(dim=-1) + 1e-12)).max())
