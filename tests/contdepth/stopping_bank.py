"""A bank of rollouts made by hand, units and policies that go with it."""

from __future__ import annotations

import torch
from torch import nn

from contdepth.restoration.models.unit import RestorationUnit
from contdepth.restoration.stopping.policy import Policy
from contdepth.restoration.stopping.rollouts import Rollouts
from contdepth.seeds import generator

# Best steps 2, 0, 4 (after a step that makes it worse), 1, 4; the third and fifth need foresight.
LOSSES = torch.tensor(
    [
        [5.0, 3.0, 1.0, 2.0, 4.0],
        [1.0, 2.0, 3.0, 4.0, 5.0],
        [3.0, 2.0, 2.5, 2.2, 0.5],
        [2.0, 1.0, 1.5, 2.5, 2.0],
        [2.0, 2.5, 3.0, 2.0, 1.2],
    ]
)
BEST = [2, 0, 4, 1, 4]
EPISODES, N = len(LOSSES), LOSSES.shape[1] - 1
SHORT = {"precision": "fp32", "learning_rate": 0.05, "learning_rate_end": 0.001, "warm_up": 50, "batch": 32}


def bank(losses=LOSSES, size=4, **options):
    """States that are constant images whose value is their own number, episode · (N + 1) + n."""
    numbers = torch.arange(losses.numel()).float().view(losses.shape)
    states = numbers[:, :, None, None].expand(*losses.shape, size, size).clone()
    return Rollouts(states, states[:, 0].clone(), losses, torch.arange(len(losses)), **options)


class Table(Policy):
    """One free value for each state of ``bank``: a Q-table in the clothes of a network."""

    def __init__(self, horizon=N, start=0.0):
        super().__init__()
        self.horizon = horizon
        self.values = nn.Parameter(torch.full((LOSSES.numel(),), start))

    def encode(self, x, y, previous):
        return x[:, 0, 0, 0].clone()

    def value(self, features, step):
        return self.values[features.round().long()]

    def grid(self, losses=LOSSES):
        return self.values.detach().view(losses.shape)[:, :-1]


def best_returns(losses, discount):
    """Q*(continue) at n: the best discounted sum of rewards over all later stops m > n, by enumeration."""
    q = torch.empty(len(losses), losses.shape[1] - 1, dtype=torch.float64)
    for e, row in enumerate(losses.double().tolist()):
        for n in range(len(row) - 1):
            sums = [
                sum(discount ** (k - n - 1) * (row[k - 1] - row[k]) for k in range(n + 1, m + 1))
                for m in range(n + 1, len(row))
            ]
            q[e, n] = max(sums)
    return q


class Halfway(RestorationUnit):
    """X_n = (X_{n-1} + 0.5) / 2: from y towards grey 0.5."""

    def forward(self, x, y):
        return (0.5 - x) / 2


def pictures(count=5, size=8):
    source = generator(0, "test")
    clean = torch.rand(count, 1, size, size, generator=source)
    return clean, clean + 0.4 * torch.randn(clean.shape, generator=source)


def noisy_bank(episodes=6, steps=3, size=12):
    source = generator(1, "test")
    states = torch.rand(episodes, steps + 1, size, size, generator=source)
    return Rollouts(
        states, states[:, 0].clone(), torch.randn(episodes, steps + 1, generator=source), torch.ones(episodes)
    )


class Brightness(Policy):
    """Goes on while the window's mean of X_n exceeds 0.07; X_n loses 0.1 a step in the tests below."""

    horizon = 8

    def encode(self, x, y, previous):
        return x.mean((1, 2, 3))

    def value(self, features, step):
        return features - 0.07
