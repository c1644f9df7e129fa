"""Observed chains with noise, arms that learn them with equal effort, and how far each goes before it is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contdepth.mechanics import (
    Forecast,
    HamiltonianNet,
    RolloutFit,
    SpringChain,
    VectorFieldNet,
    fit_rollouts,
    forecast,
)
from contdepth.schemes import RK4, ForwardEuler, Leapfrog, RungeKutta
from contdepth.seeds import generator
from contdepth.studies.mechanics.srnn.exact import solved

__all__ = ["ARMS", "Arm", "Judged", "Observed", "Plan", "judge", "linear", "observe", "train"]


@dataclass(frozen=True)
class Plan:
    """Sizes of one contest: ``masses``, ``count`` trajectories of ``rows`` steps of ``h``, ``noise``; training.

    ``batch`` counts windows of the longest kind: an arm with shorter ones takes as many more, so that every step
    compares as many states.
    """

    masses: int = 20
    count: int = 1000
    rows: int = 10
    h: float = 0.1
    noise: float = 0.2
    steps: int = 300
    batch: int = 16
    width: int = 128
    rate: float = 0.1
    judged: int = 40
    horizon: int = 200


@dataclass(frozen=True)
class Arm:
    """One way to learn: ``plain`` field or energy, the scheme, ``window`` (None: all rows), learned ``starts``.

    ``rate`` multiplies that of the plan, ``later`` the arm's own in the second half, where windows are long.
    """

    scheme: Any
    plain: bool = False
    window: int | None = None
    starts: str = "observed"
    rate: float = 1.0
    later: float = 0.3


ARMS = {
    "leapfrog": Arm(Leapfrog()),
    "learned starts": Arm(Leapfrog(), starts="learned"),
    "one step": Arm(Leapfrog(), window=1),
    "Euler": Arm(ForwardEuler()),
    "plain, RK4": Arm(RungeKutta(RK4), plain=True, rate=0.3),
}
"""The arms of the page, with the rates that were best on another chain."""


@dataclass(frozen=True)
class Observed:
    """A ``chain`` with what is seen of it.

    ``seen`` ``(rows + 1, count, 2n)`` float32 holds noise, ``clean`` none; ``truth`` ``(horizon + 1, judged, 2n)``
    are other trajectories, without noise.
    """

    chain: SpringChain
    times: Tensor
    seen: Tensor
    clean: Tensor
    truth: Tensor

    @property
    def judged_times(self) -> Tensor:
        """Times of ``truth``."""
        return torch.arange(len(self.truth), dtype=torch.float32) * (self.times[1] - self.times[0])


def observe(plan: Plan, seed: int) -> Observed:
    """Draw a chain and its trajectories: chain, starts and noise all from ``seed``."""
    chain = SpringChain.drawn(plan.masses, generator(seed, "chain"))
    times = torch.arange(plan.rows + 1) * plan.h
    clean = solved(chain, chain.draw(plan.count, generator(seed, "train")), times.double())
    noise = torch.randn(clean.shape, generator=generator(seed, "noise"), dtype=torch.float64)
    late = torch.arange(plan.horizon + 1, dtype=torch.float64) * plan.h
    truth = solved(chain, chain.draw(plan.judged, generator(seed, "judged")), late)
    return Observed(chain, times, (clean + plan.noise * noise).float(), clean, truth)


def train(arm: Arm, data: Observed, plan: Plan, seed: int) -> RolloutFit:
    """Train ``arm`` on ``data``; all arms get the same first weights of their kind and equal effort.

    An arm with long windows takes single steps in the first half of its training, by the same scheme: from random
    weights long roll-outs teach little.
    """
    n, source = plan.masses, generator(seed, "net")
    model: nn.Module = (
        VectorFieldNet(2 * n, (plan.width,), activation="softplus", generator=source)
        if arm.plain
        else HamiltonianNet(n, (plan.width,), activation="softplus", generator=source)
    )
    rate, early = plan.rate * arm.rate, plan.steps // 2
    how: dict[str, Any] = {"scheme": arm.scheme, "seed": seed, "schedule": "one cycle"}
    many = plan.batch * plan.rows
    if arm.window == 1:
        return fit_rollouts(model, data.seen, data.times, window=1, steps=plan.steps, batch=many, rate=rate, **how)
    first = fit_rollouts(model, data.seen, data.times, window=1, steps=early, batch=many, rate=rate, **how)
    how |= {"starts": arm.starts, "start_rate": 1e-2, "rate": rate * arm.later}
    late = plan.steps - early
    found = fit_rollouts(model, data.seen, data.times, window=plan.rows, steps=late, batch=plan.batch, **how)
    found.losses = first.losses + found.losses
    return found


@dataclass(frozen=True)
class Judged:
    """Of one model: mean squared error ``(horizon + 1,)`` over states, and that of the true energy, relative.

    Both are medians over trajectories; one that blew up counts as infinite.
    """

    error: np.ndarray
    energy: np.ndarray


def judge(data: Observed, model: Any, scheme: Any, starts: Tensor | None = None) -> Judged:
    """Roll ``model`` out from the true first states of ``data.truth``, or from ``starts``."""
    begin = data.truth[0].float() if starts is None else starts
    return measured(data, forecast(model, begin, data.judged_times, scheme=scheme))


def measured(data: Observed, found: Forecast) -> Judged:
    """Return errors of ``found`` against ``data.truth``."""
    states = found.states.double()
    error = (states - data.truth).square().mean(-1)
    true = data.chain.energy(data.truth[0])
    energy = (data.chain.energy(states) / true - 1).abs()
    middles = [one.nan_to_num(nan=torch.inf).median(dim=1).values.numpy() for one in (error, energy)]
    return Judged(*middles)


def linear(data: Observed) -> Judged:
    """The control: one matrix from row to next row by least squares, rolled out in float64."""
    before, after = (rows.double().flatten(0, 1) for rows in (data.seen[:-1], data.seen[1:]))
    step = torch.linalg.solve(before.T @ before, before.T @ after)  # lstsq is not the same to the bit twice
    states: list[Tensor] = [data.truth[0]]
    for _ in range(len(data.truth) - 1):
        states.append(states[-1] @ step)
    whole = torch.full((states[0].shape[0],), torch.inf)
    return measured(data, Forecast(data.judged_times, torch.stack(states), whole))


def stacked(found: Sequence[Judged]) -> Judged:
    """Judgements of several seeds along a first axis."""
    return Judged(np.stack([one.error for one in found]), np.stack([one.energy for one in found]))
