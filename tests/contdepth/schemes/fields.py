"""Right-hand sides and times that several tests of solutions share."""

from __future__ import annotations

import torch


def times(*values):
    return torch.tensor(values, dtype=torch.float64)


class VanDerPol(torch.nn.Module):
    """Van der Pol's equation with a trained rate and a push that depends on time."""

    def __init__(self):
        super().__init__()
        self.rate = torch.nn.Parameter(times(2.0))

    def forward(self, t, u):
        x, y = u.unbind(-1)
        return torch.stack([y, self.rate * (1 - x**2) * y - x + torch.sin(t)], -1)


class Phases(torch.nn.Module):
    """Complex states with a real parameter."""

    def __init__(self):
        super().__init__()
        self.rate = torch.nn.Parameter(times(0.7))

    def forward(self, t, u):
        return 1j * self.rate * u * torch.cos(t) - 0.3 * u * u.abs()
