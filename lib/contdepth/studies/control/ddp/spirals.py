"""A small residual net on two spirals, the whole batch one state: exact sweeps with and without feedback."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contdepth.control import ControlProblem, SolvedDDP, solve_ddp
from contdepth.control.ddp.sweep import cost, states_of
from contdepth.seeds import generator

__all__ = ["RATES", "WAYS", "Spirals", "adam", "one_sweep", "races", "spirals", "steps_of_adam"]

WAYS: dict[str, dict[str, object]] = {
    "feedback, real states": {"feedback": "states"},
    "feedback, linearised": {"feedback": "linearised"},
    "no feedback": {"feedback": "off"},
    "no coupling": {"coupled": False},
}
"""Arm → arguments of ``solve_ddp``: the gains K with each δx, and Q_ux = 0."""
WIDTH, DECAY = 3, 1e-4
RATES = (0.01, 0.03, 0.1)
"""Of Adam."""


@dataclass(frozen=True)
class Spirals:
    """x_{t+1} = x_t + tanh(W_t x_t + b_t), mean of ½(x³_T - y)², and a decay; ``start`` (3 N,), y (N,) of ±1."""

    problem: ControlProblem
    start: Tensor
    labels: Tensor
    controls: tuple[Tensor, ...]

    def objective(self, controls: Sequence[Tensor]) -> Tensor:
        """J of given weights."""
        return cost(self.problem, states_of(self.problem, self.start, controls), controls)

    def correct(self, solved: SolvedDDP) -> float:
        """Share of the points whose sign is right."""
        return float((solved.states[-1].view(-1, WIDTH)[:, 2].sign() == self.labels).double().mean())


def spirals(seed: int, depth: int = 6, points: int = 24) -> Spirals:
    """Two arms of one turn in the plane with noise 0.05, third coordinate 0; weights of size 1/√3; by ``seed``."""
    g = generator(seed, "spirals")
    turn = torch.linspace(0.25, 1, points // 2, dtype=torch.float64)
    angle = 2 * math.pi * turn
    arm = turn[:, None] * torch.stack((angle.cos(), angle.sin()), 1)
    plane = torch.cat((arm, -arm)) + 0.05 * torch.randn(2 * len(arm), 2, generator=g, dtype=torch.float64)
    labels = torch.cat((torch.ones(len(arm)), -torch.ones(len(arm)))).double()
    start = torch.cat((plane, torch.zeros(len(plane), 1, dtype=torch.float64)), 1).flatten()
    first = torch.randn(depth, WIDTH, WIDTH + 1, generator=g, dtype=torch.float64) / math.sqrt(WIDTH)
    first[..., -1] = 0

    def step(t: int, x: Tensor, u: Tensor) -> Tensor:
        rows, matrix = x.view(-1, WIDTH), u.view(WIDTH, WIDTH + 1)
        return (rows + torch.tanh(rows @ matrix[:, :-1].T + matrix[:, -1])).flatten()

    def terminal(x: Tensor) -> Tensor:
        return (x.view(-1, WIDTH)[:, 2] - labels).square().mean() / 2

    def running(t: int, x: Tensor, u: Tensor) -> Tensor:
        return DECAY / 2 * u.square().sum()

    return Spirals(ControlProblem(step, terminal, running), start, labels, tuple(first.flatten(1)))


def races(iterations: int, seeds: Sequence[int]) -> dict[str, list[SolvedDDP]]:
    """Every arm from the same weights and with the same damping rule, a solution for each seed."""
    tasks = [spirals(seed) for seed in seeds]
    return {
        way: [solve_ddp(task.problem, task.start, task.controls, iterations, **given) for task in tasks]  # type: ignore[arg-type]
        for way, given in WAYS.items()
    }


def adam(task: Spirals, rate: float, steps: int) -> np.ndarray:
    """J (steps + 1,) before the first and after every step of Adam on the same objective and weights."""
    controls = torch.stack(task.controls).requires_grad_()
    rule, costs = torch.optim.Adam([controls], lr=rate), []
    for _ in range(steps + 1):
        value = task.objective(tuple(controls))
        rule.zero_grad()
        value.backward()
        costs.append(float(value.detach()))
        rule.step()
    return np.array(costs)


def steps_of_adam(task: Spirals, goal: float, steps: int) -> int:
    """First step at which Adam is at ``goal`` or below, at the best of ``RATES``; ``steps`` where none is."""
    curves = [adam(task, rate, steps) for rate in RATES]
    return min((int(np.argmax(curve <= goal)) for curve in curves if (curve <= goal).any()), default=steps)


def one_sweep(depth: int) -> Callable[[], object]:
    """A task: one iteration of ``solve_ddp`` on spirals with ``depth`` layers."""
    task = spirals(0, depth)
    return lambda: solve_ddp(task.problem, task.start, task.controls, 1)
