"""A training plan of seconds, a unit that does something, and random pixels."""

from __future__ import annotations

import torch

from contdepth.restoration.models.unit import UnitShape, make_unit
from contdepth.restoration.training.plan import TrainingPlan
from contdepth.restoration.training.schedule import LoopSchedule

SMALL = TrainingPlan(
    UnitShape(width=4),
    schedule=LoopSchedule((1, 2)),
    levels=(25, 55),
    iterations=6,
    batch=4,
    patch=16,
    precision="fp32",
    data="photos",
)


def awake(shape: UnitShape, seed: int = 0) -> torch.nn.Module:
    """A unit whose last layer is not zero."""
    unit = make_unit(shape, seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for parameter in unit.parameters():
            parameter.data.add_(0.2 * torch.randn(parameter.shape))
    return unit


def images(*size: int, seed: int = 0) -> torch.Tensor:
    """Random pixels in [0, 1]."""
    return torch.rand(size, generator=torch.Generator().manual_seed(seed))
