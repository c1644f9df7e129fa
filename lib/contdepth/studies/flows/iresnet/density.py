"""Flows of residual blocks in the plane: trained by likelihood, with a determinant that is exact or cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from contdepth.flows import (
    ContinuousFlow,
    DensityModel,
    ExactLogDet,
    ResidualBlock,
    ResidualFlow,
    RouletteLogDet,
    SeriesLogDet,
    lipschitz_net,
    settle,
)
from contdepth.seeds import generator
from contdepth.studies.flows.iresnet.sets import Moons

__all__ = ["Plan", "claimed", "continuous", "fitted", "loss", "residual"]

LogDet = ExactLogDet | SeriesLogDet | RouletteLogDet


@dataclass(frozen=True)
class Plan:
    """Adam with a cosine from ``rate`` down to nought; every step sees ``batch`` new points."""

    steps: int = 500
    batch: int = 256
    rate: float = 5e-3


def residual(
    blocks: int, coefficient: float, seed: int, log_det: LogDet | None = None, width: int = 32
) -> ResidualFlow:
    """Scaled blocks of three dense layers of norm at most ``coefficient``, with ELU; first weights by ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        nets = [lipschitz_net((2, width, width, 2), coefficient, iterations=1) for _ in range(blocks)]
    chain = [ResidualBlock(net) for net in nets]
    return ResidualFlow(chain, 2, log_det=log_det, tolerance=1e-5, most=2000, scaled=True)


class Velocity(nn.Module):
    """f(t, x): a net of three layers with the time beside the point."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(3, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2)
        )

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """The velocity at ``x`` (n, 2)."""
        return self.net(torch.cat([x, t.expand(len(x), 1).to(x)], 1))


def continuous(width: int, steps: int, seed: int) -> ContinuousFlow:
    """The flow of a differential equation with an exact trace, by equal steps of RK4."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ContinuousFlow(Velocity(width), 2, steps=steps)


def fitted(flow: DensityModel, law: Moons, plan: Plan, seed: int) -> DensityModel:
    """Train ``flow`` in place and settle its norms; the order of points hangs on ``seed`` alone."""
    points, chance = generator(seed, "points"), generator(seed, "chance")
    optimiser = torch.optim.Adam(flow.parameters(), lr=plan.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, plan.steps)
    flow.train()
    for _ in range(plan.steps):
        optimiser.zero_grad()
        value = -flow(law.sample(plan.batch, points), chance if flow.chance else None).mean()
        value.backward()
        optimiser.step()
        schedule.step()
    settle(flow, 1e-7)
    return flow.eval()


@torch.no_grad()
def loss(flow: DensityModel, x: Tensor) -> float:
    """The mean of -ln p over ``x`` (n, 2), in nats, by the flow's own determinant."""
    return -float(flow(x).double().mean())


def claimed(flow: ResidualFlow, x: Tensor, terms: Sequence[int | None]) -> np.ndarray:
    """The same with each number of ``terms`` of the series, traces exact; None: the exact determinant."""
    before, found = flow.log_det, []
    for n in terms:
        flow.log_det = ExactLogDet() if n is None else SeriesLogDet(n, None)
        found.append(loss(flow, x))
    flow.log_det = before
    return np.array(found)
