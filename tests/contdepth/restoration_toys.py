"""Units and a policy whose results are known by hand."""

from __future__ import annotations

import torch

from contdepth.restoration.models.unit import RestorationUnit
from contdepth.restoration.stopping.policy import Policy


class Brighter(RestorationUnit):
    """Each step adds a hundredth."""

    def forward(self, x, y):
        return torch.full_like(x, 0.01)


class Blur(RestorationUnit):
    """Each step goes a third of the way to a local mean of the observation."""

    def forward(self, x, y):
        mean = torch.nn.functional.avg_pool2d(y, 9, stride=1, padding=4, count_include_pad=False)
        return (mean - x) / 3


class StopsAt(Policy):
    """Continues before step ``n``; remembers what it saw."""

    def __init__(self, n: int, horizon: int = 6) -> None:
        super().__init__()
        self.horizon, self.n, self.seen = horizon, n, []

    def forward(self, x, y, previous, step):
        self.seen.append((int(step[0]), float(x.mean()), float(previous.mean())))
        return torch.full((len(x),), float(self.n) - float(step[0]))
