"""Two correlated Ornstein–Uhlenbeck walks seen now and then, and their exact filter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks
from contdepth.recurrent import Series
from contdepth.seeds import generator

__all__ = ["Told", "Walk", "draw", "exact"]


@dataclass(frozen=True)
class Told:
    """What is predicted for each row before it is seen: mean and logarithm of the variance, ``(n, T, d)``."""

    mean: Tensor
    log_variance: Tensor


@dataclass(frozen=True)
class Walk:
    """dx = θ (m - x) dt + σ dW in the plane from x(0) = 0, the two noises with correlation ρ.

    Constants of the authors' double_OU.py. There the target m is uniform around (1, -1); here it is normal with
    that mean and spread, so that the filter is exact.
    """

    theta: float = 1.0
    sigma: float = 0.1
    rho: float = 0.99
    centre: tuple[float, float] = (1.0, -1.0)
    spread: float = 1 / math.sqrt(12)
    horizon: float = 10.0
    rows: int = 20
    both: float = 0.2

    def noise(self) -> Tensor:
        """Return σσᵀ, ``(2, 2)`` of float64."""
        return self.sigma**2 * torch.tensor([[1.0, self.rho], [self.rho, 1.0]], dtype=torch.float64)

    def passed(self, gap: Tensor) -> tuple[Tensor, Tensor]:
        """Return the exact map of (x, m) over a time ``gap`` ``(n,)``, ``(n, 4, 4)``, and its noise, the same."""
        decay = torch.exp(-self.theta * gap.double())[:, None, None]
        one = torch.eye(2, dtype=torch.float64)
        a, q = torch.zeros(2, len(gap), 4, 4, dtype=torch.float64)
        a[:, :2, :2], a[:, :2, 2:], a[:, 2:, 2:] = decay * one, (1 - decay) * one, one
        q[:, :2, :2] = (1 - decay.square()) / (2 * self.theta) * self.noise()
        return a, q

    def start(self, n: int) -> tuple[Tensor, Tensor]:
        """Return mean ``(n, 4)`` and covariance ``(n, 4, 4)`` of (x, m) at time 0."""
        mean = torch.tensor([0.0, 0.0, *self.centre], dtype=torch.float64).repeat(n, 1)
        spread = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64) * self.spread**2
        return mean, spread.diag().repeat(n, 1, 1)


def draw(walk: Walk, n: int, seed: int, purpose: str) -> Series:
    """Return ``n`` walks, exact at any times, in float32.

    A first row at time 0 shows nothing. Then come 80 to 120 % of ``walk.rows`` rows at times anywhere; a share
    ``walk.both`` of them shows both numbers, the others one.
    """
    source = generator(seed, f"walks/{purpose}")

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=source, dtype=torch.float64)

    most = round(1.2 * walk.rows)
    count = (0.8 * walk.rows + (most - 0.8 * walk.rows + 1) * uniform(n)).long().clamp_max(most)
    shown = torch.arange(most) < count[:, None]
    times = torch.where(shown, walk.horizon * uniform(n, most), torch.inf).sort(1).values
    last = times.masked_fill(~shown, 0).amax(1, keepdim=True)
    times = torch.cat([torch.zeros(n, 1, dtype=torch.float64), torch.where(shown, times, last)], dim=1)
    kind, both = uniform(n, most), (1 - walk.both) / 2
    seen = torch.stack([(kind < both) | (kind >= 2 * both), kind >= both], dim=-1) & shown[..., None]
    mean, spread = walk.start(n)
    state = (
        mean + torch.randn(n, 4, generator=source, dtype=torch.float64) * spread.diagonal(dim1=1, dim2=2).sqrt()
    )
    rows = [state[:, :2]]
    for gap in times.diff(dim=1).unbind(1):
        a, q = walk.passed(gap)
        root = torch.linalg.cholesky(q[:, :2, :2] + 1e-300 * torch.eye(2, dtype=torch.float64))
        kick = root @ torch.randn(n, 2, 1, generator=source, dtype=torch.float64)
        state = (a @ state[..., None])[..., 0]
        state = torch.cat([state[:, :2] + kick[..., 0], state[:, 2:]], dim=1)
        rows.append(state[:, :2])
    mask = torch.cat([torch.zeros(n, 1, 2, dtype=torch.bool), seen], dim=1)
    return Series(torch.stack(rows, 1).float(), times.float(), mask)


def exact(walk: Walk, series: Series) -> Told:
    """Return the law of each number given all earlier rows: the Kalman filter on (x, m), in float64.

    The numbers of a row are told one by one: two numbers of one row do not know of each other. No model that
    predicts each number by a normal law of its own has a smaller expected loss.
    """
    checks.instance("series", series, Series)
    values, times = series.values.double(), series.times.double()
    mean, spread = walk.start(len(values))
    told, variance = [], []
    for k, gap in enumerate(times.diff(dim=1, prepend=times[:, :1]).unbind(1)):
        a, q = walk.passed(gap)
        mean, spread = (a @ mean[..., None])[..., 0], a @ spread @ a.mT + q
        told.append(mean[:, :2])
        variance.append(spread.diagonal(dim1=1, dim2=2)[:, :2])
        for j in (0, 1):
            mean, spread = _seen(mean, spread, j, values[:, k, j], series.mask[:, k, j])
    return Told(torch.stack(told, 1), torch.stack(variance, 1).clamp_min(1e-12).log())


def _seen(mean: Tensor, spread: Tensor, j: int, value: Tensor, who: Tensor) -> tuple[Tensor, Tensor]:
    """Condition on coordinate ``j`` where it was seen, without noise."""
    known = spread[:, j, j].clamp_min(1e-300)
    gain = torch.where(who, 1.0, 0.0)[:, None] * spread[:, :, j] / known[:, None]
    return mean + gain * (value - mean[:, j])[:, None], spread - gain[:, :, None] * spread[:, None, j]
