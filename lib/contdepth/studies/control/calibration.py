"""Training a correction online, through a solver, with the gradient of choice, or offline, on slopes of data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import make_interp_spline
from torch import Tensor

from contdepth import checks
from contdepth.schemes import RK4, RungeKutta, euler_gradient, march
from contdepth.seeds import generator
from contdepth.studies.control.corrections import Corrections, Hybrid
from contdepth.studies.control.lorenz import core, windows

__all__ = ["GRADIENTS", "Plan", "Solver", "held_out_loss", "offline", "online", "slopes", "through"]

GRADIENTS = ("exact", "euler", "straight", "static", "one call")
STENCILS = {
    1: (-1.0, 1.0),
    2: (-1 / 2, 0.0, 1 / 2),
    4: (1 / 12, -2 / 3, 0.0, 2 / 3, -1 / 12),
    6: (-1 / 60, 3 / 20, -3 / 4, 0.0, 3 / 4, -3 / 20, 1 / 60),
}
Solver = Callable[[Hybrid, Tensor, Tensor], Tensor]
"""``(model, u0 (seeds, batch, 3), t (N + 1,)) -> u (N + 1, seeds, batch, 3)``, of no derivative."""


@dataclass(frozen=True)
class Plan:
    """What all arms have in common: seeds of weights and order, steps of Adam, batches, rate and its decay.

    ``intervals`` of ``interval`` between data make a window; the model takes ``inner`` steps of RK4 in each.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 1500
    batch: int = 128
    rate: float = 0.1
    intervals: int = 10
    interval: float = 0.01
    inner: int = 1


def through(model: Hybrid, start: Tensor, plan: Plan, gradient: str, solver: Solver | None = None) -> Tensor:
    """Return the model's states ``(intervals + 1, seeds, batch, 3)`` at the times of the data, differentiable.

    ``gradient``: ``"exact"``, that of the steps taken; ``"euler"``, with Euler's Jacobian of each step;
    ``"straight"``, with that of the correction alone; ``"static"``, without; ``"one call"``: static, one Euler
    step over the whole interval between data. ``solver`` is called in place of RK4 and not differentiated.
    """
    checks.one_of("gradient", gradient, GRADIENTS)
    fine = torch.linspace(0, plan.intervals * plan.interval, plan.intervals * plan.inner + 1, dtype=start.dtype)
    if gradient == "exact":
        return march(model, start, fine, RungeKutta(RK4))[:: plan.inner]
    with torch.no_grad():
        found = solver(model, start, fine) if solver else march(model, start, fine, RungeKutta(RK4))
    if gradient == "one call":
        found, fine = found[:: plan.inner], fine[:: plan.inner]
    f = model if gradient == "euler" else model.correction
    static = gradient in ("static", "one call")
    states = euler_gradient(f, found, start, fine, static=static)
    return states if gradient == "one call" else states[:: plan.inner]


def held_out_loss(correction: Corrections, data: Tensor, plan: Plan) -> Tensor:
    """Return the mean squares ``(seeds,)`` over all windows of trajectories that no training has seen."""
    wanted = windows(data, plan.intervals).transpose(0, 1)[:, None]
    start = wanted[0].expand(len(correction.weights[0]), -1, -1).contiguous()
    with torch.no_grad():
        found = through(Hybrid(core, correction), start, plan, "exact")
    return (found - wanted).square().mean((0, 2, 3))


def online(data: Tensor, plan: Plan, gradient: str, solver: Solver | None = None) -> tuple[Corrections, Tensor]:
    """Train corrections ``(seeds)`` on trajectories ``(count, length, 3)``; return them and the losses."""
    stretches = windows(data, plan.intervals)

    def loss(model: Hybrid, rows: Tensor) -> Tensor:
        wanted = stretches[rows].permute(2, 0, 1, 3)
        found = through(model, wanted[0], plan, gradient, solver)
        return (found - wanted).square().mean((0, 2, 3))

    return _trained(plan, plan.batch, len(stretches), loss)


def slopes(data: Tensor, interval: float, order: int | str) -> tuple[Tensor, Tensor]:
    """Return states and their slopes ``(n, 3)`` from trajectories ``(count, length, 3)``.

    ``order``: that of finite differences, forward ones if it is 1, else central ones; or ``"spline"``, slopes of
    the quintic spline through a trajectory, ten states at either end left out.
    """
    checks.one_of("order", order, ("spline", *STENCILS))
    if isinstance(order, str):
        times = np.arange(data.shape[1]) * interval
        rates = make_interp_spline(times, data.numpy(), k=5, axis=1).derivative()(times)
        return data[:, 10:-10].reshape(-1, 3), torch.from_numpy(rates)[:, 10:-10].reshape(-1, 3)
    weights = torch.tensor(STENCILS[order], dtype=data.dtype)
    stretches = data.unfold(1, len(weights), 1)
    states = stretches[..., 0 if order == 1 else order // 2]
    return states.reshape(-1, 3), (stretches @ weights).reshape(-1, 3) / interval


def offline(data: Tensor, plan: Plan, order: int | str) -> tuple[Corrections, Tensor]:
    """Train corrections on slopes of data less those of the core; a batch has the states of an online one."""
    states, rates = slopes(data, plan.interval, order)
    wanted = rates - core(torch.zeros(()), states)

    def loss(model: Hybrid, rows: Tensor) -> Tensor:
        found = model.correction(torch.zeros(()), states[rows])
        return (found - wanted[rows]).square().mean((1, 2))

    return _trained(plan, plan.batch * plan.intervals, len(states), loss)


def _trained(
    plan: Plan, batch: int, rows: int, loss: Callable[[Hybrid, Tensor], Tensor]
) -> tuple[Corrections, Tensor]:
    """Return trained corrections and the losses ``(steps, seeds)``; each seed has its own weights and order."""
    model = Hybrid(core, Corrections(plan.seeds))
    adam = torch.optim.Adam(model.parameters(), lr=plan.rate)
    decay = torch.optim.lr_scheduler.LambdaLR(adam, lambda n: 0.5 * (1 + math.cos(math.pi * n / plan.steps)))
    draws = [generator(seed, "order of data") for seed in plan.seeds]
    kept = []
    for _ in range(plan.steps):
        chosen = torch.stack([torch.randint(rows, (batch,), generator=draw) for draw in draws])
        values = loss(model, chosen)
        adam.zero_grad()
        values.sum().backward()
        adam.step()
        decay.step()
        kept.append(values.detach())
    return model.correction, torch.stack(kept)
