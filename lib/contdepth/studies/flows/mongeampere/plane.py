"""Densities on the plane: fields that are gradients beside fields that are free, of as many parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contdepth.flows import ContinuousFlow, MongeAmpereFlow, Potential
from contdepth.schemes.base import Field
from contdepth.seeds import generator

__all__ = ["FreeFlow", "PlaneFit", "curl", "fit_plane", "moons", "pinwheel"]


def moons(count: int, seed: int, part: str) -> Tensor:
    """Two half circles with normal noise of 0.1, ``(count, 2)``, of about unit variance."""
    source = generator(seed, f"moons/{part}")
    angle = math.pi * torch.rand(count, generator=source)
    upper = torch.rand(count, generator=source) < 0.5
    x = torch.where(upper, angle.cos(), 1 - angle.cos())
    y = torch.where(upper, angle.sin(), 0.5 - angle.sin())
    noise = 0.1 * torch.randn(count, 2, generator=source)
    return (torch.stack([x - 0.5, y - 0.25], 1) + noise) * torch.tensor([1.15, 2.0])


def pinwheel(count: int, seed: int, part: str) -> Tensor:
    """Five blades, bent all the same way round, ``(count, 2)``, of about unit variance."""
    source = generator(seed, f"pinwheel/{part}")
    blade = torch.randint(5, (count,), generator=source)
    along, across = 1 + 0.3 * torch.randn(count, generator=source), 0.1 * torch.randn(count, generator=source)
    angle = 2 * math.pi * blade / 5 + 0.25 * (4 * along).exp() / math.exp(4)
    turned = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).reshape(-1, 2, 2)
    return 1.3 * torch.einsum("nij,nj->ni", turned, torch.stack([along, across], 1))


class _FreeField(nn.Module):
    """f(x) = V s(W x + b) with s the sigmoid of the potential's gradient; its trace in closed form."""

    def __init__(self, hidden: int, source: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(hidden, 2, generator=source) / math.sqrt(2))
        self.out = nn.Parameter(0.1 * torch.randn(hidden, 2, generator=source) / math.sqrt(hidden))
        self.bias = nn.Parameter(torch.zeros(hidden))

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        return torch.sigmoid(F.linear(x, self.weight, self.bias)) @ self.out

    def slopes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        slope = torch.sigmoid(F.linear(x, self.weight, self.bias))
        return slope @ self.out, (slope * (1 - slope)) @ (self.out * self.weight).sum(1)


class FreeFlow(ContinuousFlow):
    """A flow along a field of one hidden layer that need not be a gradient."""

    def __init__(self, hidden: int, steps: int, source: torch.Generator) -> None:
        super().__init__(_FreeField(hidden, source), 2, steps=steps)

    def _rates(self, x: Tensor, generator: torch.Generator | None) -> Field:
        field: _FreeField = self.f  # type: ignore[assignment]

        def rates(t: Tensor, u: Tensor) -> Tensor:
            value, trace = field.slopes(u[..., :-1])
            return torch.cat([value, trace.unsqueeze(-1)], dim=-1)

        return rates


class PlaneFit(NamedTuple):
    """Flows of all seeds at the rate that was chosen, and their mean -ln p on test points, ``(seeds,)``."""

    flows: list[ContinuousFlow]
    loss: np.ndarray
    rate: float


def fit_plane(
    name: str,
    free: bool,
    rates: Sequence[float],
    seeds: Sequence[int],
    *,
    iterations: int = 500,
    hidden: int = 80,
    steps: int = 6,
    batch: int = 256,
) -> PlaneFit:
    """Train by Adam on -ln p, points drawn anew for every batch; held-out points choose the rate.

    A potential of ``hidden`` units has 4 parameters a unit, a free field 5, and four fifths of the units.
    """
    draw = {"moons": moons, "pinwheel": pinwheel}[name]
    found = []
    for rate in rates:
        flows: list[ContinuousFlow] = []
        for seed in seeds:
            source = generator(seed, "plane")
            if free:
                flow: ContinuousFlow = FreeFlow(4 * hidden // 5, steps, source)
            else:
                flow = MongeAmpereFlow(Potential(2, hidden, generator=source), 2, time=1.0, steps=steps)
            x = draw(batch * iterations, seed, "learn").reshape(iterations, batch, 2)
            optimiser = torch.optim.Adam(flow.parameters(), rate)
            plan = torch.optim.lr_scheduler.OneCycleLR(
                optimiser, rate, total_steps=max(iterations, 2), pct_start=0.1
            )
            for each in x:
                loss = -flow.log_density(each).mean()
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
                optimiser.step()
                plan.step()
            flows.append(flow)
        with torch.no_grad():
            held = [
                -f.log_density(draw(2000, s, "choose")).mean().item() for f, s in zip(flows, seeds, strict=True)
            ]
        found.append((np.mean(held), flows, rate))
    _, flows, rate = min(found, key=lambda one: one[0])
    with torch.no_grad():
        losses = [-f.log_density(draw(5000, s, "judge")).mean().item() for f, s in zip(flows, seeds, strict=True)]
    return PlaneFit(flows, np.array(losses), rate)


def curl(flow: ContinuousFlow, x: Tensor) -> Tensor:
    """∂₁f₂ - ∂₂f₁ at points ``x`` ``(n, 2)``."""
    full = torch.func.vmap(torch.func.jacrev(lambda one: flow.f(one.new_zeros(()), one)))(x)
    return (full[:, 1, 0] - full[:, 0, 1]).detach()
