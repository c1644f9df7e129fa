"""Flows through snapshots from a standard normal law: a small net, and one way of training for all arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contdepth.flows import TrajectoryFlow, fit_trajectory
from contdepth.seeds import derive

__all__ = ["Plan", "Velocity", "train"]


@dataclass(frozen=True)
class Plan:
    """Sizes: ``steps`` of Adam, ``points`` shown of a time, those of a ``batch`` and ``judged``; RK4 steps."""

    steps: int = 150
    points: int = 1000
    judged: int = 400
    batch: int = 200
    solver: int = 3
    width: int = 32
    rate: float = 1e-2
    last_rate: float = 1e-3


class Velocity(nn.Module):
    """f(t, x) ``(..., d)``: two hidden layers of tanh that see x and t."""

    def __init__(self, dimension: int, width: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(derive(seed, "velocity"))
            first, second = nn.Linear(dimension + 1, width), nn.Linear(width, width)
            self.layers = nn.Sequential(first, nn.Tanh(), second, nn.Tanh(), nn.Linear(width, dimension))

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """Return the velocity at ``x`` ``(..., d)`` and time ``t`` ``()``."""
        return self.layers(torch.cat([x, t.expand(*x.shape[:-1], 1)], dim=-1))


def train(
    snapshots: Sequence[Tensor],
    times: Sequence[float],
    plan: Plan,
    seed: int,
    *,
    energy: float = 0.0,
    jacobian: float = 0.0,
    base: float | None = None,
) -> TrajectoryFlow:
    """Return a flow through ``snapshots`` with these weights; ``base`` is the normal law's time, or the first.

    It is handed out with four times as many steps of the solver as it was trained with, so that what is measured
    is the flow and not the steps that training got used to.
    """
    f = Velocity(snapshots[0].shape[1], plan.width, seed)
    start = times[0] if base is None else base
    flow = TrajectoryFlow(f, snapshots[0].shape[1], times, base=start, steps=plan.solver)
    fit_trajectory(
        flow,
        snapshots,
        steps=plan.steps,
        seed=seed,
        energy=energy,
        jacobian=jacobian,
        batch=plan.batch,
        rate=plan.rate,
        last_rate=plan.last_rate,
    )
    flow.steps = 4 * plan.solver
    return flow
